"""Every command of firmware 1.x and its reply (LAN-TSE protocol); opcodes of the newer generation at the end.

A command is `opcode, 00, parameters`. `parse` understands any command bytes; `title_of`
tells one for logs and metrics without showing a parameter, since parameters may be PINs.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Self

from gateway.errors import ProtocolError
from gateway.tse.fields import U8, U32, U64, Command, Listed, Lp8, Lp16, Lp64, Padded, Reply, Serial, Unsigned

CLIENT_ID_SLOT = 31  # bytes of a client id in a list: 30 and at least one NUL
CLIENTS_PER_LIST = 16
TRANSACTIONS_PER_LIST = 62
FILTER_OPEN_END = 2**64 - 1


class User(IntEnum):
    """The users that may log in, by their number."""

    NONE = 0
    ADMIN = 1
    TIME_ADMIN = 2


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
class Login(Command, opcode=0x20, title="login"):
    """Log a user in; refused until the initial PUK was changed."""

    user: U8
    pin: Lp8


@dataclass(frozen=True)
class Logout(Command, opcode=0x21, title="logout"):
    """Log a user out; the user must be logged in."""

    user: U8


@dataclass(frozen=True)
class UnblockPin(Command, opcode=0x22, title="unblock PIN"):
    """Set a new PIN by the PUK; the initial PIN must have been changed once."""

    user: U8
    puk: Lp8
    new_pin: Lp8


@dataclass(frozen=True)
class ChangePuk(Command, opcode=0x23, title="change PUK"):
    """Change the PUK; needs no login."""

    old_puk: Lp8
    new_puk: Lp8


@dataclass(frozen=True)
class ChangePin(Command, opcode=0x24, title="change PIN"):
    """Change a PIN; its user must be logged in."""

    user: U8
    old_pin: Lp8
    new_pin: Lp8


@dataclass(frozen=True)
class SelfTest(Command, opcode=0x40, title="self test"):
    """Run the self test: up to a minute, due after power-up and every 25 hours; logins survive it."""

    client_id: Lp8


@dataclass(frozen=True)
class RegisterClient(Command, opcode=0x41, title="register client"):
    """Let a client sign; needs Admin, and repeating it is harmless."""

    client_id: Lp8


@dataclass(frozen=True)
class DeregisterClient(Command, opcode=0x42, title="deregister client"):
    """Let a client sign no more; needs Admin and no open transaction of the client."""

    client_id: Lp8


@dataclass(frozen=True)
class ListClients(Command, opcode=0x43, title="list clients"):
    """List registered clients from number `skip` on; needs Admin, the reply is a `ClientListReply`."""

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
class EnableCtss(Command, opcode=0x60, title="enable CTSS"):
    """Open the secure storage; needs Admin and a passed self test."""


@dataclass(frozen=True)
class DisableCtss(Command, opcode=0x61, title="disable CTSS"):
    """Close the secure storage; needs Admin."""


@dataclass(frozen=True)
class ExportIfCspFails(Command, opcode=0x62, title="export if CSP test fails"):
    """Allow or forbid exports after a failed test of the signature processor; the only use of the second byte."""

    enabled: bool

    def encode(self) -> bytes:
        return bytes([self.opcode, self.enabled])

    @classmethod
    def decode(cls, command: bytes) -> Self:
        if command not in (b"\x62\0", b"\x62\1"):
            raise ProtocolError(f"not a {cls.title} command")
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
class ListTransactions(Command, opcode=0x85, title="list open transactions"):
    """List open transactions of one client (of all: empty `client_id`); the reply is a `TransactionListReply`."""

    skip: U32
    client_id: Lp8


@dataclass(frozen=True)
class ReadCertificate(Command, opcode=0x86, title="read certificate"):
    """Read the next part of the PEM chain from a byte offset; the reply is a `Part`."""

    offset: U32


@dataclass(frozen=True)
class OpenImport(Command, opcode=0x90, title="open transaction import"):
    """Announce one step of a transaction; the reply is `ImportOpened`.

    The host then writes `data_length` bytes of process data to the store, padded to
    whole blocks, and closes the import, which signs.
    """

    event: U8
    client_id: Lp8
    transaction_number: U64
    data_length: U64
    process_type: Lp64
    additional_external_data: Lp64 = b""


@dataclass(frozen=True)
class AbortImport(Command, opcode=0x94, title="abort transaction import"):
    """Forget an announced step; nothing is signed."""


@dataclass(frozen=True)
class CloseImport(Command, opcode=0x95, title="sign"):
    """Sign the announced step; the reply is a `TransactionReply`."""


@dataclass(frozen=True)
class StartExport(Command, opcode=0xA0, title="start filtered export"):
    """Select by log time and transaction number, both inclusive; an unused filter is 0 to `FILTER_OPEN_END`."""

    from_time: U64
    to_time: U64
    from_number: U64
    to_number: U64
    client_id: Lp8


@dataclass(frozen=True)
class NextExportPart(Command, opcode=0xA1, title="next export part"):
    """Read on in the filtered export; the reply is a `Part`, an empty one at the end."""


@dataclass(frozen=True)
class DeleteStoredData(Command, opcode=0xA2, title="delete stored data"):
    """Delete all log messages; needs Admin, CTSS, and that everything was exported and acknowledged."""


@dataclass(frozen=True)
class AcknowledgeExport(Command, opcode=0xA3, title="acknowledge export"):
    """Tell the TSE that the host has `length` bytes of the store, the end blocks included."""

    length: U64


@dataclass(frozen=True)
class AbortExport(Command, opcode=0xA4, title="abort filtered export"):
    """End a filtered export before its end."""


COMMANDS: dict[int, type[Command]] = {kind.opcode: kind for kind in Command.__subclasses__()}

# Commands that only firmware 2.x has; the gateway passes them on and names them.
_NEWER_TITLES = {
    0xD1: "list clients",
    0xD8: "self test",
    0xDE: "acknowledge export",
    0xE5: "login",
    0xE6: "logout",
    0xE7: "unblock PIN",
    0xE8: "change PUK",
    0xE9: "change PIN",
    0xEA: "list open transactions",
}


def parse(command: bytes) -> Command:
    """Understand the bytes of a command.

    Raises:
        ProtocolError: empty, unknown opcode, or parameters of another form.
    """
    if not command:
        raise ProtocolError("an empty command")
    kind = COMMANDS.get(command[0])
    if kind is None:
        raise ProtocolError(f"unknown command 0x{command[0]:02x}")
    return kind.decode(command)


def title_of(command: bytes) -> str:
    """Return what a command does, from a small fixed set of titles; "unknown" for anything else."""
    if not command:
        return "unknown"
    kind = COMMANDS.get(command[0])
    return kind.title if kind is not None else _NEWER_TITLES.get(command[0], "unknown")


@dataclass(frozen=True)
class ClientListReply(Reply):
    """Up to 16 registered client ids."""

    client_ids: Annotated[tuple[bytes, ...], Listed(Padded(CLIENT_ID_SLOT), CLIENTS_PER_LIST)]


@dataclass(frozen=True)
class TransactionListReply(Reply):
    """Up to 62 numbers of open transactions."""

    numbers: Annotated[tuple[int, ...], Listed(Unsigned(8), TRANSACTIONS_PER_LIST)]


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
            raise ProtocolError(f"flash health has at least {cls._SHORTEST} bytes, not {len(data)}")
        endurance = int.from_bytes(data[52:54], "big")
        if endurance == 0:
            raise ProtocolError("flash health with endurance zero")
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
