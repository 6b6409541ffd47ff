"""The outage monitor: it sees outages begin and end, and writes them into the log."""

import asyncio
import logging
import math
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
_RELAPSE = 30.0  # seconds; a TSE that fails again within them was not well in between
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
        self._well_since: dict[str, float] = {}  # TSEs that seem well, but whose outage is not ended yet
        self._late_since: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._relapsed: set[str] = set()

    def refused(self, serial: str, error: GatewayError, till: str = "") -> None:
        """Count a request for a TSE, of `till` (a client id, else an address), that ended with `error`."""
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
            for serial, since in self._well_since.items():
                self.outages.end(serial, since)
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
        if known is not None and not reason:
            self._end_if_well(known, device, now)
        elif self._well_since.pop(serial, None) is not None and device.failed.is_set():
            self._relapsed.add(serial)
        late_since = (
            self._late_since.setdefault(serial, now) if reason == "answer_late" else self._late_since.pop(serial, now)
        )
        if reason in OUTAGES and (known is None or (reason != known.reason and serial not in self._relapsed)):
            if known is not None:
                self._end(known, now)
            self._begin(serial, reason, late_since)  # nobody could sign while its answer did not come
        elif reason in _DUE and self._lacks.get(serial) != reason:
            log.info("TSE %s does not sign: %s", serial, REASONS[reason], extra=event(_DUE[reason], serial))
        self._lacks[serial] = reason

    def _begin(self, serial: str, reason: str, now: float) -> None:
        if now - self._ended.get(serial, -math.inf) < _RELAPSE:
            self._relapsed.add(serial)
        began = event(Event.OUTAGE_BEGAN, serial, reason=reason)
        log.warning("outage of TSE %s begins: %s", serial, REASONS[reason], extra=began)
        refused, tills = self._refused.pop(serial, 0), self._tills.pop(serial, set())
        self.outages.begin(serial, reason, now, refused, tills)

    def _end_if_well(self, outage: Outage, device: Device, now: float) -> None:
        """End the outage if the TSE has carried out a command since its opening; after a relapse it must stay open."""
        since = self._well_since.setdefault(outage.serial, now)
        stays_well = device.open_seconds >= _RELAPSE
        if stays_well:
            self._relapsed.discard(outage.serial)
        if stays_well or (device.quiet_for < math.inf and outage.serial not in self._relapsed):
            del self._well_since[outage.serial]
            self._ended[outage.serial] = now
            self._end(outage, since)

    def _end(self, outage: Outage, now: float) -> None:
        self.outages.end(outage.serial, now)
        seconds = round(outage.seconds(now), 1)
        cost = {"reason": outage.reason, "seconds": seconds, "refused": outage.refused}
        ended = event(Event.OUTAGE_ENDED, outage.serial, **cost)
        log.info("outage of TSE %s ends after %g s (%s)", outage.serial, seconds, outage.reason, extra=ended)
