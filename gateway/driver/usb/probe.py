"""Is there a TSE? Told by what is stored there, never by a name or a USB id. Nothing but reads.

A raw disk is one when the offset table at LBA 8 leads to an info sector; a volume is one
when it has TSE_INFO.DAT and TSE_COMM.DAT.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.driver.usb.block_devices import Place, device_number
from gateway.driver.usb.transport import DirectFile
from gateway.errors import ProtocolError
from gateway.tse import layout
from gateway.tse.info import MAGIC, TseInfo
from gateway.tse.layout import Offsets

Open = Callable[[Path, int], DirectFile]  # as DirectFile(path, flags)


class Verdict(StrEnum):
    """What a look at a place has told."""

    TSE = "tse"
    FOREIGN = "foreign"
    NO_MEDIUM = "no_medium"
    ABSENT = "absent"
    NO_PERMISSION = "no_permission"
    READ_ONLY = "read_only"
    IN_USE = "in_use"
    DAMAGED = "damaged"
    HANGS = "hangs"


class Kind(StrEnum):
    """How a TSE is reached."""

    RAW = "raw"
    VOLUME = "volume"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """Verdict, and what is known besides: the serial of a TSE, also of one that cannot be used."""

    verdict: Verdict
    kind: Kind = Kind.UNKNOWN
    serial: str = ""
    reason: str = ""


_VERDICTS = {
    errno.EACCES: Verdict.NO_PERMISSION,
    errno.EPERM: Verdict.NO_PERMISSION,  # the device cgroup of a container
    errno.ENOMEDIUM: Verdict.NO_MEDIUM,
    errno.ENOENT: Verdict.ABSENT,
    errno.ENODEV: Verdict.ABSENT,
    errno.ENXIO: Verdict.ABSENT,
    errno.ENOTCONN: Verdict.ABSENT,  # the process behind a FUSE volume died
    errno.EBUSY: Verdict.IN_USE,
    errno.EROFS: Verdict.READ_ONLY,
    errno.EINVAL: Verdict.FOREIGN,  # sectors of another size than 512
}


def probe(place: Place, open_file: Open = DirectFile) -> Finding:
    """Look at a place. Blocks as long as the kernel does; never raises for what is found there."""
    try:
        mode = place.path.stat()
        if stat.S_ISDIR(mode.st_mode):
            return _look_at_volume(place, open_file)
        if stat.S_ISBLK(mode.st_mode) and place.number not in {"", device_number(mode.st_rdev)}:
            return Finding(Verdict.ABSENT, reason="the node is one of another disk")
        if not (stat.S_ISBLK(mode.st_mode) or stat.S_ISREG(mode.st_mode)):
            return Finding(Verdict.FOREIGN, reason="neither a disk nor a directory")
        return _look_at_disk(place, open_file)
    except OSError as error:
        return Finding(_verdict(error), reason=error.strerror or str(error))


def _verdict(error: OSError) -> Verdict:
    return _VERDICTS.get(error.errno or 0, Verdict.DAMAGED)


# --- a raw disk ---


def _look_at_disk(place: Place, open_file: Open) -> Finding:
    with closing(open_file(place.path, os.O_RDONLY)) as disk:
        if place.empty:  # opened all the same: on some hosts only this makes the kernel see a new medium
            came = disk.sectors() > 0
            return Finding(Verdict.NO_MEDIUM, Kind.RAW, reason="a medium came" if came else "")
        sector = _info_sector(disk)
    if sector is None:
        return Finding(Verdict.FOREIGN, Kind.RAW)
    return _judged(sector, Kind.RAW, place, [place.path], open_file)


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


def _look_at_volume(place: Place, open_file: Open) -> Finding:
    info, *others = [place.path / name for name in (layout.INFO_FILE, layout.WINDOW_FILE, layout.store_file(1))]
    try:
        opened = open_file(info, os.O_RDONLY)
    except FileNotFoundError:
        return Finding(Verdict.FOREIGN, Kind.VOLUME)
    with closing(opened) as file:
        sector = file.read(0, 1)
    for other in others:
        if not other.exists():
            return Finding(Verdict.DAMAGED, Kind.VOLUME, reason=f"{other.name} is missing")
    return _judged(sector, Kind.VOLUME, place, others, open_file)


# --- both ---


def _judged(sector: bytes, kind: Kind, place: Place, written: list[Path], open_file: Open) -> Finding:
    """It says that it is a TSE: can it be used? `written` is what would be written to."""
    try:
        serial = TseInfo.decode(sector).serial_hex
    except ProtocolError as error:
        return Finding(Verdict.DAMAGED, kind, reason=str(error))
    is_block = stat.S_ISBLK(written[0].stat().st_mode)
    if place.read_only or (not is_block and os.statvfs(written[0]).f_flag & os.ST_RDONLY):
        return Finding(Verdict.READ_ONLY, kind, serial)
    if not all(os.access(path, os.R_OK | os.W_OK) for path in written):
        return Finding(Verdict.NO_PERMISSION, kind, serial, reason="it may be read, but not written to")
    try:
        _check_that_it_is_free(written[0], open_file, is_block=is_block)
    except OSError as error:
        return Finding(_verdict(error), kind, serial, reason=error.strerror or str(error))
    return Finding(Verdict.TSE, kind, serial)


def _check_that_it_is_free(path: Path, open_file: Open, *, is_block: bool) -> None:
    """`OSError` (EBUSY) when it is mounted elsewhere or another process owns it; given back at once."""
    with closing(open_file(path, os.O_RDONLY | (os.O_EXCL if is_block else 0))) as file:
        if not is_block:  # udev locks each disk while it looks at it; O_EXCL tells what counts
            file.own()
