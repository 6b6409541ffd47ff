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
    its own, since the event loop itself may be what hangs; it waits from the beginning, since a process that is short
    of memory may start none later.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._at_once = asyncio.Event()
        self.requested = asyncio.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._end_in_time, name="last resort", daemon=True).start()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.request)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._stopping.set()

    def request(self) -> None:
        """Ask the gateway to stop; a second time, at once."""
        if self.requested.is_set():
            self._at_once.set()
        else:
            self.requested.set()
            self._stopping.set()

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

    def _end_in_time(self) -> None:
        self._stopping.wait()
        if self._ended.wait(STOP_ALL * self._timeout):
            return
        try:
            log.error("the gateway did not come to its end: a TSE hangs, and is left as it is")
        finally:
            os._exit(1)
