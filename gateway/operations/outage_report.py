"""Reports of the outage log for auditors, and the end of missing a TSE."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError, UnknownDevice
from gateway.fleet.outages.log import GATEWAY, Outage, OutageLog
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)


class TseInUse(GatewayError):
    """The TSE is there and works."""

    code = "tse_in_use"


@dataclass(frozen=True, slots=True)
class OutageQuery:
    """From `since` until before `until`, in Unix seconds or `None`; the TSE with `serial`, or all if it is empty."""

    serial: str = ""
    since: float | None = None
    until: float | None = None

    def holds(self, outage: Outage) -> bool:
        """Return whether the report contains `outage`; one of the gateway itself concerns every TSE."""
        if self.serial and outage.serial != GATEWAY and self.serial not in (outage.serial, outage.served_by):
            return False
        began_in_time = self.until is None or outage.began < self.until
        return began_in_time and (self.since is None or outage.ended is None or outage.ended >= self.since)


@dataclass(frozen=True, slots=True)
class OutageReport:
    """The outages of a site that `span` asked for, oldest first, as of `made` (Unix seconds)."""

    site: str
    made: float
    span: OutageQuery
    outages: tuple[Outage, ...]


class OutageReports:
    """Makes reports of one log; `now` gives Unix seconds."""

    def __init__(self, log: OutageLog, registry: Registry, site: str, *, now: Callable[[], float] = time.time) -> None:
        self._log = log
        self._registry = registry
        self._site = site
        self._now = now

    async def report(self, span: OutageQuery) -> OutageReport:
        """Return the report of what `span` asks for.

        Raises:
            OutagesUnreadable: the log cannot be read.
        """
        found = await asyncio.to_thread(self._log.all)
        return OutageReport(self._site, self._now(), span, tuple(filter(span.holds, found)))

    async def retire(self, serial: str) -> None:
        """Miss a TSE no longer that is gone for good; what was written down of it stays.

        Raises:
            TseInUse: it works.
            UnknownDevice: nobody misses it.
        """
        serial = serial.upper()
        if not self._registry.forget(serial):
            raise TseInUse(
                Text(
                    "this TSE works: decommission it, or pull it first",
                    "diese TSE arbeitet: erst außer Betrieb nehmen oder abziehen",
                )
            )
        if not self._log.retire(serial, self._now()):
            raise UnknownDevice(
                Text("no TSE with this serial is missed", "keine TSE mit dieser Seriennummer wird vermisst")
            )
        log.info("TSE %s is gone for good: it is missed no longer", serial, extra=event(Event.RETIRED, serial))
        await asyncio.to_thread(self._log.save)
