"""What the layers see of a TSE: commands and store for the fleet above, blocks for the driver below."""

from typing import Protocol


class BlockTransport(Protocol):
    """Blocking block access to one TSE; only ever called from its driver's own thread.

    Blocks and sectors have 512 bytes. Every method raises `OSError` when the TSE
    cannot be reached (ENODEV: gone, EIO: damaged or disturbed).
    """

    def read_info(self) -> bytes:
        """Return the info sector."""
        ...

    def read_window(self) -> bytes:
        """Return the window sector; free of side effects."""
        ...

    def write_window(self, sector: bytes) -> None:
        """Write a command sector (or the one that fetches a response) to the window."""
        ...

    def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of the store from `block`."""
        ...

    def write_store(self, block: int, data: bytes) -> None:
        """Write whole blocks of process data to the store at `block`."""
        ...

    def close(self) -> None:
        """Close all handles; nothing may be called afterwards."""
        ...


class TseDriver(Protocol):
    """One TSE, however it is reached. One call at a time; the caller queues.

    Every method raises `DeviceError` (or a subclass) when the TSE could not be used and
    must be opened afresh, `ProtocolError` when it answered nonsense.
    """

    async def read_info(self) -> bytes:
        """Return the info sector."""
        ...

    async def send_command(self, command: bytes) -> bytes:
        """Send one command, once, and return the data of its response.

        Raises:
            CommandRejected: the TSE refused it with a result code.
        """
        ...

    async def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of the store from `block`."""
        ...

    async def write_store(self, block: int, data: bytes) -> None:
        """Write whole blocks of process data to the store at `block`."""
        ...

    async def close(self) -> None:
        """Close it; waits no longer than a second for a hung TSE."""
        ...
