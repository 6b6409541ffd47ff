"""What the layers see of a TSE: verbs for the fleet above, blocks for the driver below."""

from typing import Protocol


class BlockTransport(Protocol):
    """Blocking block access to one TSE; only ever called from its driver's own thread.

    Blocks and sectors have 512 bytes. Every method raises `OSError` when the TSE
    cannot be reached (ENODEV: gone, EIO: damaged or disturbed).
    """

    def read_info(self) -> bytes:
        """The info sector."""
        ...

    def read_window(self) -> bytes:
        """The window sector; free of side effects."""
        ...

    def write_window(self, sector: bytes) -> None:
        """Hand a command (or fetch) sector to the TSE."""
        ...

    def read_store(self, block: int, count: int) -> bytes:
        """`count` blocks of the store from `block`."""
        ...

    def write_store(self, block: int, data: bytes) -> None:
        """Whole blocks of process data to the store at `block`."""
        ...

    def close(self) -> None:
        """Give the handles back; nothing may be called afterwards."""
        ...


class TseDriver(Protocol):
    """One TSE, however it is reached. One call at a time; the caller queues.

    Every verb raises `DeviceError` (or a subclass) when the TSE could not be used and
    must be opened afresh, `ProtocolError` when it answered nonsense.
    """

    async def read_info(self) -> bytes:
        """The 512 bytes of the info sector."""
        ...

    async def send_command(self, command: bytes) -> bytes:
        """Carry out one command and return the data of its response.

        Raises:
            CommandRejected: the TSE refused it with a result code.
        """
        ...

    async def read_store(self, block: int, count: int) -> bytes:
        """`count` blocks of the store from `block`."""
        ...

    async def write_store(self, block: int, data: bytes) -> None:
        """Whole blocks of process data to the store at `block`."""
        ...

    async def close(self) -> None:
        """Give everything back; waits no longer than a second for a hung TSE."""
        ...
