"""A simulated TSE as a block device: raw regions by the offset table at LBA 8, and files by FAT32.

Both ways lead to the same sectors. What a host writes to the file system itself (a dirty mark,
times, FSInfo) is taken and forgotten: nothing a host does can then hide or move the TSE's files.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.simulator.fat32 import Fat32, FatFile
from gateway.simulator.volume import Region, TseBlocks, VolumeFile, volume_files
from gateway.tse.layout import OFFSET_TABLE_LBA, Offsets
from gateway.tse.sectors import SECTOR

LABEL = "SWISSBIT"


@dataclass(frozen=True, slots=True)
class _Piece:
    """`count` LBAs from `lba` that lie in one file, or in none."""

    lba: int
    count: int
    file: VolumeFile | None = None
    at: int = 0  # sector within the file


class TseImage:
    """`num_blocks` blocks of `block_size` bytes; thread-safe if the TSE is; costs kilobytes, whatever its size."""

    block_size = SECTOR

    def __init__(self, tse: TseBlocks) -> None:
        self._tse = tse
        self._files = volume_files(tse.capacity_blocks)
        self._volume = Fat32(
            [FatFile(file.name, file.sectors, file.region is Region.INFO) for file in self._files],
            label=LABEL,
            volume_id=int.from_bytes(tse.serial[:4], "big"),
        )
        self._begins = [self._volume.lba(number) for number in range(len(self._files))]
        self.num_blocks = self._volume.sectors
        self.offsets = Offsets(*self._begins[:3])  # info, window, first file of the store

    def read(self, lba: int, count: int) -> bytes:
        """`count` blocks from `lba`; `OSError` (EINVAL) outside of the device, or what the TSE raises."""
        return b"".join(self._read(piece) for piece in self._pieces(lba, count))

    def write(self, lba: int, count: int, data: bytes) -> None:
        """`count` whole blocks to `lba`; `OSError` (EROFS) for the info sector, before anything is written."""
        if len(data) != count * SECTOR:
            raise OSError(errno.EINVAL, f"{len(data)} bytes are not {count} blocks")
        pieces = list(self._pieces(lba, count))
        if any(piece.file and piece.file.region is Region.INFO for piece in pieces):
            raise OSError(errno.EROFS, "the info sector is read-only")
        for piece in pieces:
            if piece.file:
                begin = (piece.lba - lba) * SECTOR
                piece.file.write(self._tse, piece.at, data[begin : begin + piece.count * SECTOR])

    def _read(self, piece: _Piece) -> bytes:
        if piece.file:
            return piece.file.read(self._tse, piece.at, piece.count)
        return b"".join(self._own_sector(lba) for lba in range(piece.lba, piece.lba + piece.count))

    def _own_sector(self, lba: int) -> bytes:
        return self.offsets.encode() if lba == OFFSET_TABLE_LBA else self._volume.sector(lba)

    def _pieces(self, lba: int, count: int) -> Iterator[_Piece]:
        """Cut a range at the borders of the files."""
        if lba < 0 or count < 0 or lba + count > self.num_blocks:
            raise OSError(errno.EINVAL, f"blocks {lba} to {lba + count} lie outside of the device")
        end = lba + count
        for begin, file in zip(self._begins, self._files, strict=True):
            if lba < (border := min(begin, end)):
                yield _Piece(lba, border - lba)
                lba = border
            if lba < (border := min(begin + file.sectors, end)):
                yield _Piece(lba, border - lba, file, lba - begin)
                lba = border
        if lba < end:
            yield _Piece(lba, end - lba)
