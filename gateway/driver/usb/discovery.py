"""Finds TSEs by their content, and remembers what it found until something changes.

Each new place is looked at in a thread of its own, again and again while it may still become
a TSE (no permission yet, in use, an empty reader), so that a disk that hangs delays no other.
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

from gateway.driver.usb.block_devices import Place, Roots, listed, names
from gateway.driver.usb.probe import Finding, Kind, Verdict, probe
from gateway.driver.usb.thread import Worker
from gateway.errors import DeviceTimeout
from gateway.tasks import Backoff

log = logging.getLogger(__name__)

Look = Callable[[Place], Finding]

_QUICK = 0.5  # seconds that a scan waits for first looks; unplugging must be known within one
_LISTING = 5.0
_FIRST_PAUSE, _GROWTH = 0.05, 1.2  # a stick gets its group and mode from udev within a second, and is wanted at once
_LONGEST_PAUSES = {Verdict.NO_PERMISSION: 30.0, Verdict.DAMAGED: 30.0, Verdict.IN_USE: 5.0}  # each try may be in a log
_LONGEST_PAUSE = 1.0
_WAYS_OUT = {
    Verdict.TSE: "",
    Verdict.FOREIGN: "not a TSE, left alone",
    Verdict.NO_MEDIUM: "the reader is empty: put the TSE in",
    Verdict.ABSENT: "nothing can be reached there: plug the TSE in; in a container, pass /dev (or the volume) in",
    Verdict.NO_PERMISSION: "if it is a TSE, give the gateway's user read and write access: install the udev rules "
    "and add its group; in a container, allow the device in the device cgroup too",
    Verdict.READ_ONLY: "mount the volume writable, or release the card's write protection",
    Verdict.IN_USE: "end the other program, or unmount the volume (or pass its mount point in instead)",
    Verdict.DAMAGED: "plug it out and in again; if that does not help, try another socket, then replace it",
    Verdict.HANGS: "the kernel does not return from reading it: plug it out and in again",
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A place that was looked at. `key` is another one after each plugging-in; `notable`: people should hear of it."""

    place: str
    path: Path
    key: str
    kind: Kind
    verdict: Verdict
    serial: str = ""
    reason: str = ""
    notable: bool = True

    @property
    def way_out(self) -> str:
        """What a person can do; empty for a TSE."""
        advice = _WAYS_OUT[self.verdict]
        return f"{self.reason}; {advice}" if self.reason and advice else advice


@dataclass(slots=True)
class _Known:
    first_look: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    finding: Finding | None = None
    task: "asyncio.Task[None] | None" = None


class Discovery:
    """Looks at `named` paths, and `everywhere` else if wanted. To be used as an async context manager.

    `news` is set whenever there is something new to tell, and `stale` when it takes a `scan` to find
    out. `patience`: seconds until a look counts as hanging; `settling`: seconds that a new place has
    until its troubles are told.
    """

    def __init__(
        self,
        roots: Roots | None = None,
        named: Sequence[Path] = (),
        *,
        everywhere: bool = True,
        look: Look = probe,
        patience: float = 3.0,
        settling: float = 3.0,
    ) -> None:
        self.news = asyncio.Event()
        self.stale = True
        self._roots = roots or Roots()
        self._list = partial(listed, self._roots, tuple(named), everywhere=everywhere)
        self._look = look
        self._patience = patience
        self._settling = settling
        self._known: dict[Place, _Known] = {}
        self._lister = Worker("discovery")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lister.stop()
        await self._forget(list(self._known))

    def glance(self) -> frozenset[str]:
        """Names of the disks, for a few microseconds: another answer means that a scan is worth it."""
        return names(self._roots)

    def look_again(self) -> None:
        """Something has changed, perhaps to the good of what could not be used: the next scan asks again."""
        self.stale = True
        self.news.set()

    def seen(self) -> tuple[Sighting, ...]:
        """What is known by now, the earliest first."""
        told = [_sighting(place, known.finding) for place, known in self._known.items() if known.finding]
        return tuple(item for item in told if item.notable or item.verdict is not Verdict.ABSENT)

    async def scan(self) -> tuple[Sighting, ...]:
        """What is there now; what still hangs or settles follows with `news`."""
        called, self.stale = self.stale, False
        try:
            places = await self._lister.run(self._list, _LISTING)
        except DeviceTimeout as error:
            log.error("the list of disks and mounts cannot be read: %s; start the gateway again", error)  # noqa: TRY400 (no bug)
            return self.seen()
        await self._forget([place for place in self._known if place not in places])
        for known in self._known.values() if called else ():
            known.again.set()
        await _first_looks([self._meet(place) for place in places if place not in self._known])
        return self.seen()

    def _meet(self, place: Place) -> _Known:
        known = _Known()
        known.task = asyncio.create_task(self._examine(place, known), name=f"look at {place.path}")
        self._known[place] = known
        return known

    async def _forget(self, places: list[Place]) -> None:
        tasks = [known.task for known in map(self._known.pop, places) if known.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _examine(self, place: Place, known: _Known) -> None:
        """Look until nothing else can come of it."""
        now = asyncio.get_running_loop().time
        worker = Worker(f"look at {place.path}")
        began, backoff = now(), Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH)
        try:
            while True:
                known.again.clear()
                finding = await self._look_once(worker, place, known)
                final = _is_final(place, finding)
                if final or now() - began >= self._settling:
                    self._tell(place, known, finding)
                known.first_look.set()
                if final:
                    return
                backoff.longest = _LONGEST_PAUSES.get(finding.verdict, _LONGEST_PAUSE)
                called = await _called(known.again, backoff.next())
                if called and finding.verdict is Verdict.ABSENT:
                    backoff.reset()  # udev makes its links a little after the kernel's event
        finally:
            worker.stop()

    async def _look_once(self, worker: Worker, place: Place, known: _Known) -> Finding:
        """One look; tells that it hangs, but waits for it: a second look would only hang a second thread."""
        looking = asyncio.create_task(worker.run(partial(self._look, place), math.inf))
        try:
            done, _ = await asyncio.wait([looking], timeout=self._patience)
            if not done and known.finding is None:  # else it is only slow, and what was told still holds
                self._tell(place, known, Finding(Verdict.HANGS))
            return await looking
        finally:
            looking.cancel()

    def _tell(self, place: Place, known: _Known, finding: Finding) -> None:
        if finding == known.finding:
            return
        known.finding = finding
        self.news.set()
        # What has come to an empty reader, or to a path that was not there, the list knows better.
        self.stale |= place.empty or not place.key


async def _first_looks(new: list[_Known]) -> None:
    """Wait for all of them, but not for one that hangs."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_QUICK):
            for known in new:
                await known.first_look.wait()


async def _called(again: asyncio.Event, pause: float) -> bool:
    """Did a scan ask to look again before the pause ended?"""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pause):
            await again.wait()
    return again.is_set()


def _is_final(place: Place, finding: Finding) -> bool:
    """Only another key can change it; without a key nothing would tell."""
    if finding.verdict is Verdict.TSE:
        return True
    return bool(place.key) and finding.verdict in {Verdict.FOREIGN, Verdict.READ_ONLY}


def _sighting(place: Place, finding: Finding) -> Sighting:
    ordinary = finding.verdict in {Verdict.FOREIGN, Verdict.NO_MEDIUM}
    notable = bool(finding.serial) or place.named or (place.pluggable and not ordinary)
    return Sighting(
        str(place.path),
        place.path,
        place.key,
        finding.kind,
        finding.verdict,
        finding.serial,
        finding.reason,
        notable,
    )
