"""Every command of a TSE of generation 1 and 2, and its reply (LAN-TSE protocol).

A command says what is wanted; `encode` spells it for a generation: `opcode, 00, parameters`. The opcodes that
differ are all different, so `parse` understands any command bytes; `title_of` tells one for logs and metrics
without showing a parameter, since parameters may be PINs.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Self

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.fields import (
    U8,
    U32,
    U64,
    Command,
    Generation,
    Lp8,
    Lp16,
    Lp64,
    Prefixed,
    Reply,
    Serial,
    Spelled,
    Unsigned,
)

FILTER_OPEN_END = 2**64 - 1


class User(IntEnum):
    """The users that may log in, by their number; generation 1 has no logger."""

    NONE = 0
    ADMIN = 1
    TIME_ADMIN = 2
    LOGGER = 3


USER_NAMES = {User.ADMIN: "admin", User.TIME_ADMIN: "timeadmin", User.LOGGER: "logger"}  # generation 2
_USERS = {name.encode(): user for user, name in USER_NAMES.items()}


class UserName:
    """A user by name, behind one length byte."""

    def encode(self, value: int) -> bytes:
        if value not in USER_NAMES:
            raise ProtocolError(
                Text("no user has the number {number}", "kein Benutzer hat die Nummer {number}"), number=value
            )
        return Prefixed(1).encode(USER_NAMES[User(value)].encode())

    def decode(self, data: bytes, at: int) -> tuple[User, int]:
        name, at = Prefixed(1).decode(data, at)
        if name not in _USERS:
            raise ProtocolError(Text("no user has this name", "kein Benutzer heißt so"))
        return _USERS[name], at


UserField = Annotated[int, Spelled(Unsigned(1), UserName())]


class TransactionStep(IntEnum):
    """The three signed steps of a transaction, by their number."""

    START = 0
    UPDATE = 1
    FINISH = 2


@dataclass(frozen=True)
class FactoryReset(Command, opcode=0x0F, title="factory reset"):
    """Make the TSE as new; development firmware only."""


@dataclass(frozen=True)
class FlashHealth(Command, opcode=0x12, title="flash health"):
    """Read the state of the flash memory; the reply is a `HealthReply`."""


@dataclass(frozen=True)
class Login(Command, opcode=0x20, two=0xE5, title="login"):
    """Log a user in; refused until the initial PUK was changed."""

    user: UserField
    pin: Lp8


@dataclass(frozen=True)
class Logout(Command, opcode=0x21, two=0xE6, title="logout"):
    """Log a user out, who must be logged in; generation 2 logs out whoever it is."""

    user: Annotated[int, Spelled(Unsigned(1), None, User.NONE)] = User.NONE


@dataclass(frozen=True)
class UnblockPin(Command, opcode=0x22, two=0xE7, title="unblock PIN"):
    """Set a new PIN by the PUK; the initial PIN must have been changed once."""

    user: UserField
    puk: Lp8
    new_pin: Lp8


@dataclass(frozen=True)
class ChangePuk(Command, opcode=0x23, two=0xE8, title="change PUK"):
    """Change the PUK, in generation 2 that of `user`; needs no login."""

    user: Annotated[int, Spelled(None, UserName(), User.ADMIN)]
    old_puk: Lp8
    new_puk: Lp8


@dataclass(frozen=True)
class ChangePin(Command, opcode=0x24, two=0xE9, title="change PIN"):
    """Change a PIN; its user must be logged in."""

    user: UserField
    old_pin: Lp8
    new_pin: Lp8


@dataclass(frozen=True)
class SelfTest(Command, opcode=0x40, two=0xD8, title="self test"):
    """Run the self test: up to a minute, due after power-up and every 25 hours; logins survive it.

    Generation 1 wants a registered client; generation 2 tells the outcome in a `SelfTestReply`.
    """

    client_id: Annotated[bytes, Spelled(Prefixed(1), None, b"")] = b""


@dataclass(frozen=True)
class RegisterClient(Command, opcode=0x41, title="register client"):
    """Let a client sign; needs Admin, and repeating it is harmless."""

    client_id: Lp8


@dataclass(frozen=True)
class DeregisterClient(Command, opcode=0x42, title="deregister client"):
    """Let a client sign no more; needs Admin and no open transaction of the client."""

    client_id: Lp8


@dataclass(frozen=True)
class ListClients(Command, opcode=0x43, two=0xD1, title="list clients"):
    """List registered clients; needs Admin. `lists.client_ids` asks for all of them.

    Generation 1 skips `skip` clients and replies a `ClientListReply`, generation 2 skips bytes and replies a `Part`.
    """

    skip: U32


@dataclass(frozen=True)
class TransferUpdate(Command, opcode=0x50, title="transfer firmware update"):
    """Hand over one piece of a firmware update."""

    offset: U32
    data: Lp16


@dataclass(frozen=True)
class ApplyUpdate(Command, opcode=0x51, title="apply firmware update"):
    """Install the transferred update of `size` bytes."""

    size: U32


@dataclass(frozen=True)
class EnableCtss(Command, opcode=0x60, two=None, title="enable CTSS"):
    """Open the secure storage; needs Admin and a passed self test."""


@dataclass(frozen=True)
class DisableCtss(Command, opcode=0x61, two=None, title="disable CTSS"):
    """Close the secure storage; needs Admin."""


@dataclass(frozen=True)
class ExportIfCspFails(Command, opcode=0x62, two=None, title="export if CSP test fails"):
    """Allow or forbid exports after a failed test of the signature processor; the only use of the second byte."""

    enabled: Annotated[bool, Spelled(None, None)]

    def encode(self, generation: Generation = Generation.ONE) -> bytes:
        return super().encode(generation)[:1] + bytes([self.enabled])

    @classmethod
    def decode(cls, command: bytes) -> Self:
        if command not in (b"\x62\0", b"\x62\1"):
            raise ProtocolError(Text("not a {title} command", "kein Befehl {title}"), title=cls.title)
        return cls(command[1] == 1)


@dataclass(frozen=True)
class Initialize(Command, opcode=0x70, title="initialize"):
    """Put the TSE into service, once in its life; needs Admin and CTSS."""


@dataclass(frozen=True)
class Decommission(Command, opcode=0x71, title="decommission"):
    """Take the TSE out of service for good; needs Admin, CTSS and no open transaction."""


@dataclass(frozen=True)
class SetTime(Command, opcode=0x80, title="set time"):
    """Set the time, in Unix seconds; needs CTSS, and Admin or TimeAdmin."""

    unix_time: U64


@dataclass(frozen=True)
class FetchResponse(Command, opcode=0x83, title="fetch response"):
    """Ask for the response that the TSE holds ready; in the window only."""


@dataclass(frozen=True)
class LastTransaction(Command, opcode=0x84, title="last transaction"):
    """Read the last `TransactionReply` of one client, or of any when `client_id` is empty."""

    client_id: Lp8


@dataclass(frozen=True)
class ListTransactions(Command, opcode=0x85, two=0xEA, title="list open transactions"):
    """List open transactions of one client (of all: empty `client_id`). `lists.open_transactions` asks for all of them.

    `skip` as in `ListClients`; generation 1 replies a `TransactionListReply`, generation 2 a `Part`.
    """

    skip: U32
    client_id: Lp8


@dataclass(frozen=True)
class ReadCertificate(Command, opcode=0x86, two=None, title="read certificate"):
    """Read the next part of the PEM chain from a byte offset; the reply is a `Part`."""

    offset: U32


@dataclass(frozen=True)
class OpenImport(Command, opcode=0x90, title="open transaction import"):
    """Announce one step of a transaction; the reply is `ImportOpened`.

    The host then writes `data_length` bytes of process data to the store, padded to
    whole blocks, and closes the import, which signs. `unknown` was always empty.
    """

    event: U8
    client_id: Lp8
    transaction_number: U64
    data_length: U64
    process_type: Lp64
    additional_external_data: Lp64 = b""
    unknown: Annotated[bytes, Spelled(None, Prefixed(1), b"")] = b""

    @classmethod
    @lru_cache(maxsize=64)  # four layers look at each announced step, and to understand one takes 10 us
    def decode(cls, command: bytes) -> Self:
        """Understand the bytes of this command, as of `Command`."""
        return super().decode(command)


@dataclass(frozen=True)
class AbortImport(Command, opcode=0x94, title="abort transaction import"):
    """Forget an announced step; nothing is signed."""


@dataclass(frozen=True)
class CloseImport(Command, opcode=0x95, title="sign"):
    """Sign the announced step; the reply is a `TransactionReply`."""


@dataclass(frozen=True)
class StartExport(Command, opcode=0xA0, two=None, title="start filtered export"):
    """Select by log time and transaction number, both inclusive; an unused filter is 0 to `FILTER_OPEN_END`."""

    from_time: U64
    to_time: U64
    from_number: U64
    to_number: U64
    client_id: Lp8


@dataclass(frozen=True)
class NextExportPart(Command, opcode=0xA1, two=None, title="next export part"):
    """Read on in the filtered export; the reply is a `Part`, an empty one at the end."""


@dataclass(frozen=True)
class DeleteStoredData(Command, opcode=0xA2, title="delete stored data"):
    """Delete all log messages; needs Admin, CTSS, and that everything was exported and acknowledged."""


@dataclass(frozen=True)
class AcknowledgeExport(Command, opcode=0xA3, two=0xDE, title="acknowledge export"):
    """Tell the TSE that the host has `length` bytes of the store, the end blocks included; in generation 2, all."""

    length: Annotated[int, Spelled(Unsigned(8), None, 0)] = 0


@dataclass(frozen=True)
class AbortExport(Command, opcode=0xA4, two=None, title="abort filtered export"):
    """End a filtered export before its end."""


COMMANDS: dict[int, type[Command]] = {code: kind for kind in Command.__subclasses__() for code in kind.opcodes.values()}


def parse(command: bytes) -> Command:
    """Understand the bytes of a command.

    Raises:
        ProtocolError: empty, unknown opcode, or parameters of another form.
    """
    if not command:
        raise ProtocolError(Text("an empty command", "ein leerer Befehl"))
    kind = COMMANDS.get(command[0])
    if kind is None:
        raise ProtocolError(
            Text("unknown command 0x{command:02x}", "unbekannter Befehl 0x{command:02x}"), command=command[0]
        )
    return kind.decode(command)


def title_of(command: bytes) -> str:
    """Return what a command does, from a small fixed set of titles; "unknown" for anything else."""
    if not command:
        return "unknown"
    kind = COMMANDS.get(command[0])
    return kind.title if kind is not None else "unknown"


@dataclass(frozen=True)
class Part(Reply):
    """A piece of a certificate chain or of an export; empty at the end."""

    data: Lp16


@dataclass(frozen=True)
class ImportOpened(Reply):
    """Store block from which the host writes the process data."""

    block: U64


@dataclass(frozen=True)
class TransactionReply(Reply):
    """A signed step, as the receipt must show it. `log_time` in Unix seconds."""

    transaction_number: U64
    serial: Serial
    log_time: U64
    signature_counter: U64
    signature: Lp64


@dataclass(frozen=True)
class HealthReply:
    """State of the flash memory; the host derives percentages from `erase_count` and `endurance`."""

    spare_blocks_percent: int
    uncorrectable_ecc_errors: int
    erase_count: int
    endurance: int

    SIZE = 64
    _SHORTEST = 54

    def encode(self) -> bytes:
        """Return 64 bytes; meaning is known only from offset 33 on."""
        data = bytearray(self.SIZE)
        data[33] = self.spare_blocks_percent
        data[34:36] = self.uncorrectable_ecc_errors.to_bytes(2, "big")
        data[46:52] = self.erase_count.to_bytes(6, "big")
        data[52:54] = self.endurance.to_bytes(2, "big")
        return bytes(data)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Understand the data of a reply; `ProtocolError` when they are too short or the endurance is zero."""
        if len(data) < cls._SHORTEST:
            raise ProtocolError(
                Text(
                    "flash health has at least {shortest} bytes, not {given}",
                    "Angaben zum Flash-Zustand haben mindestens {shortest} Bytes, nicht {given}",
                ),
                shortest=cls._SHORTEST,
                given=len(data),
            )
        endurance = int.from_bytes(data[52:54], "big")
        if endurance == 0:
            raise ProtocolError(Text("flash health with endurance zero", "Flash-Zustand mit der Lebensdauer null"))
        return cls(data[33], int.from_bytes(data[34:36], "big"), int.from_bytes(data[46:52], "big"), endurance)

    @property
    def remaining_erases_percent(self) -> int:
        """Share of the erase cycles that is left (the vendor's formula)."""
        return max(0, 100 - 100 * self.erase_count // (768_000 * self.endurance))

    @property
    def ten_year_retention_percent(self) -> int:
        """Share of the erase cycles that are left while data stay readable for ten years (the vendor's formula)."""
        return max(0, 100 - 1000 * self.erase_count // (768_000 * self.endurance))

    @property
    def needs_replacement(self) -> bool:
        """The vendor's rule: ECC errors, under 25 % spare blocks, or under 2 % erases left."""
        worn = self.spare_blocks_percent < 25 or self.remaining_erases_percent < 2
        return self.uncorrectable_ecc_errors > 0 or worn
