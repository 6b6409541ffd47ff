"""The command window (LAN-TSE protocol): one 512-byte sector, written by the host and read back from the TSE.

    host -> TSE   u16 n | n bytes command | zeros
    TSE -> host   u32 counter | u8 state | u16 m | m-2 bytes data | u16 result | zeros

All integers big-endian. `m` counts the data and the result. The counter grows by one
for each command carried out, not for the fetch command, and restarts at power-up.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import ProtocolError
from gateway.i18n.text import Text

SECTOR = 512
MAX_COMMAND = SECTOR - 2
MAX_REPLY = 503  # 504 would leave no room for the result

_REQUEST = struct.Struct(">H")
_HEADER = struct.Struct(">IBH")
_RESULT = struct.Struct(">H")


class WindowState(IntEnum):
    """State of the last command."""

    BUSY_OLD = 0xF3  # only named by third-party code; a real device was never seen to answer so
    FETCH = 0xFD
    BUSY = 0xFE
    DONE = 0xFF


@dataclass(frozen=True, slots=True)
class Response:
    """The window as the TSE shows it; `data` and `result` mean something only when DONE."""

    counter: int
    state: WindowState
    data: bytes = b""
    result: int = 0

    @classmethod
    def decode(cls, sector: bytes) -> "Response":
        """Understand one window sector.

        Raises:
            ProtocolError: wrong size, unknown state, or a length that does not fit.
        """
        counter = read_counter(sector)
        _, raw_state, length = _HEADER.unpack_from(sector)
        try:
            state = WindowState(raw_state)
        except ValueError:
            raise ProtocolError(
                Text("unknown window state 0x{state:02x}", "unbekannter Fensterzustand 0x{state:02x}"), state=raw_state
            ) from None
        if state is not WindowState.DONE:
            return cls(counter, state)
        end = _HEADER.size + length - _RESULT.size
        if not _HEADER.size <= end <= _HEADER.size + MAX_REPLY:
            raise ProtocolError(
                Text(
                    "response length {given} does not fit its sector",
                    "die Antwortlänge {given} passt nicht in ihren Sektor",
                ),
                given=length,
            )
        (result,) = _RESULT.unpack_from(sector, end)
        return cls(counter, state, bytes(sector[_HEADER.size : end]), result)

    def encode(self) -> bytes:
        """Return the 512 bytes of this window (the simulator's side)."""
        if len(self.data) > MAX_REPLY:
            raise ProtocolError(
                Text(
                    "a reply of {given} bytes does not fit the window",
                    "eine Antwort von {given} Bytes passt nicht ins Fenster",
                ),
                given=len(self.data),
            )
        head = _HEADER.pack(self.counter, self.state, len(self.data) + _RESULT.size)
        return (head + self.data + _RESULT.pack(self.result)).ljust(SECTOR, b"\0")


def read_counter(sector: bytes) -> int:
    """Return the response counter of a window in any state."""
    if len(sector) != SECTOR:
        raise ProtocolError(
            Text(
                "a window sector has {sector} bytes, not {given}", "ein Fenstersektor hat {sector} Bytes, nicht {given}"
            ),
            sector=SECTOR,
            given=len(sector),
        )
    return int.from_bytes(sector[:4], "big")


def cut_off(blocks: bytes, first: int, length: int) -> bytes:
    """Return `blocks` of a store, from block `first` on, as one of `length` blocks has them: zeros behind its end."""
    return blocks[: max(0, length - first) * SECTOR].ljust(len(blocks), b"\0")


def encode_command(command: bytes) -> bytes:
    """Return the 512 bytes that hand `command` (1 to 510 bytes) to the TSE."""
    if not 1 <= len(command) <= MAX_COMMAND:
        raise ProtocolError(
            Text("a command has 1 to {most} bytes, not {given}", "ein Befehl hat 1 bis {most} Bytes, nicht {given}"),
            most=MAX_COMMAND,
            given=len(command),
        )
    return (_REQUEST.pack(len(command)) + command).ljust(SECTOR, b"\0")


def decode_command(sector: bytes) -> bytes:
    """Return the command in a sector that a host wrote (the simulator's side)."""
    if len(sector) != SECTOR:
        raise ProtocolError(
            Text(
                "a window sector has {sector} bytes, not {given}", "ein Fenstersektor hat {sector} Bytes, nicht {given}"
            ),
            sector=SECTOR,
            given=len(sector),
        )
    (length,) = _REQUEST.unpack_from(sector)
    if not 1 <= length <= MAX_COMMAND:
        raise ProtocolError(
            Text("a command has 1 to {most} bytes, not {given}", "ein Befehl hat 1 bis {most} Bytes, nicht {given}"),
            most=MAX_COMMAND,
            given=length,
        )
    return bytes(sector[2 : 2 + length])
