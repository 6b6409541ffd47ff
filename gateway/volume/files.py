"""The files that a TSE shows on its volume (LAN-TSE protocol), and what each access to them means for the TSE.

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
from gateway.i18n.text import Text
from gateway.tse.layout import INFO_FILE, STORE_FILE_BLOCKS, WINDOW_FILE, store_file
from gateway.tse.sectors import SECTOR

_MAX_FILES = 999  # three digits


class TseBlocks(Protocol):
    """What a volume or disk image needs of the TSE behind it; every call may raise `OSError`."""

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

    tse: TseBlocks
    name: str
    region: Region
    start: int
    sectors: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.sectors * SECTOR

    @property
    def read_only(self) -> bool:
        return self.region is Region.INFO

    def read(self, sector: int, count: int) -> bytes:
        """Return `count` sectors from `sector`, all within the file."""
        if self.region is Region.INFO:
            return self.tse.read_info()
        if self.region is Region.WINDOW:
            return self.tse.read_window()
        return self.tse.read_store(self.start + sector, count)

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors to `sector`, all within the file; `OSError` (EACCES) for the info sector."""
        if self.region is Region.INFO:
            raise OSError(errno.EACCES, "the info sector is read-only")
        if self.region is Region.WINDOW:
            self.tse.write_window(data)
        else:
            self.tse.write_store(self.start + sector, data)


def volume_files(tse: TseBlocks) -> tuple[VolumeFile, ...]:
    """Return the files of a TSE in the order of their place on the volume."""
    if not 1 <= tse.capacity_blocks <= _MAX_FILES * STORE_FILE_BLOCKS:
        raise ConfigurationError(
            Text(
                "a TSE with {blocks} blocks cannot be shown as files",
                "eine TSE mit {blocks} Blöcken lässt sich nicht als Dateien zeigen",
            ),
            blocks=tse.capacity_blocks,
        )
    return (
        VolumeFile(tse, INFO_FILE, Region.INFO, 0, 1),
        VolumeFile(tse, WINDOW_FILE, Region.WINDOW, 0, 1),
        *_store_files(tse),
    )


def _store_files(tse: TseBlocks) -> Iterator[VolumeFile]:
    capacity = tse.capacity_blocks
    for number, start in enumerate(range(0, capacity, STORE_FILE_BLOCKS), start=1):
        yield VolumeFile(tse, store_file(number), Region.STORE, start, min(STORE_FILE_BLOCKS, capacity - start))
