"""Places of the regions of a TSE: files on its volume, offset table of the raw device (LAN-TSE protocol).

LBA 8 of the raw device   u32 info sector | u32 window sector | u32 store block 0
"""

import struct
from dataclasses import dataclass

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.sectors import SECTOR

INFO_FILE = "TSE_INFO.DAT"
WINDOW_FILE = "TSE_COMM.DAT"
STORE_FILE_BLOCKS = 2_097_152  # 1 GiB each
OFFSET_TABLE_LBA = 8
VIRTUAL_DRIVE = "tse-gateway-mount"  # the source of such a mount: no gateway takes it for a TSE of its own

_OFFSETS = struct.Struct(">III")


@dataclass(frozen=True, slots=True)
class Offsets:
    """LBAs of the regions on the raw device."""

    info: int
    window: int
    store: int

    @classmethod
    def decode(cls, sector: bytes) -> "Offsets":
        """Read the offset table; `ProtocolError` if this is not the table of a TSE."""
        if len(sector) != SECTOR:
            raise ProtocolError(
                Text(
                    "an offset table has {sector} bytes, not {given}",
                    "eine Offset-Tabelle hat {sector} Bytes, nicht {given}",
                ),
                sector=SECTOR,
                given=len(sector),
            )
        offsets = cls(*_OFFSETS.unpack_from(sector))
        if not all((offsets.info, offsets.window, offsets.store)):
            raise ProtocolError(Text("no offset table of a TSE", "keine Offset-Tabelle einer TSE"))
        return offsets

    def encode(self) -> bytes:
        """Return the 512 bytes of the table."""
        return _OFFSETS.pack(self.info, self.window, self.store).ljust(SECTOR, b"\0")


def store_file(number: int) -> str:
    """Return the name of the store's file `number`, counted from 1."""
    return f"TSE_TAR.{number:03d}"
