"""A simulated TSE as a disk: raw regions by the offset table at LBA 8, and files by FAT32 (LAN-TSE protocol).

Both ways lead to the same sectors, and each access is one of the TSE. What a host writes to the file system itself (a
dirty mark, times, FSInfo) is taken and forgotten: nothing a host does can then hide or move the TSE's files.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.tse.layout import OFFSET_TABLE_LBA, Offsets
from gateway.tse.sectors import SECTOR
from gateway.volume.fat32 import Fat32, FatFile
from gateway.volume.files import TseBlocks, VolumeFile, volume_files

LABEL = "SWISSBIT"


@dataclass(frozen=True, slots=True)
class _Extent:
    """`count` LBAs from `lba` that lie in one file, or in none."""

    lba: int
    count: int
    file: VolumeFile | None = None
    at: int = 0  # sector within the file


class TseImage:
    """The disk, `sectors` long; thread-safe if the TSE is; costs kilobytes, whatever its size."""

    read_only = False

    def __init__(self, tse: TseBlocks) -> None:
        self._files = volume_files(tse)
        self._volume = Fat32(
            [FatFile(file.name, file.sectors, file.read_only) for file in self._files],
            label=LABEL,
            volume_id=int.from_bytes(tse.serial[:4], "big"),
        )
        self._begins = [self._volume.lba(number) for number in range(len(self._files))]
        self.sectors = self._volume.sectors
        self.offsets = Offsets(*self._begins[:3])  # info, window, first file of the store

    @property
    def size(self) -> int:
        """Bytes."""
        return self.sectors * SECTOR

    def read(self, lba: int, count: int) -> bytes:
        """Return `count` sectors from `lba`; `OSError` (EINVAL) outside of the disk, or what the TSE raises."""
        return b"".join(self._read(extent) for extent in self._extents(lba, count))

    def write(self, lba: int, data: bytes) -> None:
        """Write whole sectors to `lba`; `OSError` (EROFS) for the info sector, before anything is written."""
        count, rest = divmod(len(data), SECTOR)
        if rest:
            raise OSError(errno.EINVAL, f"{len(data)} bytes are no whole sectors")
        extents = list(self._extents(lba, count))
        if any(extent.file and extent.file.read_only for extent in extents):
            raise OSError(errno.EROFS, "the info sector is read-only")
        for extent in extents:
            if extent.file:
                begin = (extent.lba - lba) * SECTOR
                extent.file.write(extent.at, data[begin : begin + extent.count * SECTOR])

    def _read(self, extent: _Extent) -> bytes:
        if extent.file:
            return extent.file.read(extent.at, extent.count)
        return b"".join(self._own_sector(lba) for lba in range(extent.lba, extent.lba + extent.count))

    def _own_sector(self, lba: int) -> bytes:
        return self.offsets.encode() if lba == OFFSET_TABLE_LBA else self._volume.sector(lba)

    def _extents(self, lba: int, count: int) -> Iterator[_Extent]:
        """Cut a range at the borders of the files."""
        if lba < 0 or count < 0 or lba + count > self.sectors:
            raise OSError(errno.EINVAL, f"sectors {lba} to {lba + count} lie outside of the disk")
        end = lba + count
        for begin, file in zip(self._begins, self._files, strict=True):
            if lba < (border := min(begin, end)):
                yield _Extent(lba, border - lba)
                lba = border
            if lba < (border := min(begin + file.sectors, end)):
                yield _Extent(lba, border - lba, file, lba - begin)
                lba = border
        if lba < end:
            yield _Extent(lba, end - lba)
