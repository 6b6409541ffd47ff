"""The orderly end: nobody new gets a TSE, who has one or waits for one finishes, and then the process ends for sure.

SIGTERM --- 3/4 of stop_timeout: holders finish --- 1/4: other requests --- 1/4 more: TSEs are closed --- process ends
"""

import asyncio
import logging
import os
import signal
import threading
from typing import Self

from gateway.config.settings import STOP_ALL, STOP_HOLDERS
from gateway.fleet.registry import Registry
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """When to stop, and how; `timeout` is the setting stop_timeout. A second request waits for nobody.

    Inside `with` the process ends in time whatever hangs (a TSE in the kernel, a dying disk). That takes a thread of
    its own, since the event loop itself may be what hangs.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._last_resort = threading.Timer(STOP_ALL * timeout, _end_process)
        self._last_resort.daemon = True
        self._at_once = asyncio.Event()
        self.requested = asyncio.Event()

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.request)
        return self

    def __exit__(self, *_: object) -> None:
        self._last_resort.cancel()

    def request(self) -> None:
        """Ask the gateway to stop; a second time, at once."""
        if self.requested.is_set():
            self._at_once.set()
        else:
            self.requested.set()
            self._last_resort.start()

    async def drain(self, registry: Registry) -> None:
        """Wait until those have finished who have a TSE or wait for one; nobody new gets one."""
        draining = event(Event.DRAINING)
        log.info("the gateway lends no TSE any more, and stops when those lent are given back", extra=draining)
        tasks = [asyncio.create_task(registry.drain()), asyncio.create_task(self._at_once.wait())]
        await asyncio.wait(tasks, timeout=STOP_HOLDERS * self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            log.warning("the gateway stops although a TSE was not given back")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _end_process() -> None:
    log.error("the gateway did not come to its end: a TSE hangs, and is left as it is")
    os._exit(1)
