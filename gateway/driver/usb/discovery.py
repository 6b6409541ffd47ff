"""Finds TSEs by their content, and keeps what it found until something changes.

Each new candidate is probed in a thread of its own, again and again while it may still become a TSE
(no permission yet, in use, an empty reader), so that a disk that hangs delays no other.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from gateway.driver.usb.block_devices import Candidate, Roots, candidates, disk_names
from gateway.driver.usb.probe import AccessKind, ProbeResult, ProbeVerdict, probe
from gateway.driver.usb.thread import BlockingThread
from gateway.errors import DeviceTimeout
from gateway.i18n.remedies import NOT_USABLE
from gateway.i18n.text import NOTHING, Text, joined
from gateway.tasks import Backoff

log = logging.getLogger(__name__)

Prober = Callable[[Candidate], ProbeResult]

_LEFT_ALONE = Text("not a TSE, left alone", "keine TSE, bleibt unberührt")
_QUICK = 0.5  # seconds that a scan waits for first results; unplugging must be known within one
_LISTING = 5.0
_FIRST_PAUSE, _GROWTH = 0.05, 1.2  # a stick gets its group and mode from udev within a second, and is wanted at once
_LONGEST_PAUSES = {  # each try may be in a log
    ProbeVerdict.NO_PERMISSION: 30.0,
    ProbeVerdict.DAMAGED: 30.0,
    ProbeVerdict.IN_USE: 5.0,
}
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate that was probed. `key` is another one after each plugging-in; `notable`: worth a line in the log."""

    place: str
    path: Path
    key: str
    kind: AccessKind
    verdict: ProbeVerdict
    serial: str = ""
    reason: Text = NOTHING
    notable: bool = True

    @property
    def way_out(self) -> Text:
        """Return why it cannot be used and what helps; empty for a TSE."""
        if self.verdict is ProbeVerdict.TSE:
            return NOTHING
        if self.verdict is ProbeVerdict.FOREIGN:
            return joined([self.reason, _LEFT_ALONE], "; ") if self.reason else _LEFT_ALONE
        problem = NOT_USABLE[self.verdict]
        values = {"place": self.place, "reason": self.reason}
        return joined([self.reason or problem.text.filled(**values), problem.remedy.filled(**values)], "; ")


@dataclass(slots=True)
class _Known:
    probed: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    result: ProbeResult | None = None
    task: "asyncio.Task[None] | None" = None


