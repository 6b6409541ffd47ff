"""The archive of one TSE while the gateway runs: what is known of it, and its runs, one at a time."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from gateway.archive import check, run
from gateway.archive.directory import ArchiveDirectory, ArchiveStamp, ArchiveState, RunFailure
from gateway.archive.errors import ArchiveBusy
from gateway.archive.index import Index
from gateway.archive.manifest import ArchiveVerdict
from gateway.archive.run import ArchiveOptions, RunOutcome, RunProgress
from gateway.archive.status import ArchiveRun, run_of
from gateway.archive.targets.upload import ArchiveUpload
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.i18n.text import NOTHING, Text, joined, literal
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

VERIFY_FAILED = "archive_verify_failed"
_FOUND = Text("{text} ({code}: {place} {detail})", "{text} ({code}: {place} {detail})")
_MORE = Text(" and {count} more", " und {count} weitere")


class TseArchive:
    """Read from the disk once by `load`; afterwards `index` and `state` follow what its own runs write."""

    def __init__(self, directory: ArchiveDirectory, options: ArchiveOptions, metrics: Metrics) -> None:
        self.serial = directory.serial
        self.directory = directory
        self.index = Index()
        self.state: ArchiveState | None = None
        self.progress: RunProgress | None = None
        self.uploads: dict[str, ArchiveUpload] = {}
        self._options = options
        self._metrics = metrics

    def load(self) -> None:
        """Read what is on the disk; blocks."""
        self.state = self.directory.load_state()
        self.index = self.directory.index()
        site = self._options.site
        self.uploads = {name: ArchiveUpload(self.directory, site, name) for name in self._options.targets}

    async def seen(self) -> ArchiveState:
        """Return the state; the TSE is there, so its archive counts as missing until it is written."""
        if self.state is None:
            self.state = ArchiveState(first_seen=self._options.now())
            await self._keep(self.state)
        return self.state

    @property
    def stamp(self) -> ArchiveStamp | None:
        """The newest time stamp; `None` if none was ever asked for."""
        return None if self.state is None else self.state.stamp

    async def keep_stamp(self, stamp: ArchiveStamp) -> None:
        """Write down the newest time stamp, or why it is not there."""
        state = await self.seen()
        self.state = state.model_copy(update={"stamp": stamp})
        await self._keep(self.state)

    @contextmanager
    def taken(self) -> Iterator[RunProgress]:
        """Let nobody else write this archive meanwhile.

        Raises:
            ArchiveBusy: somebody else writes it.
        """
        if self.progress is not None:
            raise ArchiveBusy(
                Text(
                    "the archive of this TSE is being written: wait until it is done",
                    "das Archiv dieser TSE wird gerade geschrieben: warten, bis es fertig ist",
                )
            )
        self.progress = RunProgress(self._options.now())
        try:
            yield self.progress
        finally:
            self.progress = None

    async def run(self, device: Device, progress: RunProgress, *, quick: bool = False) -> ArchiveRun:
        """Look at what is there, and add what is new; to be called while the archive is `taken`.

        `quick`: soon after another run and while tills wait, so nothing is looked at again.

        Raises:
            GatewayError: it broke off, which is written down; what was added until then stays.
        """
        began, state = time.monotonic(), await self.seen()
        if quick:
            outcome = RunOutcome(self.index, (), state.next_check, state.changed)
        else:
            outcome = await run.review(self.directory, state)
            self.index = outcome.index
        try:
            steps = run.extend(device, self.directory, self._options, outcome, progress, patient=not quick)
            async with aclosing(steps):
                async for step in steps:
                    outcome, self.index = step, step.index
        except GatewayError as error:
            await self._note(outcome, RunFailure.of(error, error.code), time.monotonic() - began)
            raise
        await self._note(outcome, _failure(outcome), time.monotonic() - began)
        return run_of(self.serial, progress, time.monotonic() - began, outcome)

    async def demand_intact(self) -> None:
        """Read all segments of the store that the TSE holds now.

        Raises:
            ArchiveDamaged: one is not as it was written.
        """
        last = self.index.last
        if last is not None:
            await asyncio.to_thread(check.demand_intact, self.directory, self.index.of_series(last.series))

    async def _note(self, outcome: RunOutcome, failure: RunFailure | None, seconds: float) -> None:
        serial, before, now = self.serial, await self.seen(), self._options.now()
        failed = outcome.verdict is ArchiveVerdict.ERROR
        self._metrics.maintenance.archived(serial, "ok" if failure is None else failure.code)
        _tell(serial, outcome, failure)
        self.state = before.model_copy(
            update={
                "last_success": now if failure is None else before.last_success,
                "last_attempt": now,
                "last_seconds": round(seconds, 3),
                "last_error": failure,
                "verify_failures": before.verify_failures + failed,
                "next_check": outcome.next_check,
                "changed": outcome.changed,
                "newest": outcome.index.newest,
            }
        )
        await self._keep(self.state)

    async def _keep(self, state: ArchiveState) -> None:
        if not self._options.refusal:
            await asyncio.to_thread(self.directory.save_state, state)


def _tell(serial: str, outcome: RunOutcome, failure: RunFailure | None) -> None:
    if outcome.verdict is ArchiveVerdict.ERROR:
        found = _found(outcome).detail
        log.error("archive of TSE %s: %s", serial, found, extra=event(Event.ARCHIVE_DAMAGED, serial))
    if failure is not None and failure.code != VERIFY_FAILED:
        why = event(Event.ARCHIVE_FAILED, serial, reason=failure.code)
        log.warning("archive of TSE %s broke off: %s", serial, failure.detail, extra=why)
    if outcome.added:
        counter = outcome.index.last_counter
        done = event(Event.ARCHIVED, serial, counter=counter, segments=len(outcome.added))
        log.info("archive of TSE %s goes up to signature %s", serial, counter, extra=done)


def _failure(outcome: RunOutcome) -> RunFailure | None:
    return _found(outcome) if outcome.verdict is ArchiveVerdict.ERROR else None


def _found(outcome: RunOutcome) -> RunFailure:
    errors = [found for found in outcome.findings if found.severity == "error"]
    first = errors[0].places[0]
    detail = _FOUND.filled(
        text=literal(errors[0].text, errors[0].text_de or errors[0].text),
        code=errors[0].code,
        place=first.place,
        detail=literal(first.detail, first.detail_de or first.detail),
    )
    more = sum(found.count for found in errors) - 1
    return RunFailure.told(VERIFY_FAILED, joined([detail, _MORE.filled(count=more) if more else NOTHING], ""))
