"""What the outage log holds, as an auditor asks for it: of one TSE or all, in a span of time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.fleet.outages import GATEWAY, Outage, OutageLog


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until before `until`, Unix seconds; `None` has no limit. `serial` is empty for all TSEs."""

    serial: str = ""
    since: float | None = None
    until: float | None = None

    def holds(self, outage: Outage) -> bool:
        """Did a part of it fall into the span? When the gateway did not run, no TSE could be used by it."""
        if self.serial and outage.serial not in (self.serial, GATEWAY):
            return False
        began_in_time = self.until is None or outage.began < self.until
        return began_in_time and (self.since is None or outage.ended is None or outage.ended >= self.since)


@dataclass(frozen=True, slots=True)
class Report:
    """The outages of a site in a span, oldest first, as of `made` (Unix seconds)."""

    site: str
    made: float
    span: Span
    outages: tuple[Outage, ...]


class Outages:
    """Reads the log; `now` in Unix seconds."""

    def __init__(self, log: OutageLog, site: str, *, now: Callable[[], float] = time.time) -> None:
        self._log = log
        self._site = site
        self._now = now

    async def report(self, span: Span) -> Report:
        """`OutagesUnreadable` if the log is."""
        found = await asyncio.to_thread(self._log.all)
        return Report(self._site, self._now(), span, tuple(filter(span.holds, found)))
