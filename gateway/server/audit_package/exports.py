"""The TAR exports of an audit package: what each TSE signed in the period, from its archive if there is one."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.archive.errors import ArchiveNotWritten, unwritable
from gateway.archive.manifest import Manifest
from gateway.archive.service import ArchiveService
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations import exports
from gateway.operations.exports import Filter, NothingToExport
from gateway.operations.store import Store
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

_NO_ROOM = Text(
    "the package needs {needed} MiB for a while, and only {free} MiB are free: make room, or choose a shorter period",
    "das Paket braucht vorübergehend {needed} MiB, und nur {free} MiB sind frei: Platz schaffen, oder kürzer wählen",
)
_AT_ONCE = 1024 * 1024  # bytes collected before a thread is asked to write them


@dataclass(frozen=True, slots=True)
class ArchivedSeries:
    """The part of an archive that one export is made of."""

    serial: str
    number: int
    manifests: tuple[Manifest, ...]
    whole: bool  # nothing of it lies outside the period

    @property
    def size(self) -> int:
        return sum(manifest.size for manifest in self.manifests)


def series_of(serial: str, manifests: Sequence[Manifest], chosen: Filter) -> list[ArchivedSeries]:
    """Return the series of an archive with messages in the period."""
    return list(_series(serial, manifests, chosen))


def _series(serial: str, manifests: Sequence[Manifest], chosen: Filter) -> Iterator[ArchivedSeries]:
    for number in sorted({manifest.series for manifest in manifests}):
        of_series = [manifest for manifest in manifests if manifest.series == number]
        inside = tuple(manifest for manifest in of_series if _meets(manifest, chosen))
        if inside:
            yield ArchivedSeries(serial, number, inside, all(_lies_in(manifest, chosen) for manifest in of_series))


async def write_series(archives: ArchiveService, series: ArchivedSeries, chosen: Filter, path: Path) -> bool:
    """Write the export of a series to `path`; return whether there is anything.

    Raises:
        ArchiveDamaged: a segment is missing.
        ArchiveNotWritten: no room.
    """
    file = await archives.restore(series.serial, series.number)
    if series.whole:
        return await _write(file.read(0, file.size), path)
    return await _write(exports.matching_in(Store(file, (file.size - len(END)) // SECTOR), chosen), path)


async def write_from_tse(device: Device, chosen: Filter, path: Path) -> bool:
    """Write the export of a TSE that has no archive, read between sales; errors as of its export."""
    return await _write(exports.matching(device, chosen), path)


async def _write(pieces: AsyncIterator[bytes], path: Path) -> bool:
    waiting, size = list[bytes](), 0
    with suppress(NothingToExport):
        async for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                await asyncio.to_thread(_append, path, waiting)
                waiting, size = [], 0
        await asyncio.to_thread(_append, path, waiting)
        return True
    return False


def _append(path: Path, pieces: Sequence[bytes]) -> None:
    try:
        with path.open("ab") as file:
            file.writelines(pieces)
    except OSError as error:
        raise unwritable(path, error) from None


def demand_room(free: int, needed: int, least_free: int) -> None:
    """Make sure that a package finds room on the disk while it is made.

    Raises:
        ArchiveNotWritten: it does not.
    """
    if free < needed + least_free:
        raise ArchiveNotWritten(_NO_ROOM, needed=needed // 2**20, free=free // 2**20)


def _meets(manifest: Manifest, chosen: Filter) -> bool:
    if manifest.first_time is None or manifest.last_time is None:
        return False
    since, until = chosen.from_time, chosen.to_time
    begins_in_time = until is None or manifest.first_time.timestamp() <= until
    return begins_in_time and (since is None or manifest.last_time.timestamp() >= since)


def _lies_in(manifest: Manifest, chosen: Filter) -> bool:
    if manifest.first_time is None or manifest.last_time is None:
        return True  # it has no messages
    since, until = chosen.from_time, chosen.to_time
    ends_in_time = until is None or manifest.last_time.timestamp() <= until
    return ends_in_time and (since is None or manifest.first_time.timestamp() >= since)
