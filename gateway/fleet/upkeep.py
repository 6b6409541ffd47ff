"""What a TSE needs while nobody asks for it. Nothing but reads."""

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.errors import GatewayError
from gateway.fleet.device import Device

log = logging.getLogger(__name__)

_TICK = 1.0


async def attend(device: Device, *, refresh: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Look after `device` until it fails.

    Takes back locks that lapsed; reads the info sector every `refresh` seconds when idle,
    which keeps USB awake, the snapshot fresh, and finds out when the TSE is gone.
    """
    due = clock() + refresh
    while not device.failed.is_set():
        try:
            async with asyncio.timeout(_TICK):
                await device.failed.wait()
        except TimeoutError:
            device.sweep()
        if clock() >= due and device.idle and not device.failed.is_set():
            due = clock() + refresh
            try:
                await device.read_info()
            except GatewayError as error:
                log.debug("reading TSE %s ended with: %s", device.serial, error)
