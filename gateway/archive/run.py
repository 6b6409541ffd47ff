"""One run: look whether the archive is as it was written, then copy, verify and keep what the TSE signed since."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway import __version__
from gateway.archive import check
from gateway.archive.check import Checked
from gateway.archive.copy import Piece, Plan, pieces
from gateway.archive.directory import Shelf, State
from gateway.archive.errors import ArchiveNotWritten
from gateway.archive.index import Index
from gateway.archive.manifest import Finding, Manifest, Verdict, name_of, worst_of
from gateway.errors import GatewayError
from gateway.fleet.device import Device
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
class Terms:
    """How archives are written. `trust`: files and directories of certificates; `refusal`: why not at all."""

    segment_bytes: int = 64 * 2**20
    least_free: int = 0
    trust: Sequence[Path] = ()
    refusal: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(slots=True)
class Work:
    """What a run is doing, for whoever looks at it."""

    began: datetime
    done_bytes: int = 0
    total_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """`Stopped` when it is to end."""
        if self.stop.is_set():
            raise Stopped("the gateway stops")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run that came to its end has found and added."""

    index: Index
    added: tuple[Manifest, ...]
    next_check: int
    changed: dict[str, str]

    @property
    def findings(self) -> list[Finding]:
        """All but notes: of the new segments, and of the files of old ones."""
        own = [found for added in self.added for found in added.findings if found.severity != "note"]
        return own + check.changed_finding(self.changed.items())

    @property
    def verdict(self) -> Verdict:
        if self.changed:
            return Verdict.ERROR
        return worst_of(manifest.verdict for manifest in self.added)


async def review(shelf: Shelf, before: State) -> Outcome:
    """What the archive holds now; the sizes of all segments are looked at, and some of them are read."""
    return await asyncio.to_thread(_review, shelf, before)


async def extend(
    device: Device, shelf: Shelf, terms: Terms, before: Outcome, work: Work, *, patient: bool = True
) -> AsyncGenerator[Outcome, None]:
    """Add what the TSE signed since; told after each segment.

    Raises:
        DeviceError: the TSE failed; what was added until then stays.
        ArchiveNotWritten: no room.
        StoreClosed: the TSE does not show its store before its self test.
    """
    if device.info.lifecycle == Lifecycle.UNINITIALIZED:  # it has signed nothing yet, and shows no store
        return
    if terms.refusal:
        raise ArchiveNotWritten(terms.refusal)
    trust = await asyncio.to_thread(load_trust, terms.trust)
    until = await mark_of(device)
    since, series = await _continued(device, before.index.last)
    plan = Plan(since, until, terms.segment_bytes, terms.least_free, patient)
    start = 0 if since is None else since.used
    work.total_bytes += (until.used - start) * SECTOR

    def copied(block: int) -> None:
        work.go_on()
        work.done_bytes = (block - start) * SECTOR

    outcome = before
    async with aclosing(pieces(device, shelf, plan, copied)) as found:
        async for piece in found:
            keep = _Keeping(shelf, terms, trust, work)
            outcome = await asyncio.to_thread(keep.add, outcome, series, piece)
            yield outcome


async def _continued(device: Device, last: Manifest | None) -> tuple[Mark | None, int]:
    """Where to go on, and in which series."""
    if last is None:
        return None, 1
    if await still_holds(device, last.mark):
        return last.mark, last.series
    return None, last.series + 1


@dataclass(frozen=True, slots=True)
class _Keeping:
    shelf: Shelf
    terms: Terms
    trust: Certificates | None
    work: Work

    def add(self, before: Outcome, series: int, piece: Piece) -> Outcome:
        """Verify a piece and make it count, whatever the verdict: it is what the TSE holds."""
        index = before.index
        checked = check.check(piece.draft.path, self.shelf.serial, index.last_counter, self.trust, self.work.go_on)
        number = index.next_number(series)
        manifest = self._manifest(series, number, piece, checked, index.newest)
        self.shelf.commit(piece.draft, manifest)
        return replace(before, index=index.plus(manifest), added=(*before.added, manifest))

    def _manifest(self, series: int, number: int, piece: Piece, checked: Checked, previous: str | None) -> Manifest:
        verdict, span = checked.report.counts, checked.span
        return Manifest(
            serial=self.shelf.serial,
            series=series,
            number=number,
            file=name_of(series, number),
            size=piece.draft.size,
            sha256=piece.sha256,
            leading_bytes=piece.leading_bytes,
            first_block=piece.first_block,
            cursor=piece.mark.encode(),
            messages=verdict.messages,
            valid=verdict.valid,
            invalid=verdict.invalid,
            unchecked=verdict.unchecked,
            first_counter=None if span is None else span.first_counter,
            last_counter=None if span is None else span.last_counter,
            first_time=None if span is None else _moment(span.earliest),
            last_time=None if span is None else _moment(span.latest),
            verdict=checked.verdict,
            findings=checked.findings,
            verifier=__version__,
            trust=check.fingerprints(self.trust),
            archived=self.terms.now(),
            previous=previous,
        )


def _review(shelf: Shelf, before: State) -> Outcome:
    """Segments take turns at being read; those that were found changed are read until they are right again."""
    index = shelf.index(before.newest)
    changed = dict(index.broken)
    count = len(index.segments)
    quota = max(_CHECKED_AT_LEAST, index.size // _NIGHTS)
    at = next_check = before.next_check % count if count else 0
    for segment in (*index.segments[at:], *index.segments[:at]):
        whole = quota > 0
        fault = check.fault_of(shelf, segment, whole=whole or segment.file in before.changed)
        if fault:
            changed[segment.file] = fault
        if whole:
            quota -= segment.size
            next_check += 1
    return Outcome(index, (), next_check, changed)


def _moment(unix_time: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(unix_time, UTC)
    except (ValueError, OverflowError, OSError):
        return None
