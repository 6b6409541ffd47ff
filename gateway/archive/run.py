"""One run of an archive: look whether it is as it was written, then copy, verify and keep what the TSE signed since."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway import __version__
from gateway.archive import check
from gateway.archive.check import CheckedSegment
from gateway.archive.copy import CopiedSegment, CopyPlan, copy_segments
from gateway.archive.directory import ArchiveDirectory, ArchiveState
from gateway.archive.errors import ArchiveNotWritten
from gateway.archive.index import Index
from gateway.archive.manifest import ArchiveFinding, ArchiveVerdict, Manifest, name_of, worst_of
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.i18n.text import NOTHING, Text
from gateway.operations.exports import Mark, mark_of, still_holds
from gateway.tse.info import Lifecycle
from gateway.tse.sectors import SECTOR
from gateway.verify.trust import Certificates, load_trust

_CHECKED_AT_LEAST = 256 * 2**20  # bytes of earlier segments that are hashed each run
_NIGHTS = 30  # and so many runs see all of them


class Stopped(GatewayError):
    """The gateway stops; the next run goes on."""

    code = "stopped"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How archives are written.

    `trust`: files and directories of certificates; `refusal`: why nothing is written; `targets`: the names of those
    that get copies, in a folder for the `site`.
    """

    segment_bytes: int = 64 * 2**20
    least_free: int = 0
    trust: Sequence[Path] = ()
    refusal: Text = NOTHING
    targets: Sequence[str] = ()
    site: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(slots=True)
class RunProgress:
    """How far a run is, and the way to stop it."""

    began: datetime
    done_bytes: int = 0
    total_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def raise_if_stopped(self) -> None:
        """Raise `Stopped` when the run is to end."""
        if self.stop.is_set():
            raise Stopped(Text("the gateway stops", "das Gateway wird beendet"))


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run has found and added until now."""

    index: Index
    added: tuple[Manifest, ...]
    next_check: int
    changed: dict[str, Text]

    @property
    def findings(self) -> list[ArchiveFinding]:
        """Findings in the new segments and in the files of old ones, notes left out."""
        own = [found for added in self.added for found in added.findings if found.severity != "note"]
        return own + check.changed_finding(self.changed.items())

    @property
    def verdict(self) -> ArchiveVerdict:
        if self.changed:
            return ArchiveVerdict.ERROR
        return worst_of(manifest.verdict for manifest in self.added)


async def review(directory: ArchiveDirectory, before: ArchiveState) -> RunOutcome:
    """Return what the archive holds; the sizes of all segments are compared, and some of them are read."""
    return await asyncio.to_thread(_review, directory, before)


async def extend(
    device: Device,
    directory: ArchiveDirectory,
    options: ArchiveOptions,
    before: RunOutcome,
    progress: RunProgress,
    *,
    patient: bool = True,
) -> AsyncGenerator[RunOutcome, None]:
    """Add what the TSE signed since; yields the outcome after each segment.

    Raises:
        DeviceError: the TSE failed; what was added until then stays.
        ArchiveNotWritten: no room.
        StoreClosed: the TSE does not show its store before its self test.
    """
    if device.info.lifecycle == Lifecycle.UNINITIALIZED:  # it has signed nothing yet, and shows no store
        return
    if options.refusal:
        raise ArchiveNotWritten(options.refusal)
    trust = await asyncio.to_thread(load_trust, options.trust)
    until = await mark_of(device)
    since, series = await _continued(device, before.index.last)
    plan = CopyPlan(since, until, options.segment_bytes, options.least_free, patient)
    start = 0 if since is None else since.used
    progress.total_bytes += (until.used - start) * SECTOR

    def copied(block: int) -> None:
        progress.raise_if_stopped()
        progress.done_bytes = (block - start) * SECTOR

    outcome = before
    async with aclosing(copy_segments(device, directory, plan, copied)) as found:
        async for segment in found:
            keeper = _Keeper(directory, options, trust, progress)
            outcome = await asyncio.to_thread(keeper.add, outcome, series, segment)
            yield outcome


async def _continued(device: Device, last: Manifest | None) -> tuple[Mark | None, int]:
    """Return where to go on (`None`: from the beginning), and in which series."""
    if last is None:
        return None, 1
    if await still_holds(device, last.mark):
        return last.mark, last.series
    return None, last.series + 1


@dataclass(frozen=True, slots=True)
class _Keeper:
    directory: ArchiveDirectory
    options: ArchiveOptions
    trust: Certificates | None
    progress: RunProgress

    def add(self, before: RunOutcome, series: int, segment: CopiedSegment) -> RunOutcome:
        """Verify a segment and make it count, whatever the verdict: it is what the TSE holds."""
        index = before.index
        checked = check.check(
            segment.file.path, self.directory.serial, index.last_counter, self.trust, self.progress.raise_if_stopped
        )
        number = index.next_number(series)
        manifest = self._manifest(series, number, segment, checked, index.newest)
        self.directory.commit(segment.file, manifest)
        return replace(before, index=index.plus(manifest), added=(*before.added, manifest))

    def _manifest(
        self, series: int, number: int, segment: CopiedSegment, checked: CheckedSegment, previous: str | None
    ) -> Manifest:
        counts, span = checked.report.counts, checked.span
        return Manifest(
            serial=self.directory.serial,
            series=series,
            number=number,
            file=name_of(series, number),
            size=segment.file.size,
            sha256=segment.sha256,
            leading_bytes=segment.leading_bytes,
            first_block=segment.first_block,
            cursor=segment.mark.encode(),
            messages=counts.messages,
            valid=counts.valid,
            invalid=counts.invalid,
            unchecked=counts.unchecked,
            first_counter=None if span is None else span.first_counter,
            last_counter=None if span is None else span.last_counter,
            first_time=None if span is None else _moment(span.earliest),
            last_time=None if span is None else _moment(span.latest),
            verdict=checked.verdict,
            findings=checked.findings,
            verifier=__version__,
            trust=check.fingerprints(self.trust),
            archived=self.options.now(),
            previous=previous,
        )


def _review(directory: ArchiveDirectory, before: ArchiveState) -> RunOutcome:
    """Read some segments each time, in turn; those that were found changed are read until they are right again."""
    index = directory.index(before.newest)
    changed = dict(index.broken)
    count = len(index.segments)
    quota = max(_CHECKED_AT_LEAST, index.size // _NIGHTS)
    at = next_check = before.next_check % count if count else 0
    for segment in (*index.segments[at:], *index.segments[:at]):
        whole = quota > 0
        fault = check.fault_of(directory, segment, whole=whole or segment.file in before.changed)
        if fault:
            changed[segment.file] = fault
        if whole:
            quota -= segment.size
            next_check += 1
    return RunOutcome(index, (), next_check, changed)


def _moment(unix_time: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(unix_time, UTC)
    except (ValueError, OverflowError, OSError):
        return None
