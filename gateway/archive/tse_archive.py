"""The archive of one TSE while the gateway runs: what is known of it, and its runs, of which each is written down."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from gateway.archive import check, run
from gateway.archive.directory import Shelf, State, Trouble
from gateway.archive.errors import ArchiveBusy
from gateway.archive.index import Index
from gateway.archive.manifest import Verdict
from gateway.archive.run import Outcome, Terms, Work
from gateway.archive.status import ArchiveRun, run_of
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

VERIFY_FAILED = "archive_verify_failed"


class Book:
    """Loaded once; afterwards it follows what its own runs write."""

    def __init__(self, shelf: Shelf, terms: Terms, metrics: Metrics) -> None:
        self.shelf = shelf
        self.index = Index()
        self.state: State | None = None
        self.work: Work | None = None
        self._terms = terms
        self._metrics = metrics

    def load(self) -> None:
        """From the disk; blocks."""
        self.state = self.shelf.state()
        self.index = self.shelf.index()

    async def seen(self) -> State:
        """The TSE is there; from now on its archive is missed if it does not come about."""
        if self.state is None:
            self.state = State(first_seen=self._terms.now())
            await self._keep(self.state)
        return self.state

    @contextmanager
    def taken(self) -> Iterator[Work]:
        """Nobody else writes this archive meanwhile.

        Raises:
            ArchiveBusy: somebody does.
        """
        if self.work is not None:
            raise ArchiveBusy("the archive of this TSE is being written: wait until it is done")
        self.work = Work(self._terms.now())
        try:
            yield self.work
        finally:
            self.work = None

    async def run(self, device: Device, work: Work, *, quick: bool = False) -> ArchiveRun:
        """Look at what is there, and add what is new. Only for who has `taken` it.

        `quick`: soon after another run and while tills wait, so nothing is looked at again.

        Raises:
            GatewayError: it broke off, which is written down; what was added until then stays.
        """
        began, state = time.monotonic(), await self.seen()
        if quick:
            outcome = Outcome(self.index, (), state.next_check, state.changed)
        else:
            outcome = await run.review(self.shelf, state)
            self.index = outcome.index
        try:
            steps = run.extend(device, self.shelf, self._terms, outcome, work, patient=not quick)
            async with aclosing(steps):
                async for step in steps:
                    outcome, self.index = step, step.index
        except GatewayError as error:
            await self._note(outcome, Trouble(code=error.code, detail=str(error)), time.monotonic() - began)
            raise
        await self._note(outcome, _trouble(outcome), time.monotonic() - began)
        return run_of(self.shelf.serial, work, time.monotonic() - began, outcome)

    async def demand_intact(self) -> None:
        """All files of the store that the TSE holds now are as they were written; they are read for that.

        Raises:
            ArchiveDamaged: one is not.
        """
        last = self.index.last
        if last is not None:
            await asyncio.to_thread(check.demand_intact, self.shelf, self.index.of_series(last.series))

    async def _note(self, outcome: Outcome, trouble: Trouble | None, seconds: float) -> None:
        serial, before, now = self.shelf.serial, await self.seen(), self._terms.now()
        failed = outcome.verdict is Verdict.ERROR
        self._metrics.maintenance.archived(serial, "ok" if trouble is None else trouble.code)
        _tell(serial, outcome, trouble)
        self.state = before.model_copy(
            update={
                "last_success": now if trouble is None else before.last_success,
                "last_attempt": now,
                "last_seconds": round(seconds, 3),
                "last_error": trouble,
                "verify_failures": before.verify_failures + failed,
                "next_check": outcome.next_check,
                "changed": outcome.changed,
                "newest": outcome.index.newest,
            }
        )
        await self._keep(self.state)

    async def _keep(self, state: State) -> None:
        if not self._terms.refusal:
            await asyncio.to_thread(self.shelf.keep, state)


def _tell(serial: str, outcome: Outcome, trouble: Trouble | None) -> None:
    if outcome.verdict is Verdict.ERROR:
        found = _found(outcome).detail
        log.error("archive of TSE %s: %s", serial, found, extra=event(Event.ARCHIVE_DAMAGED, serial))
    if trouble is not None and trouble.code != VERIFY_FAILED:
        why = event(Event.ARCHIVE_FAILED, serial, reason=trouble.code)
        log.warning("archive of TSE %s broke off: %s", serial, trouble.detail, extra=why)
    if outcome.added:
        counter = outcome.index.last_counter
        done = event(Event.ARCHIVED, serial, counter=counter, segments=len(outcome.added))
        log.info("archive of TSE %s goes up to signature %s", serial, counter, extra=done)


def _trouble(outcome: Outcome) -> Trouble | None:
    return _found(outcome) if outcome.verdict is Verdict.ERROR else None


def _found(outcome: Outcome) -> Trouble:
    errors = [found for found in outcome.findings if found.severity == "error"]
    first = errors[0].places[0]
    text = f"{errors[0].text} ({errors[0].code}: {first.place} {first.detail})"
    more = sum(found.count for found in errors) - 1
    return Trouble(code=VERIFY_FAILED, detail=text + (f" and {more} more" if more else ""))
