"""The files that a TSE shows on its volume, and what each access to them means for the TSE.

TSE_INFO.DAT   1 sector, read-only
TSE_COMM.DAT   1 sector, the window
TSE_TAR.001 .. the store in files of 1 GiB, the last one shorter
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from gateway.errors import ConfigurationError
from gateway.tse.layout import INFO_FILE, STORE_FILE_BLOCKS, WINDOW_FILE, store_file
from gateway.tse.sectors import SECTOR

_MAX_FILES = 999  # three digits


class TseBlocks(Protocol):
    """What a face needs of the TSE behind it; every call may raise `OSError`."""

    @property
    def serial(self) -> bytes: ...
    @property
    def capacity_blocks(self) -> int: ...
    def read_info(self) -> bytes: ...
    def read_window(self) -> bytes: ...
    def write_window(self, sector: bytes) -> None: ...
    def read_store(self, block: int, count: int) -> bytes: ...
    def write_store(self, block: int, data: bytes) -> None: ...


class Region(Enum):
    """A part of the TSE."""

    INFO = auto()
    WINDOW = auto()
    STORE = auto()


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file: `sectors` of `region` from sector `start` (0 unless it is a later file of the store)."""

    name: str
    region: Region
    start: int
    sectors: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.sectors * SECTOR

    def read(self, tse: TseBlocks, sector: int, count: int) -> bytes:
        """`count` sectors from `sector`, all within the file."""
        if self.region is Region.INFO:
            return tse.read_info()
        if self.region is Region.WINDOW:
            return tse.read_window()
        return tse.read_store(self.start + sector, count)

    def write(self, tse: TseBlocks, sector: int, data: bytes) -> None:
        """Whole sectors to `sector`, all within the file; `OSError` (EACCES) for the info sector."""
        if self.region is Region.INFO:
            raise OSError(errno.EACCES, "the info sector is read-only")
        if self.region is Region.WINDOW:
            tse.write_window(data)
        else:
            tse.write_store(self.start + sector, data)


def volume_files(capacity_blocks: int) -> tuple[VolumeFile, ...]:
    """The files of a TSE whose store has `capacity_blocks`, in the order of their place on the volume."""
    if not 1 <= capacity_blocks <= _MAX_FILES * STORE_FILE_BLOCKS:
        raise ConfigurationError(f"a TSE with {capacity_blocks} blocks cannot be shown as files")
    return (
        VolumeFile(INFO_FILE, Region.INFO, 0, 1),
        VolumeFile(WINDOW_FILE, Region.WINDOW, 0, 1),
        *_store_files(capacity_blocks),
    )


def _store_files(capacity: int) -> Iterator[VolumeFile]:
    for number, start in enumerate(range(0, capacity, STORE_FILE_BLOCKS), start=1):
        yield VolumeFile(store_file(number), Region.STORE, start, min(STORE_FILE_BLOCKS, capacity - start))
