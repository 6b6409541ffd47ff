"""A host made of files: sysfs, /dev and the table of mounts, with disks that come and go."""

import os
import shutil
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from gateway.driver.usb.block_devices import Candidate, Roots
from gateway.driver.usb.probe import ProbeResult, probe
from gateway.driver.usb.transport import DirectFile
from gateway.simulator.device import SimulatedTse
from gateway.tse import layout
from gateway.tse.info import TseInfo
from gateway.tse.layout import Offsets
from gateway.tse.sectors import SECTOR
from gateway.volume.image import TseImage

FOREIGN_DISK = b"\x55" * 64 * SECTOR
USB, FIXED = "pci0000:00/usb1/1-1", "pci0000:00/virtio0"


def info_of(serial: int) -> bytes:
    return TseInfo(serial.to_bytes(32, "big"), b"\4" * 97).encode()


def serial_of(serial: int) -> str:
    return f"{serial:064X}"


def tse_disk(serial: int = 1) -> bytes:
    """The smallest disk with what a TSE is known by."""
    disk = bytearray(64 * SECTOR)
    disk[layout.OFFSET_TABLE_LBA * SECTOR : (layout.OFFSET_TABLE_LBA + 1) * SECTOR] = Offsets(20, 21, 30).encode()
    disk[20 * SECTOR : 21 * SECTOR] = info_of(serial)
    return bytes(disk)


def dump(tse: SimulatedTse, path: Path) -> Path:
    """A sparse copy of the whole simulated stick, without its store."""
    image = TseImage(tse)
    with path.open("wb") as file:
        file.truncate(image.size)
        file.write(image.read(0, image.offsets.store))
    return path


@dataclass
class Opener:
    """Opens for real, remembers how, and fails as often as it is told to."""

    failures: list[int] = field(default_factory=list)
    opened: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, path: Path, flags: int) -> DirectFile:
        self.opened.append((path.name, flags))
        if self.failures:
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return DirectFile(path, flags)

    @property
    def names(self) -> list[str]:
        return sorted({name for name, _ in self.opened})

    def look(self, candidate: Candidate) -> ProbeResult:
        return probe(candidate, self)


@dataclass
class FakeHost:
    root: Path
    _sequence: "count[int]" = field(default_factory=lambda: count(1))
    _mounts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("sys/block", "dev"):
            (self.root / name).mkdir(parents=True)
        self._write_mounts()

    @property
    def roots(self) -> Roots:
        return Roots(self.root / "sys", self.root / "dev", self.root / "mountinfo")

    def plug(self, name: str, content: bytes | None = None, number: str = "8:0", bus: str = USB, **more: str) -> Path:
        """A disk appears; without content it has no node, and its size is 0 unless told otherwise."""
        directory = self.root / "sys/devices" / bus / "block" / name
        (directory / "device").mkdir(parents=True)
        sectors = len(content or b"") // SECTOR
        attributes = {"dev": number, "size": str(sectors), "ro": "0", "removable": "0", "hidden": "0"}
        for attribute, value in (attributes | {"diskseq": str(next(self._sequence))} | more).items():
            file = directory / attribute.replace("__", "/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(value + "\n")
        node = self.root / "dev" / name
        if content is not None:
            node.write_bytes(content)
        (self.root / "sys/block" / name).symlink_to(directory)
        return node

    def unplug(self, name: str) -> None:
        link = self.root / "sys/block" / name
        directory = link.resolve()
        link.unlink()
        shutil.rmtree(directory)
        (self.root / "dev" / name).unlink(missing_ok=True)

    def mount(
        self, point: Path, number: str = "0:99", kind: str = "vfat", options: str = "rw", source: str = "x"
    ) -> None:
        spelled = str(point).replace(" ", "\\040")
        line = f"{next(self._sequence)} 1 {number} / {spelled} {options},noatime shared:1 - {kind} {source} rw,errors=x"
        self._mounts.append(line)
        self._write_mounts()

    def unmount_all(self) -> None:
        self._mounts.clear()
        self._write_mounts()

    def volume(self, name: str = "volume", serial: int = 1) -> Path:
        """A directory with the files of a TSE."""
        directory = self.root / name
        directory.mkdir()
        (directory / layout.INFO_FILE).write_bytes(info_of(serial))
        for file in (layout.WINDOW_FILE, layout.store_file(1)):
            (directory / file).write_bytes(bytes(SECTOR))
        return directory

    def _write_mounts(self) -> None:
        (self.root / "mountinfo").write_text("".join(line + "\n" for line in self._mounts))
