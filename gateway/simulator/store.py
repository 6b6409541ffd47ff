"""The store of a simulated TSE: one linear array of blocks over files of 1 GiB.

It knows no archive and no end: what counts is `used_blocks` in the state, which is
committed after the blocks, and with them until they are synced. Whatever stands behind it is left from an interrupted
write.
"""

import os
from pathlib import Path

from gateway.tse.layout import STORE_FILE_BLOCKS, store_file
from gateway.tse.sectors import SECTOR


class StoreFiles:
    """Blocks of `directory`'s TSE_TAR files; a block that was never written reads as zeros."""

    def __init__(self, directory: Path, *, file_blocks: int = STORE_FILE_BLOCKS) -> None:
        self._directory = directory
        self._file_blocks = file_blocks
        self._handles: dict[int, int] = {}

    def read(self, block: int, count: int) -> bytes:
        """Return `count` blocks from `block`."""
        return b"".join(self._read_file(number, at, size) for number, at, size in self._pieces(block, count))

    def write(self, block: int, data: bytes) -> None:
        """Write whole blocks from `block`; a kill cannot undo it, a power cut can before `sync`."""
        position = 0
        for number, at, size in self._pieces(block, len(data) // SECTOR):
            handle = self._open(number)
            _write_all(handle, data[position : position + size], at)
            position += size

    def sync(self) -> None:
        """Make all that was written outlast a power cut."""
        for handle in self._handles.values():
            os.fsync(handle)

    def cut(self, blocks: int) -> None:
        """Give back the room behind the first `blocks` blocks."""
        last = blocks // self._file_blocks + 1
        os.ftruncate(self._open(last), blocks % self._file_blocks * SECTOR)
        number = last + 1
        while (path := self._path(number)).exists():
            if number in self._handles:
                os.close(self._handles.pop(number))
            path.unlink()
            number += 1

    def size(self) -> int:
        """Return the bytes of all files."""
        number, total = 1, 0
        while (path := self._path(number)).exists():
            total += path.stat().st_size
            number += 1
        return total

    def close(self) -> None:
        """Close all files."""
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()

    def _pieces(self, block: int, count: int) -> list[tuple[int, int, int]]:
        """Return file number, byte offset and bytes for each file that the range touches."""
        pieces = []
        while count:
            number, at = divmod(block, self._file_blocks)
            here = min(count, self._file_blocks - at)
            pieces.append((number + 1, at * SECTOR, here * SECTOR))
            block, count = block + here, count - here
        return pieces

    def _read_file(self, number: int, at: int, size: int) -> bytes:
        if number not in self._handles and not self._path(number).exists():
            return bytes(size)
        return os.pread(self._open(number), size, at).ljust(size, b"\0")

    def _open(self, number: int) -> int:
        if number not in self._handles:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._handles[number] = os.open(self._path(number), flags, 0o600)
        return self._handles[number]

    def _path(self, number: int) -> Path:
        return self._directory / store_file(number)


def _write_all(handle: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, offset)
        rest, offset = rest[written:], offset + written
