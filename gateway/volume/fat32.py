"""A read-only FAT32 volume made up on the fly: sectors are computed when they are asked for.

    0 boot sector | 1 FSInfo | 6, 7 their copies | 8 left to the owner | FAT | FAT | clusters from 2

No partition table: LBA 8 lies in the reserved sectors, which FAT32 leaves alone. The files lie
one behind the other in whole clusters. No cluster is free (what pads a small volume up to FAT32
is marked bad), so a host that mounts it for writing finds it full and writes nothing of its own.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.tse.sectors import SECTOR

_MIN_CLUSTERS = 65_541  # 65 525 makes it a FAT32; the specification advises to stay 16 away from the limit
_MAX_CLUSTER_SECTORS = 64  # 32 KiB; more is not understood everywhere
_MIN_RESERVED = 32
_ALIGNMENT = 2048  # the first cluster begins at a whole MiB
_FATS = 2
_ENTRIES = SECTOR // 4  # of a FAT in one sector
_ROOT = 2
_COPY = 6  # LBA of the copies of boot sector and FSInfo
_MEDIA = 0x0FFFFFF8
_END = 0x0FFFFFFF
_BAD = 0x0FFFFFF7
_DATE = (2020 - 1980) << 9 | 1 << 5 | 1  # of every file: 1 January 2020
_LABEL_ATTRIBUTE = 0x08
_ARCHIVE = 0x20
_READ_ONLY = 0x01

_BOOT = struct.Struct("<3s8sHBHBHHBHHHIIIHHIHH12sBBBI11s8s")
_ENTRY = struct.Struct("<11sBBBHHHHHHHI")


@dataclass(frozen=True, slots=True)
class FatFile:
    """A file to be shown: 8.3 name and size in sectors."""

    name: str
    sectors: int
    read_only: bool = False


class Fat32:
    """The places on the volume, and the sectors that no file owns."""

    def __init__(self, files: Sequence[FatFile], *, label: str, volume_id: int) -> None:
        self._files = tuple(files)
        self._label = label.encode("ascii").ljust(11)
        self._volume_id = volume_id
        self.cluster_sectors = self._choose_cluster()
        self._first_cluster = tuple(self._place())
        self._used_end = _ROOT + self._used(self.cluster_sectors)
        self._clusters = max(_MIN_CLUSTERS, self._used_end - _ROOT)
        self._fat_sectors = -(-(self._clusters + 2) // _ENTRIES)
        self.data_start = _aligned(_MIN_RESERVED + _FATS * self._fat_sectors)
        self._fat_start = self.data_start - _FATS * self._fat_sectors
        self.sectors = self.data_start + self._clusters * self.cluster_sectors
        self._ends = {0: _MEDIA, 1: _END, _ROOT: _END} | {first - 1: _END for first in self._first_cluster[1:]}
        self._ends[self._used_end - 1] = _END
        self._directory = self._make_directory()

    def lba(self, file: int) -> int:
        """Return the first LBA of the file with this index."""
        return self.data_start + (self._first_cluster[file] - _ROOT) * self.cluster_sectors

    def sector(self, lba: int) -> bytes:
        """Return a sector of the file system itself; zeros where it keeps nothing."""
        if self._fat_start <= lba < self.data_start:
            return self._fat((lba - self._fat_start) % self._fat_sectors)
        if self.data_start <= lba < self.data_start + self.cluster_sectors:
            at = (lba - self.data_start) * SECTOR
            return self._directory[at : at + SECTOR].ljust(SECTOR, b"\0")
        if lba in {0, _COPY}:
            return self._boot()
        if lba in {1, _COPY + 1}:
            return _fsinfo()
        return bytes(SECTOR)

    def _choose_cluster(self) -> int:
        size = _MAX_CLUSTER_SECTORS
        while size > 1 and self._used(size) < _MIN_CLUSTERS:
            size //= 2
        return size

    def _used(self, cluster_sectors: int) -> int:
        """Return how many clusters root directory and files take."""
        return 1 + sum(-(-file.sectors // cluster_sectors) for file in self._files)

    def _place(self) -> Iterator[int]:
        cluster = _ROOT + 1
        for file in self._files:
            yield cluster
            cluster += -(-file.sectors // self.cluster_sectors)

    def _boot(self) -> bytes:
        return (
            _BOOT.pack(
                *(b"\xeb\x58\x90", b"TSE-SIM ", SECTOR, self.cluster_sectors, self._fat_start, _FATS),
                *(0, 0, _MEDIA & 0xFF, 0, 63, 255, 0, self.sectors),  # FAT16 fields, media, disk geometry, size
                *(self._fat_sectors, 0, 0, _ROOT, 1, _COPY, bytes(12)),
                *(0x80, 0, 0x29, self._volume_id, self._label, b"FAT32   "),
            ).ljust(SECTOR - 2, b"\0")
            + b"\x55\xaa"
        )

    def _fat(self, sector: int) -> bytes:
        begin = sector * _ENTRIES
        entries = list(range(begin + 1, begin + 1 + _ENTRIES))  # each cluster is followed by the next
        for index in range(max(0, self._used_end - begin), _ENTRIES):
            entries[index] = _BAD if begin + index < self._clusters + _ROOT else 0
        for cluster, value in self._ends.items():
            if begin <= cluster < begin + _ENTRIES:
                entries[cluster - begin] = value
        return struct.pack(f"<{_ENTRIES}I", *entries)

    def _make_directory(self) -> bytes:
        entries = [_entry(self._label, _LABEL_ATTRIBUTE, 0, 0)]
        for file, cluster in zip(self._files, self._first_cluster, strict=True):
            attributes = _ARCHIVE | (_READ_ONLY if file.read_only else 0)
            entries.append(_entry(_short_name(file.name), attributes, cluster, file.sectors * SECTOR))
        directory = b"".join(entries)
        if len(directory) > self.cluster_sectors * SECTOR:
            raise ConfigurationError(
                Text(
                    "{given} files do not fit the root directory", "{given} Dateien passen nicht ins Hauptverzeichnis"
                ),
                given=len(self._files),
            )
        return directory


def _aligned(sector: int) -> int:
    return -(-sector // _ALIGNMENT) * _ALIGNMENT


def _fsinfo() -> bytes:
    """Return an FSInfo sector: no free cluster, and no hint where to look for one."""
    sector = b"RRaA".ljust(484, b"\0") + b"rrAa" + struct.pack("<II", 0, _END)
    return sector.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _short_name(name: str) -> bytes:
    stem, _, extension = name.partition(".")
    return stem.encode("ascii").ljust(8) + extension.encode("ascii").ljust(3)


def _entry(name: bytes, attributes: int, cluster: int, size: int) -> bytes:
    high, low = divmod(cluster, 1 << 16)
    return _ENTRY.pack(name, attributes, 0, 0, 0, _DATE, _DATE, high, 0, _DATE, low, size)
