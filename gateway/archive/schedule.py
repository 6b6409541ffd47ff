"""When archives are written: at night after the self test of the TSE, and by day if that was missed."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.archive.service import ArchiveService
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.fleet.maintenance.schedule import Night
from gateway.fleet.registry import Registry
from gateway.operations.store import StoreClosed
from gateway.tasks import Backoff

log = logging.getLogger(__name__)

_LOOK = 5.0  # seconds between two looks
_QUIET = 30.0  # seconds without a command: by day the archive waits for that
_NIGHT, _DAY = timedelta(hours=2), timedelta(days=1)
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0


def due(complete: datetime, now: datetime, night: timedelta, *, quiet: bool) -> bool:
    """Tell whether an archive is to be written now.

    `complete`: when it was last complete, or the TSE was first seen; `night`: time since the last night began;
    `quiet`: nobody uses the TSE.
    """
    if complete > now + _DAY:  # somebody set the clock back
        return quiet
    tonight = night < _NIGHT and complete < now - night
    return tonight or (quiet and now - complete > _DAY)


@dataclass(slots=True)
class _Pause:
    """No run before `until` (monotonic seconds) after a failure; `closed`: the TSE did not show its store."""

    until: float = float("-inf")
    closed: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE, _LONGEST_PAUSE))

    def after_failure(self, now: float, error: GatewayError) -> None:
        self.until, self.closed = now + self.backoff.next(), isinstance(error, StoreClosed)


@dataclass
class ArchiveSchedule:
    """Writes one archive after the other, so that a small machine is not overrun."""

    archives: ArchiveService
    registry: Registry
    night: Night
    local_time: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone()
    monotonic: Callable[[], float] = time.monotonic
    _pauses: dict[str, _Pause] = field(default_factory=dict)

    async def run(self) -> None:
        """Write archives for ever."""
        await self.archives.open()
        while True:
            await self.run_due()
            await asyncio.sleep(_LOOK)

    async def run_due(self) -> None:
        """Write the archives that are due."""
        for device in self.registry.devices():
            archive = await self.archives.of(device)
            state = await archive.seen()
            if archive.progress is None and self._may(device) and self._due(device, state.complete_since):
                await self._run(device)

    def _may(self, device: Device) -> bool:
        pause = self._pauses.get(device.serial)
        if device.failed.is_set() or pause is None:
            return not device.failed.is_set()
        opened = pause.closed and device.info.used_blocks > 0  # somebody ran the self test
        return opened or self.monotonic() >= pause.until

    def _due(self, device: Device, complete: datetime) -> bool:
        now = self.local_time()
        quiet = device.idle and device.quiet_for >= _QUIET
        return due(complete, now, self.night.began(device.serial, now), quiet=quiet)

    async def _run(self, device: Device) -> None:
        try:
            await self.archives.run(device.serial)
        except GatewayError as error:
            log.debug("the archive of TSE %s waits: %s", device.serial, error)
            self._pauses.setdefault(device.serial, _Pause()).after_failure(self.monotonic(), error)
        else:
            self._pauses.pop(device.serial, None)
