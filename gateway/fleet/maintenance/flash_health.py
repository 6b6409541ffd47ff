"""Monitor the wear of flash memory: each TSE is asked once a day, at a moment when nobody needs it."""

import asyncio
import logging
import time

from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.fleet.registry import Registry
from gateway.tse.commands import FlashHealth

log = logging.getLogger(__name__)

_DAY = 86_400.0
_LOOK = 60.0


class FlashHealthMonitor:
    """Asks every TSE, each when it got no command for `quiet` seconds; the answers are in `Device.flash_health`."""

    alive = True
    peer = token = client_id = ""

    def __init__(self, registry: Registry, *, quiet: float = 30.0) -> None:
        self._registry = registry
        self._quiet = quiet
        self._asked: dict[str, float] = {}

    async def run(self) -> None:
        """Check all TSEs once a minute, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            for device in self._registry.devices():
                await self.check(device, time.monotonic())

    async def check(self, device: Device, now: float) -> None:
        """Ask `device` if it is due and idle at `now` (monotonic seconds); one that refuses is asked a day later."""
        due = now - self._asked.get(device.serial, float("-inf")) >= _DAY
        if not due or device.failed.is_set() or not device.idle or device.quiet_for < self._quiet:
            return
        self._asked[device.serial] = now
        try:
            await self._ask(device)
        except GatewayError as error:
            log.debug("TSE %s does not tell how worn it is: %s", device.serial, error)

    async def _ask(self, device: Device) -> None:
        async with device.lock.hold(self, 0.0) as lease:
            await device.command(FlashHealth().encode(), lease)
