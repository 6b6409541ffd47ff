"""Blocks of a real TSE: the files of its mounted volume, or the raw block device.

Both go past the page cache (O_DIRECT), since the TSE changes its sectors by itself and
cached ones would be stale; O_DIRECT wants aligned memory, hence the mmap.
"""

import errno
import mmap
import os
import stat
from pathlib import Path

from gateway.errors import ProtocolError
from gateway.storage import file_lock
from gateway.tse import layout
from gateway.tse.info import TseInfo
from gateway.tse.layout import Offsets
from gateway.tse.sectors import SECTOR

_BUFFER = 1 << 20  # most bytes in one transfer
_DIRECT = os.O_DIRECT | os.O_SYNC | os.O_CLOEXEC


class DirectFile:
    """One open file or block device, moved in aligned whole sectors. Offsets and sizes in sectors."""

    def __init__(self, path: Path, flags: int) -> None:
        self._buffer = mmap.mmap(-1, _BUFFER)
        try:
            self._fd = os.open(path, flags | _DIRECT)
        except OSError:
            self._buffer.close()
            raise

    def read(self, sector: int, count: int) -> bytes:
        """Return `count` sectors from `sector`; `OSError` (EIO) when the file ends before."""
        parts = []
        at, left = sector * SECTOR, count * SECTOR
        while left:
            size = min(left, _BUFFER)
            with memoryview(self._buffer) as view:
                got = os.preadv(self._fd, [view[:size]], at)
            if got == 0 or got % SECTOR:
                raise OSError(errno.EIO, f"short read: {got} of {size} bytes")
            parts.append(self._buffer[:got])
            at, left = at + got, left - got
        return b"".join(parts)

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors from `sector`."""
        if len(data) % SECTOR:
            raise ValueError(f"{len(data)} bytes are no whole sectors")
        for begin in range(0, len(data), _BUFFER):
            piece = data[begin : begin + _BUFFER]
            self._buffer[: len(piece)] = piece
            with memoryview(self._buffer) as view:
                done = os.pwritev(self._fd, [view[: len(piece)]], sector * SECTOR + begin)
            if done != len(piece):
                raise OSError(errno.EIO, f"short write: {done} of {len(piece)} bytes")

    def own(self) -> None:
        """Refuse with EBUSY when another process owns the TSE; two masters would break it."""
        try:
            file_lock.lock(self._fd)
        except BlockingIOError:
            raise OSError(errno.EBUSY, "the TSE is in use by another process") from None

    def sectors(self) -> int:
        """Return the size in sectors."""
        return os.lseek(self._fd, 0, os.SEEK_END) // SECTOR

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
        self._buffer.close()


class MountedFiles:
    """A TSE by the files on its mounted volume."""

    def __init__(self, directory: Path) -> None:
        self._open: list[DirectFile] = []
        try:
            self._info = self._keep(DirectFile(directory / layout.INFO_FILE, os.O_RDONLY))
            self._window = self._keep(DirectFile(directory / layout.WINDOW_FILE, os.O_RDWR))
            self._window.own()
            self._store: list[DirectFile] = []
            path = directory / layout.store_file(1)
            while not self._store or path.exists():
                self._store.append(self._keep(DirectFile(path, os.O_RDWR)))
                path = directory / layout.store_file(len(self._store) + 1)
        except OSError:
            self.close()
            raise

    def read_info(self) -> bytes:
        return self._info.read(0, 1)

    def read_window(self) -> bytes:
        return self._window.read(0, 1)

    def write_window(self, sector: bytes) -> None:
        self._window.write(0, sector)

    def read_store(self, block: int, count: int) -> bytes:
        parts = []
        while count:
            file, at, room = self._place(block)
            size = min(count, room)
            parts.append(file.read(at, size))
            block, count = block + size, count - size
        return b"".join(parts)

    def write_store(self, block: int, data: bytes) -> None:
        while data:
            file, at, room = self._place(block)
            piece = data[: room * SECTOR]
            file.write(at, piece)
            block, data = block + len(piece) // SECTOR, data[len(piece) :]

    def close(self) -> None:
        while self._open:
            self._open.pop().close()

    def _keep(self, file: DirectFile) -> DirectFile:
        self._open.append(file)
        return file

    def _place(self, block: int) -> tuple[DirectFile, int, int]:
        number, at = divmod(block, layout.STORE_FILE_BLOCKS)
        if number >= len(self._store):
            raise OSError(errno.EINVAL, f"block {block} lies behind the store")
        return self._store[number], at, layout.STORE_FILE_BLOCKS - at


class RawDisk:
    """A TSE by its raw block device (or an image of one): regions by the offset table."""

    def __init__(self, path: Path) -> None:
        # A block device refuses a second opener by O_EXCL, and while it is mounted. Not by a lock: udevd
        # holds one while it handles the plug event, and would have to wait for ours.
        device = stat.S_ISBLK(path.stat().st_mode)
        self._disk = DirectFile(path, os.O_RDWR | (os.O_EXCL if device else 0))
        try:
            if not device:
                self._disk.own()
            self._offsets = Offsets.decode(self._disk.read(layout.OFFSET_TABLE_LBA, 1))
            TseInfo.decode(self.read_info())
        except (OSError, ProtocolError):
            self._disk.close()
            raise

    def read_info(self) -> bytes:
        return self._disk.read(self._offsets.info, 1)

    def read_window(self) -> bytes:
        return self._disk.read(self._offsets.window, 1)

    def write_window(self, sector: bytes) -> None:
        self._disk.write(self._offsets.window, sector)

    def read_store(self, block: int, count: int) -> bytes:
        return self._disk.read(self._offsets.store + block, count)

    def write_store(self, block: int, data: bytes) -> None:
        self._disk.write(self._offsets.store + block, data)

    def close(self) -> None:
        self._disk.close()


def open_transport(path: Path) -> MountedFiles | RawDisk:
    """Open the TSE at `path`: a directory is a mounted volume, anything else a raw device.

    Raises:
        OSError: missing, no permission, or in use.
        ProtocolError: something is there, but no TSE; nothing was written to it.
    """
    return MountedFiles(path) if path.is_dir() else RawDisk(path)