class Discovery:
    """Probes `named` paths, and `everywhere` all other candidates. To be used as an async context manager.

    `changed` is set whenever a sighting is another one, and `stale` when it takes a `scan` to find out.
    `hang_after`: seconds until a probe counts as hanging; `settle_time`: seconds that a new candidate has until
    its troubles are shown.
    """

    def __init__(
        self,
        roots: Roots | None = None,
        named: Sequence[Path] = (),
        *,
        everywhere: bool = True,
        prober: Prober = probe,
        hang_after: float = 3.0,
        settle_time: float = 3.0,
    ) -> None:
        self.changed = asyncio.Event()
        self.stale = True
        self._roots = roots or Roots()
        self._list = partial(candidates, self._roots, tuple(named), everywhere=everywhere)
        self._probe = prober
        self._hang_after = hang_after
        self._settle_time = settle_time
        self._known: dict[Candidate, _Known] = {}
        self._lister = BlockingThread("discovery")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lister.stop()
        await self._drop(list(self._known))

    def disk_names(self) -> frozenset[str]:
        """Return the names of all disks, in microseconds: another answer means that a scan is worth it."""
        return disk_names(self._roots)

    def invalidate(self) -> None:
        """Let the next scan probe again what could not be used: something has changed, perhaps to its good."""
        self.stale = True
        self.changed.set()

    def sightings(self) -> tuple[Sighting, ...]:
        """Return what is known by now, the earliest first."""
        known = [_sighting(candidate, known.result) for candidate, known in self._known.items() if known.result]
        return tuple(item for item in known if item.notable or item.verdict is not ProbeVerdict.ABSENT)

    async def scan(self) -> tuple[Sighting, ...]:
        """Return what is there now; what still hangs or settles follows with `changed`."""
        invalidated, self.stale = self.stale, False
        try:
            listed = await self._lister.run(self._list, _LISTING)
        except DeviceTimeout as error:
            log.error("the list of disks and mounts cannot be read: %s; start the gateway again", error)  # noqa: TRY400 (no bug)
            return self.sightings()
        await self._drop([candidate for candidate in self._known if candidate not in listed])
        for known in self._known.values() if invalidated else ():
            known.again.set()
        await _first_results([self._add(candidate) for candidate in listed if candidate not in self._known])
        return self.sightings()

    def _add(self, candidate: Candidate) -> _Known:
        known = _Known()
        known.task = asyncio.create_task(self._probe_until_final(candidate, known), name=f"probe {candidate.path}")
        self._known[candidate] = known
        return known

    async def _drop(self, gone: list[Candidate]) -> None:
        tasks = [known.task for known in map(self._known.pop, gone) if known.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _probe_until_final(self, candidate: Candidate, known: _Known) -> None:
        now = asyncio.get_running_loop().time
        thread = BlockingThread(f"probe {candidate.path}")
        began, backoff = now(), Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH)
        try:
            while True:
                known.again.clear()
                result = await self._probe_once(thread, candidate, known)
                final = _is_final(candidate, result)
                if final or now() - began >= self._settle_time:
                    self._publish(candidate, known, result)
                known.probed.set()
                if final:
                    return
                backoff.longest = _LONGEST_PAUSES.get(result.verdict, _LONGEST_PAUSE)
                invalidated = await _is_set_within(known.again, backoff.next())
                if invalidated and result.verdict is ProbeVerdict.ABSENT:
                    backoff.reset()  # udev makes its links a little after the kernel's event
        finally:
            thread.stop()

    async def _probe_once(self, thread: BlockingThread, candidate: Candidate, known: _Known) -> ProbeResult:
        """Publish that it hangs, but wait for it: a second probe would only hang a second thread."""
        probing = asyncio.create_task(thread.run(partial(self._probe, candidate), math.inf))
        try:
            done, _ = await asyncio.wait([probing], timeout=self._hang_after)
            if not done and known.result is None:  # else it is only slow, and what was published still holds
                self._publish(candidate, known, ProbeResult(ProbeVerdict.HANGS))
            return await probing
        finally:
            probing.cancel()

    def _publish(self, candidate: Candidate, known: _Known, result: ProbeResult) -> None:
        if result == known.result:
            return
        known.result = result
        self.changed.set()
        # What has come to an empty reader, or to a path that was not there, the list knows better.
        self.stale |= candidate.empty or not candidate.key


async def _first_results(new: list[_Known]) -> None:
    """Wait for the first result of each, but not for one that hangs."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_QUICK):
            for known in new:
                await known.probed.wait()


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _is_final(candidate: Candidate, result: ProbeResult) -> bool:
    """Tell whether only another key can change it; without a key nothing would show a change."""
    if result.verdict is ProbeVerdict.TSE:
        return True
    return bool(candidate.key) and result.verdict in {ProbeVerdict.FOREIGN, ProbeVerdict.READ_ONLY}


def _sighting(candidate: Candidate, result: ProbeResult) -> Sighting:
    ordinary = result.verdict in {ProbeVerdict.FOREIGN, ProbeVerdict.NO_MEDIUM}
    notable = bool(result.serial) or candidate.named or (candidate.pluggable and not ordinary)
    return Sighting(
        str(candidate.path),
        candidate.path,
        candidate.key,
        result.kind,
        result.verdict,
        result.serial,
        result.reason,
        notable,
    )
