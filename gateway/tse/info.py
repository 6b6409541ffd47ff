"""The info sector (TSE_INFO.DAT): 512 bytes that tell nearly everything about a TSE (LAN-TSE protocol).

Reading it disturbs nothing and needs no command. Offsets in `_LAYOUT`; bytes that are
not named there had no effect on any getter of the vendor's library.
"""

import struct
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.commands import User
from gateway.tse.fields import Generation
from gateway.tse.sectors import SECTOR

MAGIC = b"GMIS"


class Lifecycle(IntEnum):
    """Whether the TSE is in service, by the number in the info sector."""

    UNINITIALIZED = 0
    INITIALIZED = 1
    DECOMMISSIONED = 2


_FLAGS = 0x1C
_VALID_TIME, _SELF_TEST_PASSED, _CTSS_ACTIVE, _EXPORT_IF_CSP_FAILS = 1, 2, 4, 8
_KEY_LENGTH, _KEY = 0x6A, 0x6B
_KEY_ROOM = 0xD0 - _KEY
_SERIAL, _SERIAL_LENGTH = 0x100, 32
_DESCRIPTION = _SERIAL + _SERIAL_LENGTH

# name -> (offset, struct format)
_LAYOUT = {
    "capacity_blocks": (0x14, ">I"),
    "used_blocks": (0x18, ">I"),
    "lifecycle": (0x1D, ">B"),
    "import_in_progress": (0x1E, ">?"),
    "credentials_changed": (0x20, ">B"),
    "logged_in_user": (0x21, ">B"),
    "self_test_due_seconds": (0x24, ">I"),
    "open_transactions": (0x28, ">I"),
    "max_open_transactions": (0x2C, ">I"),
    "created_signatures": (0x30, ">I"),
    "max_signatures": (0x34, ">I"),
    "registered_clients": (0x38, ">I"),
    "max_registered_clients": (0x3C, ">I"),
    "certificate_expires": (0x40, ">Q"),
    "tar_export_bytes": (0x48, ">Q"),
    "hardware_version": (0x50, ">I"),
    "software_version": (0x54, ">I"),
    "auto_logout_seconds": (0x5C, ">H"),
    "max_time_sync_delay_seconds": (0x5E, ">I"),
    "max_update_delay_seconds": (0x62, ">I"),
    "last_entry_block": (0x66, ">I"),
    "time_sync_due_seconds": (0xD0, ">I"),
    "admin_puk_blocked_seconds": (0xD4, ">I"),
    "time_admin_puk_blocked_seconds": (0xD8, ">I"),
    "logger_puk_blocked_seconds": (0xDC, ">I"),
}
_TEXTS = {"firmware_type": (0x04, 4), "form_factor": (0x58, 4), "description": (_DESCRIPTION, SECTOR - _DESCRIPTION)}


