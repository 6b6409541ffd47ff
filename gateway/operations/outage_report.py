"""What the outage log holds, as an auditor asks for it: of one TSE or all, in a span of time; and whom it misses."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError, UnknownDevice
from gateway.fleet.outages.log import GATEWAY, Outage, OutageLog
from gateway.fleet.registry import Registry
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)


class TseInUse(GatewayError):
    """The TSE is there and works."""

    code = "tse_in_use"


@dataclass(frozen=True, slots=True)
class OutageQuery:
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
class OutageReport:
    """The outages of a site in a span, oldest first, as of `made` (Unix seconds)."""

    site: str
    made: float
    span: OutageQuery
    outages: tuple[Outage, ...]


class OutageReports:
    """Reads the log; `now` in Unix seconds."""

    def __init__(self, log: OutageLog, registry: Registry, site: str, *, now: Callable[[], float] = time.time) -> None:
        self._log = log
        self._registry = registry
        self._site = site
        self._now = now

    async def report(self, span: OutageQuery) -> OutageReport:
        """`OutagesUnreadable` if the log is."""
        found = await asyncio.to_thread(self._log.all)
        return OutageReport(self._site, self._now(), span, tuple(filter(span.holds, found)))

    async def retire(self, serial: str) -> None:
        """The TSE is gone for good: it is missed no longer, and what of it was written down stays.

        Raises:
            TseInUse: it works.
            UnknownDevice: nobody misses it.
        """
        serial = serial.upper()
        if not self._registry.forget(serial):
            raise TseInUse("this TSE works: decommission it, or pull it first")
        if not self._log.retire(serial, self._now()):
            raise UnknownDevice("no TSE with this serial is missed")
        log.info("TSE %s is gone for good: it is missed no longer", serial, extra=event(Event.RETIRED, serial))
        await asyncio.to_thread(self._log.save)
