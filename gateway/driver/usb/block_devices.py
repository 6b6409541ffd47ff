"""Candidates for a TSE: disks in sysfs, mounted volumes, and paths that the settings name.

Only sysfs, the table of mounts and links in /dev are read; no disk is opened. A disk with something
mounted from it is no candidate, its mounted volumes are. The README of gateway/driver tells why this
is not left to pyudev.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.tse.layout import VIRTUAL_DRIVE
from gateway.tse.sectors import SECTOR

_FLOPPY, _CD_ROM = "2", "11"  # majors (Linux, devices.txt) of drives that rattle when opened, and never hold a TSE
_VOLUME_TYPES = ("vfat", "msdos", "exfat", "fuse", "fuseblk")  # a TSE has FAT; simulators and some hosts use fuse
_ESCAPE = re.compile(r"\\([0-7]{3})")
_HOT_PLUGGED = re.compile(r"/(usb|mmc)\d")


@dataclass(frozen=True, slots=True)
class Roots:
    """Where sysfs, device nodes and the table of mounts are; tests have hosts made of files."""

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    mounts: Path = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block device, volume or path that may hold a TSE.

    `key` is another one after each plugging-in, mounting, or change of medium; it is empty for a path that
    neither sysfs nor the table of mounts knows. `number` is major:minor of a disk. `named`: the settings name it;
    `pluggable`: it is on USB, a card, or removable.
    """

    path: Path
    key: str = ""
    number: str = ""
    named: bool = False
    pluggable: bool = False
    read_only: bool = False
    empty: bool = False


@dataclass(frozen=True, slots=True)
class _Disk:
    node: Path
    number: str
    key: str
    pluggable: bool
    read_only: bool
    empty: bool
    held: bool  # by the device mapper or a RAID
    large_sectors: bool
    numbers: frozenset[str]  # its own and those of its partitions
    nodes: frozenset[str]

    def candidate(self, path: Path | None = None, *, named: bool = False) -> Candidate:
        return Candidate(path or self.node, self.key, self.number, named, self.pluggable, self.read_only, self.empty)


@dataclass(frozen=True, slots=True)
class _Mount:
    id: str
    number: str
    root: str
    point: Path
    read_only: bool
    type: str
    source: str

    def is_of(self, disk: _Disk) -> bool:
        return self.number in disk.numbers or self.source in disk.nodes  # btrfs shows numbers of its own

    def candidate(self, disks: Sequence[_Disk], *, named: bool = False) -> Candidate:
        below = next((disk for disk in disks if self.is_of(disk)), None)
        key = f"{self.id}/{self.number}/{'ro' if self.read_only else 'rw'}/{below.key if below else ''}"
        return Candidate(self.point, key, named=named, pluggable=below is not None and below.pluggable)


def candidates(roots: Roots, named: Sequence[Path] = (), *, everywhere: bool = True) -> tuple[Candidate, ...]:
    """Return all candidates, the named ones first; one TSE is one candidate, however many names lead to it."""
    disks, mounts = list(_disks(roots)), list(_mounts(roots.mounts))
    found = dict(_named(path, roots, disks, mounts) for path in named)
    if everywhere:
        for mount in mounts:
            if mount.source != VIRTUAL_DRIVE and (mount.type in _VOLUME_TYPES or mount.type.startswith("fuse.")):
                found.setdefault(f"{mount.number} {mount.root}", mount.candidate(disks))
        for disk in disks:
            used = disk.held or disk.large_sectors or any(mount.is_of(disk) for mount in mounts)
            if not used:
                found.setdefault(disk.number, disk.candidate())
    return tuple(found.values())


def disk_names(roots: Roots) -> frozenset[str]:
    """Return the names of all disks, in microseconds: another answer means that `candidates` has one, too."""
    return frozenset(entry.name for entry in _entries(roots.sys / "block"))


def _named(path: Path, roots: Roots, disks: Sequence[_Disk], mounts: Sequence[_Mount]) -> tuple[str, Candidate]:
    # Only below /dev the file is asked for: on a dead volume that would block.
    node, number = _node_and_number(path) if path.is_relative_to(roots.dev) else (path, "")
    for disk in disks:
        if disk.number == number or disk.node == node:
            return disk.number, disk.candidate(path, named=True)
    for mount in reversed(mounts):  # the last one hides those before
        if mount.point == path:
            return f"{mount.number} {mount.root}", mount.candidate(disks, named=True)
    return str(path), Candidate(path, named=True)


def _node_and_number(path: Path) -> tuple[Path, str]:
    """Return both: containers may give disks other names than sysfs does, but the number stays."""
    node = Path(os.path.realpath(path))
    try:
        found = node.stat()
    except OSError:
        return node, ""
    return node, device_number(found.st_rdev) if stat.S_ISBLK(found.st_mode) else ""


def device_number(device: int) -> str:
    """Return major:minor, as sysfs and the table of mounts spell it."""
    return f"{os.major(device)}:{os.minor(device)}"


# --- sysfs: whatever is asked for, the disk may have been pulled this very moment ---


def _disks(roots: Roots) -> Iterator[_Disk]:
    for name in sorted(disk_names(roots)):
        disk = _disk(roots, roots.sys / "block" / name)
        if disk is not None:
            yield disk


def _disk(roots: Roots, directory: Path) -> _Disk | None:
    """Return None for what no TSE can be: loop, RAM and mapped disks (no hardware), CDs, hidden paths (NVMe)."""
    number = _attribute(directory / "dev")
    if not (directory / "device").exists() or _attribute(directory / "hidden") == "1":
        return None
    if not number or number.split(":")[0] in {_FLOPPY, _CD_ROM}:
        return None
    partitions = [entry for entry in _entries(directory) if entry.name.startswith(directory.name)]  # sda1, mmcblk0p1
    sizes = {name: _attribute(directory / name) for name in ("size", "ro", "diskseq")}
    block_size = _attribute(directory / "queue" / "logical_block_size")
    return _Disk(
        node=_node(roots, directory),
        number=number,
        # The inode stands in for diskseq on kernels before 5.15: sysfs makes a new one for each new disk.
        key="/".join([number, _inode(directory), *sizes.values()]),
        pluggable=_attribute(directory / "removable") == "1" or bool(_HOT_PLUGGED.search(os.path.realpath(directory))),
        read_only=sizes["ro"] == "1",
        empty=sizes["size"] == "0",
        held=any(_entries(part / "holders") for part in (directory, *partitions)),
        large_sectors=bool(block_size) and block_size != str(SECTOR),
        numbers=frozenset([number, *(_attribute(part / "dev") for part in partitions)]),
        nodes=frozenset(str(_node(roots, part)) for part in (directory, *partitions)),
    )


def _node(roots: Roots, directory: Path) -> Path:
    return roots.dev / directory.name.replace("!", "/")


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _inode(directory: Path) -> str:
    try:
        return str(directory.stat().st_ino)
    except OSError:
        return ""


def _attribute(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


# --- the table of mounts ---


def _mounts(table: Path) -> Iterator[_Mount]:
    """Parse lines of proc(5): id parent major:minor root point options [tags ...] - type source options."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        own, _, of_type = line.partition(" - ")
        left, right = own.split(" "), of_type.split(" ")
        if len(left) >= 6 and len(right) >= 3:
            options = {*left[5].split(","), *right[2].split(",")}
            yield _Mount(left[0], left[2], left[3], Path(_plain(left[4])), "ro" in options, right[0], _plain(right[1]))


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
