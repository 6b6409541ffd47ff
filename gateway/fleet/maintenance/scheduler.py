"""Maintain one TSE. Nothing is done but reading, unless the settings hold its TimeAdmin PIN.

every tick     end leases that lapsed; read the info sector if a command showed that it has changed
idle           read the info sector: keeps USB awake, the snapshot fresh, and finds out when the TSE is gone
with a PIN     self test and time: before they are due when no till is at work, at once when they are lost
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.clock.trusted import Clock
from gateway.config.pins import Pins
from gateway.errors import GatewayError
from gateway.fleet.commands.known_transactions import KnownTransactions
from gateway.fleet.device import Device
from gateway.fleet.maintenance import tasks
from gateway.fleet.maintenance.schedule import Need, Night, self_test_need, time_need
from gateway.fleet.pins.memory import NotRemembered, PinMemory
from gateway.i18n.text import NOTHING, Text
from gateway.tasks import Backoff
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.metrics.maintenance import MaintenanceTask
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle

log = logging.getLogger(__name__)

_TICK = 1.0
_QUIET = 5.0  # seconds without a command: then no till is likely to be between two calls that belong together
_PATIENCE = 15.0  # for what is urgent; then the gateway queues up for the lock like a till
_LONG_PATIENCE = 60.0  # for the rest; then any moment will do in which nobody wants the TSE
_LOCK_WAIT = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0


@dataclass(frozen=True)
class MaintenanceOptions:
    """How TSEs are maintained.

    `client_id` is for the self test; while it is empty, one is learned from what tills send. The PIN memories lie in
    `directory`; without one they last until the gateway ends.
    """

    pins: Pins = field(default_factory=Pins)
    clock: Clock = field(default_factory=Clock)
    self_test: bool = True
    set_time: bool = True
    client_id: str = ""
    night: Night = field(default_factory=Night)
    directory: Path | None = None
    local_time: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone()
    monotonic: Callable[[], float] = time.monotonic

    def memory_of(self, serial: str) -> PinMemory:
        """Return the PIN memory of the TSE with this serial."""
        return PinMemory(self.directory / f"{serial}.json" if self.directory is not None else None)

    def known_transactions(self, serial: str, metrics: Metrics) -> KnownTransactions:
        """Return what is known of the transactions of a TSE."""
        path = None if self.directory is None else self.directory / f"{serial}.last.json"
        return KnownTransactions(serial, metrics, path)


async def maintain(device: Device, options: MaintenanceOptions, metrics: Metrics, *, refresh: float) -> None:
    """Maintain `device` until it fails."""
    scheduler = MaintenanceScheduler(device, options, metrics, refresh=refresh)
    while not device.failed.is_set():
        await scheduler.check()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_TICK, refresh)):
                await device.failed.wait()


class MaintenanceScheduler:
    """Maintains one TSE from its opening to its failure; `refresh` seconds pass between two readings of an idle one.

    It takes the lock like a till.
    """

    alive = True
    peer = token = client_id = ""

    def __init__(self, device: Device, options: MaintenanceOptions, metrics: Metrics, *, refresh: float) -> None:
        self._device = device
        self._options = options
        self._metrics = metrics
        self._refresh = refresh
        self._pauses = {"self_test": _Pause(), "set_time": _Pause()}
        self._wanted_since: float | None = None
        self._told = NOTHING

    async def check(self) -> None:
        """Do what is due now. A failure of the TSE is not raised; it shows in `device.failed`."""
        device = self._device
        device.sweep()
        try:
            if self._should_read():
                await device.read_info()
            if device.has_pin:
                await device.check_pin_memory()
            self_test = self._needs_self_test()
            if self_test is Need.NONE and not device.info.self_test_passed:
                device.waive_lost_signature()
            need = max(self_test, self._needs_time())
            if self._is_the_moment(need):
                await self._run_tasks(_LOCK_WAIT if need >= Need.URGENT else 0.0)
        except GatewayError as error:
            log.debug("looking after TSE %s ended with: %s", device.serial, error)

    # ---- when ---------------------------------------------------------------

    def _should_read(self) -> bool:
        device = self._device
        if device.failed.is_set():
            return False
        return device.info_outdated or (device.info_age >= self._refresh and device.idle)

    def _needs_self_test(self) -> Need:
        lost = not self._device.info.self_test_passed
        wants_client = self._device.info.generation is Generation.ONE
        if not self._options.self_test or self._paused("self_test", lost) or not self._may_act():
            return Need.NONE
        if wants_client and not self._client_id:
            return Need.NONE
        night = self._options.night.began(self._device.serial, self._options.local_time())
        need = self_test_need(self._device.info, self._device.info_age, night)
        # After a self test the time is gone: without a way to set it, one that is still valid is left alone.
        return need if need is not Need.SOON or self._can_set_time() else Need.NONE

    def _needs_time(self) -> Need:
        lost = not self._device.info.valid_time
        if not self._options.set_time or self._paused("set_time", lost) or not self._may_act():
            return Need.NONE
        need = time_need(self._device.info, self._device.info_age)
        return need if need is Need.NONE or self._can_set_time() else Need.NONE

    def _is_the_moment(self, need: Need) -> bool:
        """Return whether to act now: tills come first, unless nobody can sign, or could soon."""
        if need is Need.NONE:
            self._wanted_since = None
            return False
        if need is Need.LOST:
            return True
        now = self._options.monotonic()
        self._wanted_since = now if self._wanted_since is None else self._wanted_since
        waited = now - self._wanted_since
        if self._device.idle and (self._device.quiet_for >= _QUIET or waited >= _LONG_PATIENCE):
            return True
        return need is Need.URGENT and waited >= _PATIENCE

    def _may_act(self) -> bool:
        info = self._device.info
        if not self._device.has_pin or info.lifecycle != Lifecycle.INITIALIZED:
            return False
        return not self._tell(self._device.login_objection())

    def _can_set_time(self) -> bool:
        verdict = self._options.clock.status
        return not self._tell(NOTHING if verdict.fit else verdict.reason)

    def _paused(self, task: str, lost: bool) -> bool:
        """Return whether `task` rests: after a success unless its effect was lost, after a failure in any case."""
        pause = self._pauses[task]
        return self._options.monotonic() < pause.until and (pause.failed or not lost)

    def _tell(self, objection: Text) -> Text:
        if objection and objection != self._told:
            self._told = objection
            held = event(Event.MAINTENANCE_HELD_BACK, self._device.serial)
            log.warning("maintenance of TSE %s is held back: %s", self._device.serial, objection, extra=held)
        return objection

    # ---- what ---------------------------------------------------------------

    async def _run_tasks(self, wait: float) -> None:
        """Take the lock within `wait` seconds, look once more what is needed, and do it."""
        device = self._device
        self._wanted_since = None
        async with device.lock.hold(self, wait):
            await device.read_info()
            await device.check_pin_memory(again=True)  # a self test costs the time, which a login must set again
            if self._needs_self_test():
                await self._do("self_test", tasks.self_test(device, self._client_id.encode("latin-1")))
            if self._needs_time():
                await self._do("set_time", tasks.set_time(device, self._options.clock))

    async def _do(self, task: MaintenanceTask, work: "tasks.Work") -> None:
        now, pause = self._options.monotonic, self._pauses[task]
        try:
            rest = await work
        except NotRemembered as error:  # it is done as soon as the disk can be written
            self._metrics.maintenance.ran(self._device.serial, task, error.code)
            raise
        except GatewayError as error:
            self._metrics.maintenance.ran(self._device.serial, task, error.code)
            failed = event(Event.MAINTENANCE_FAILED, self._device.serial, duty=task)
            log.warning("%s of TSE %s failed: %s", tasks.TITLES[task], self._device.serial, error, extra=failed)
            pause.after_failure(now())
            raise
        self._metrics.maintenance.ran(self._device.serial, task, "ok")
        pause.after_success(now() + rest)

    @property
    def _client_id(self) -> str:
        return self._options.client_id or self._device.client_id


@dataclass
class _Pause:
    """The pause before a task is repeated, however urgent it is: it must not use up the TSE's signatures."""

    until: float = float("-inf")
    failed: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE, _LONGEST_PAUSE))

    def after_failure(self, now: float) -> None:
        self.until, self.failed = now + self.backoff.next(), True

    def after_success(self, until: float) -> None:
        self.until, self.failed = until, False
        self.backoff.reset()