@dataclass(frozen=True, slots=True)
class TseInfo:
    """One reading of the info sector. Times in seconds, sizes in 512-byte blocks unless the name says bytes.

    `certificate_expires` is Unix time. `used_blocks`, `open_transactions` are zero
    unless CTSS is active. Fields that only firmware 2.x fills stand at the end.
    """

    serial: bytes
    public_key: bytes
    valid_time: bool = False
    self_test_passed: bool = False
    ctss_active: bool = False
    export_if_csp_fails: bool = False
    lifecycle: int = Lifecycle.UNINITIALIZED
    import_in_progress: bool = False
    credentials_changed: int = 0
    capacity_blocks: int = 0
    used_blocks: int = 0
    self_test_due_seconds: int = 0
    open_transactions: int = 0
    max_open_transactions: int = 0
    created_signatures: int = 0
    max_signatures: int = 0
    registered_clients: int = 0
    max_registered_clients: int = 0
    certificate_expires: int = 0
    tar_export_bytes: int = 0
    hardware_version: int = 0
    software_version: int = 0
    max_time_sync_delay_seconds: int = 0
    max_update_delay_seconds: int = 0
    last_entry_block: int = 0
    time_sync_due_seconds: int = 0
    firmware_type: str = "RLS"
    form_factor: str = "USB"
    description: str = ""
    logged_in_user: int = 0
    auto_logout_seconds: int = 0
    admin_puk_blocked_seconds: int = 0
    time_admin_puk_blocked_seconds: int = 0
    logger_puk_blocked_seconds: int = 0
    raw: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def decode(cls, sector: bytes) -> "TseInfo":
        """Understand an info sector.

        Raises:
            ProtocolError: wrong size, no `GMIS` magic, or a key that does not fit.
        """
        if len(sector) != SECTOR:
            raise ProtocolError(
                Text(
                    "an info sector has {sector} bytes, not {given}",
                    "ein Info-Sektor hat {sector} Bytes, nicht {given}",
                ),
                sector=SECTOR,
                given=len(sector),
            )
        if sector[:4] != MAGIC:
            raise ProtocolError(
                Text(
                    "not the info sector of a TSE: it does not begin with GMIS",
                    "nicht der Info-Sektor einer TSE: er beginnt nicht mit GMIS",
                )
            )
        length = sector[_KEY_LENGTH]
        if length > _KEY_ROOM:
            raise ProtocolError(
                Text(
                    "public key of {given} bytes does not fit the info sector",
                    "ein öffentlicher Schlüssel von {given} Bytes passt nicht in den Info-Sektor",
                ),
                given=length,
            )
        flags = sector[_FLAGS]
        values: dict[str, Any] = {name: struct.unpack_from(form, sector, at)[0] for name, (at, form) in _LAYOUT.items()}
        for name, (at, room) in _TEXTS.items():
            values[name] = sector[at : at + room].split(b"\0")[0].decode("latin-1")
        return cls(
            serial=bytes(sector[_SERIAL:_DESCRIPTION]),
            public_key=bytes(sector[_KEY : _KEY + length]),
            valid_time=bool(flags & _VALID_TIME),
            self_test_passed=bool(flags & _SELF_TEST_PASSED),
            ctss_active=bool(flags & _CTSS_ACTIVE),
            export_if_csp_fails=bool(flags & _EXPORT_IF_CSP_FAILS),
            raw=bytes(sector),
            **values,
        )

    def encode(self) -> bytes:
        """Return the 512 bytes of this info (the simulator's side)."""
        sector = bytearray(SECTOR)
        sector[:4] = MAGIC
        sector[_FLAGS] = (
            self.valid_time * _VALID_TIME
            | self.self_test_passed * _SELF_TEST_PASSED
            | self.ctss_active * _CTSS_ACTIVE
            | self.export_if_csp_fails * _EXPORT_IF_CSP_FAILS
        )
        for name, (at, form) in _LAYOUT.items():
            try:
                struct.pack_into(form, sector, at, getattr(self, name))
            except struct.error:
                raise ProtocolError(
                    Text(
                        "{name} of {value} does not fit the info sector",
                        "{name} mit {value} passt nicht in den Info-Sektor",
                    ),
                    name=name,
                    value=getattr(self, name),
                ) from None
        for name, (at, room) in _TEXTS.items():
            text = getattr(self, name).encode("latin-1", "replace")
            if len(text) >= room:
                raise ProtocolError(
                    Text(
                        "{name} of {given} bytes does not fit {room}", "{name} mit {given} Bytes passt nicht in {room}"
                    ),
                    name=name,
                    given=len(text),
                    room=room - 1,
                )
            sector[at : at + len(text)] = text
        if len(self.public_key) > _KEY_ROOM:
            raise ProtocolError(
                Text(
                    "public key of {given} bytes does not fit the info sector",
                    "ein öffentlicher Schlüssel von {given} Bytes passt nicht in den Info-Sektor",
                ),
                given=len(self.public_key),
            )
        if len(self.serial) != _SERIAL_LENGTH:
            raise ProtocolError(
                Text("a serial has {length} bytes, not {given}", "eine Seriennummer hat {length} Bytes, nicht {given}"),
                length=_SERIAL_LENGTH,
                given=len(self.serial),
            )
        sector[_KEY_LENGTH] = len(self.public_key)
        sector[_KEY : _KEY + len(self.public_key)] = self.public_key
        sector[_SERIAL:_DESCRIPTION] = self.serial
        return bytes(sector)

    @property
    def serial_hex(self) -> str:
        """The serial in 64 upper-case hex digits."""
        return self.serial.hex().upper()

    @property
    def software(self) -> str:
        """Software version as major.minor.patch."""
        return version_text(self.software_version)

    @property
    def remaining_signatures(self) -> int:
        """Signatures that the TSE can still make."""
        return max(0, self.max_signatures - self.created_signatures)

    @property
    def generation(self) -> Generation:
        """The generation, which the commands are spelled for: 2 from firmware 2.0 on (LAN-TSE protocol)."""
        return Generation.TWO if self.software_version >> 16 >= 2 else Generation.ONE

    @property
    def all_credentials_changed(self) -> bool:
        """Whether no PIN or PUK is the initial one any more."""
        everything = 0x3F if self.generation is Generation.TWO else 0x07
        return self.credentials_changed & everything == everything

    def puk_blocked_seconds(self, user: int) -> int:
        """Return for how long no PUK of `user` is looked at, after wrong ones; 0 in generation 1."""
        blocked = {
            User.ADMIN: self.admin_puk_blocked_seconds,
            User.TIME_ADMIN: self.time_admin_puk_blocked_seconds,
            User.LOGGER: self.logger_puk_blocked_seconds,
        }
        return blocked.get(User(user), 0)

    @property
    def export_bytes(self) -> int:
        """Size of a full export: the used blocks and two end blocks."""
        return (self.used_blocks + 2) * SECTOR if self.used_blocks else self.tar_export_bytes

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by name, for display; bytes as upper-case hex."""
        shown = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "raw"}
        return {name: value.hex().upper() if isinstance(value, bytes) else value for name, value in shown.items()}


def version_text(version: int) -> str:
    """Return `u16 major, u8 minor, u8 patch` as text."""
    return f"{version >> 16}.{version >> 8 & 0xFF}.{version & 0xFF}"
