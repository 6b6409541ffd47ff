"""A disk or a volume that may be a TSE: its sectors are the input, in order of the first reads."""

import errno

from gateway.driver.usb.block_devices import Candidate
from gateway.driver.usb.probe import ProbeVerdict, probe
from gateway.driver.usb.transport import DirectFile
from gateway.tse import layout
from gateway.tse.sectors import SECTOR
from tests.fuzz.targets import scratch

_DISK = scratch() / "disk"
_DISK.touch()
_VOLUME = scratch()
for _name in (layout.INFO_FILE, layout.WINDOW_FILE, layout.store_file(1)):
    (_VOLUME / _name).touch()


class _Bytes(DirectFile):
    """Bytes in the place of a disk's sectors; LBA 8 is the first one, for the others nobody reads."""

    def __init__(self, data: bytes) -> None:
        self._data, self._first = data[1:], data[0] % 9 if data else 0

    def read(self, sector: int, count: int) -> bytes:
        begin = (sector - self._first) * SECTOR
        found = self._data[begin : begin + count * SECTOR] if begin >= 0 else b""
        if len(found) < count * SECTOR:
            raise OSError(errno.EIO, "short read")
        return found

    def own(self) -> None: ...

    def sectors(self) -> int:
        return self._first + len(self._data) // SECTOR

    def close(self) -> None: ...


def run(data: bytes) -> None:
    """Probe the bytes as a disk and as a volume."""
    for path in (_DISK, _VOLUME):
        result = probe(Candidate(path), lambda *_: _Bytes(data))
        assert result.verdict is not ProbeVerdict.TSE or len(result.serial) == 2 * 32
