"""The outage monitor: it sees outages begin and end, and writes them into the log."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from gateway.errors import DeviceError, GatewayError
from gateway.fleet.device import Device
from gateway.fleet.outages.log import Outage, OutageLog
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import ABSENT, OUTAGES, REASONS, lack
from gateway.telemetry.events import Event, event
from gateway.tse.info import Lifecycle

log = logging.getLogger(__name__)

_LOOK = 1.0
_ALIVE = 60.0
_DUE = {"no_self_test": Event.SELF_TEST_DUE, "no_time": Event.TIME_DUE}


class OutageMonitor:
    """Monitors all TSEs of a gateway; `now` gives Unix seconds."""

    def __init__(self, registry: Registry, outages: OutageLog, *, now: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self.outages = outages
        self._now = now
        self._refused: Counter[str] = Counter()
        self._tills: dict[str, set[str]] = {}
        self._saved = float("-inf")
        self._lacks: dict[str, str] = {}

    def refused(self, serial: str, error: GatewayError, till: str = "") -> None:
        """Count a request for a TSE, from the address `till`, that ended with `error`."""
        # The request that a failure hits is told before the outage is seen.
        if not self.outages.refused(serial, till) and isinstance(error, DeviceError):
            self._refused[serial] += 1
            self._tills.setdefault(serial, set()).update({till} - {""})

    async def run(self) -> None:
        """Check once a second and at each change of the registry, for ever; at the end everything is on the disk."""
        self.outages.started(self._now())
        changed = self._registry.changed
        try:
            while True:
                changed.clear()
                self.check()
                await self._save()
                try:
                    async with asyncio.timeout(_LOOK):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self.outages.stopped(self._now())
            self.outages.save()

    async def _save(self) -> None:
        now = time.monotonic()
        if self.outages.unsaved or now - self._saved >= _ALIVE:
            self._saved = now
            await asyncio.to_thread(self.outages.save)

    def check(self) -> None:
        """Write down what began or ended."""
        now, devices = self._now(), {device.serial: device for device in self._registry.devices()}
        for serial in self.outages.missing(devices):
            if serial not in self.outages.open:
                missing = event(Event.MISSING, serial)
                log.warning("TSE %s is not there, which it was before the gateway was stopped", serial, extra=missing)
                self.outages.begin(serial, ABSENT, now)
        for device in devices.values():
            self._look_at(device, now)

    def _look_at(self, device: Device, now: float) -> None:
        serial, reason = device.serial, lack(device)
        if device.info.lifecycle != Lifecycle.INITIALIZED:  # a spare, or one whose service is over
            self.outages.retire(serial, now)
            return
        self.outages.seen(serial, now)
        known = self.outages.open.get(serial)
        if known is not None and (not reason or (reason in OUTAGES and reason != known.reason)):
            self._end(known, now)
        if reason in OUTAGES:
            if known is None or known.reason != reason:
                began = event(Event.OUTAGE_BEGAN, serial, reason=reason)
                log.warning("outage of TSE %s begins: %s", serial, REASONS[reason], extra=began)
            refused, tills = self._refused.pop(serial, 0), self._tills.pop(serial, set())
            self.outages.begin(serial, reason, now, refused, tills)
        elif reason in _DUE and self._lacks.get(serial) != reason:
            log.info("TSE %s does not sign: %s", serial, REASONS[reason], extra=event(_DUE[reason], serial))
        self._lacks[serial] = reason

    def _end(self, outage: Outage, now: float) -> None:
        self.outages.end(outage.serial, now)
        seconds = round(outage.seconds(now), 1)
        cost = {"reason": outage.reason, "seconds": seconds, "refused": outage.refused}
        ended = event(Event.OUTAGE_ENDED, outage.serial, **cost)
        log.info("outage of TSE %s ends after %g s (%s)", outage.serial, seconds, outage.reason, extra=ended)
