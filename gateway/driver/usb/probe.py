"""Tell whether a candidate holds a TSE: by what is stored there, never by a name or a USB id. Nothing but reads.

A raw disk is a TSE when the offset table at LBA 8 leads to an info sector; a volume is one when it has
TSE_INFO.DAT and TSE_COMM.DAT (`gateway.tse.layout`).
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.driver.usb.block_devices import Candidate, device_number
from gateway.driver.usb.transport import DirectFile
from gateway.errors import ProtocolError
from gateway.i18n.text import NOTHING, Text, reason_of
from gateway.tse import layout
from gateway.tse.info import MAGIC, TseInfo
from gateway.tse.layout import Offsets

Open = Callable[[Path, int], DirectFile]  # as DirectFile(path, flags)


class ProbeVerdict(StrEnum):
    """What probing a candidate has shown."""

    TSE = "tse"
    FOREIGN = "foreign"
    NO_MEDIUM = "no_medium"
    ABSENT = "absent"
    NO_PERMISSION = "no_permission"
    READ_ONLY = "read_only"
    IN_USE = "in_use"
    DAMAGED = "damaged"
    HANGS = "hangs"


class AccessKind(StrEnum):
    """The way to a TSE: its whole disk, or the files of its mounted volume."""

    RAW = "raw"
    VOLUME = "volume"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The verdict, and what is known besides: `serial` in hex, also of a TSE that cannot be used; `reason` if any."""

    verdict: ProbeVerdict
    kind: AccessKind = AccessKind.UNKNOWN
    serial: str = ""
    reason: Text = NOTHING


_OTHER_DISK = Text("the node is one of another disk", "der Geräteknoten gehört zu einem anderen Datenträger")
_NEITHER = Text("neither a disk nor a directory", "weder Datenträger noch Verzeichnis")
_CAME = Text("a medium came", "ein Medium kam")
_MISSING = Text("{name} is missing", "{name} fehlt")
_READ_ONLY = Text("it may be read, but not written to", "sie darf gelesen, aber nicht beschrieben werden")
_VERDICTS = {
    errno.EACCES: ProbeVerdict.NO_PERMISSION,
    errno.EPERM: ProbeVerdict.NO_PERMISSION,  # the device cgroup of a container
    errno.ENOMEDIUM: ProbeVerdict.NO_MEDIUM,
    errno.ENOENT: ProbeVerdict.ABSENT,
    errno.ENODEV: ProbeVerdict.ABSENT,
    errno.ENXIO: ProbeVerdict.ABSENT,
    errno.ENOTCONN: ProbeVerdict.ABSENT,  # the process behind a FUSE volume died
    errno.EBUSY: ProbeVerdict.IN_USE,
    errno.EROFS: ProbeVerdict.READ_ONLY,
    errno.EINVAL: ProbeVerdict.FOREIGN,  # sectors of another size than 512
}


def probe(candidate: Candidate, open_file: Open = DirectFile) -> ProbeResult:
    """Probe a candidate. Blocks as long as the kernel does; never raises for what is found there."""
    try:
        mode = candidate.path.stat()
        if stat.S_ISDIR(mode.st_mode):
            return _probe_volume(candidate, open_file)
        if stat.S_ISBLK(mode.st_mode) and candidate.number not in {"", device_number(mode.st_rdev)}:
            return ProbeResult(ProbeVerdict.ABSENT, reason=_OTHER_DISK)
        if not (stat.S_ISBLK(mode.st_mode) or stat.S_ISREG(mode.st_mode)):
            return ProbeResult(ProbeVerdict.FOREIGN, reason=_NEITHER)
        return _probe_disk(candidate, open_file)
    except OSError as error:
        return ProbeResult(_verdict(error), reason=reason_of(error))


def _verdict(error: OSError) -> ProbeVerdict:
    return _VERDICTS.get(error.errno or 0, ProbeVerdict.DAMAGED)


# --- a raw disk ---


def _probe_disk(candidate: Candidate, open_file: Open) -> ProbeResult:
    with closing(open_file(candidate.path, os.O_RDONLY)) as disk:
        if candidate.empty:  # opened all the same: on some hosts only this makes the kernel see a new medium
            came = disk.sectors() > 0
            return ProbeResult(ProbeVerdict.NO_MEDIUM, AccessKind.RAW, reason=_CAME if came else NOTHING)
        sector = _info_sector(disk)
    if sector is None:
        return ProbeResult(ProbeVerdict.FOREIGN, AccessKind.RAW)
    return _judged(sector, AccessKind.RAW, candidate, [candidate.path], open_file)


def _info_sector(disk: DirectFile) -> bytes | None:
    size = disk.sectors()
    if size <= layout.OFFSET_TABLE_LBA:
        return None
    try:
        offsets = Offsets.decode(disk.read(layout.OFFSET_TABLE_LBA, 1))
    except ProtocolError:
        return None
    if max(offsets.info, offsets.window, offsets.store) >= size:
        return None
    sector = disk.read(offsets.info, 1)
    return sector if sector.startswith(MAGIC) else None


# --- a mounted volume ---


def _probe_volume(candidate: Candidate, open_file: Open) -> ProbeResult:
    info, *others = [candidate.path / name for name in (layout.INFO_FILE, layout.WINDOW_FILE, layout.store_file(1))]
    try:
        opened = open_file(info, os.O_RDONLY)
    except FileNotFoundError:
        return ProbeResult(ProbeVerdict.FOREIGN, AccessKind.VOLUME)
    with closing(opened) as file:
        sector = file.read(0, 1)
    for other in others:
        if not other.exists():
            return ProbeResult(ProbeVerdict.DAMAGED, AccessKind.VOLUME, reason=_MISSING.filled(name=other.name))
    return _judged(sector, AccessKind.VOLUME, candidate, others, open_file)


# --- both ---


def _judged(sector: bytes, kind: AccessKind, candidate: Candidate, written: list[Path], open_file: Open) -> ProbeResult:
    """Return whether what says that it is a TSE can be used; `written` are the files that would be written to."""
    try:
        serial = TseInfo.decode(sector).serial_hex
    except ProtocolError as error:
        return ProbeResult(ProbeVerdict.DAMAGED, kind, reason=error.text)
    is_block = stat.S_ISBLK(written[0].stat().st_mode)
    if candidate.read_only or (not is_block and os.statvfs(written[0]).f_flag & os.ST_RDONLY):
        return ProbeResult(ProbeVerdict.READ_ONLY, kind, serial)
    if not all(os.access(path, os.R_OK | os.W_OK) for path in written):
        return ProbeResult(ProbeVerdict.NO_PERMISSION, kind, serial, reason=_READ_ONLY)
    try:
        _check_that_it_is_free(written[0], open_file, is_block=is_block)
    except OSError as error:
        return ProbeResult(_verdict(error), kind, serial, reason=reason_of(error))
    return ProbeResult(ProbeVerdict.TSE, kind, serial)


def _check_that_it_is_free(path: Path, open_file: Open, *, is_block: bool) -> None:
    """Raise `OSError` (EBUSY) when it is mounted elsewhere or another process owns it."""
    with closing(open_file(path, os.O_RDONLY | (os.O_EXCL if is_block else 0))) as file:
        if not is_block:  # udev locks each disk while it looks at it; O_EXCL tells what counts
            file.own()
