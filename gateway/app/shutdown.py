"""The orderly end: nobody new gets a TSE, whoever has one or waits for one finishes, and then it is over, in any case.

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


class Stopping:
    """When to stop, and how; `timeout` is the setting stop_timeout. Whoever asks twice is in a hurry.

    `with` it the process ends in time whatever hangs below (a TSE in the kernel, a dying disk). That takes a thread of
    its own, since the loop itself may be what hangs.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._last_resort = threading.Timer(STOP_ALL * timeout, _leave)
        self._last_resort.daemon = True
        self._hurry = asyncio.Event()
        self.asked = asyncio.Event()

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._last_resort.cancel()

    def ask(self) -> None:
        """The gateway shall stop."""
        if self.asked.is_set():
            self._hurry.set()
        else:
            self.asked.set()
            self._last_resort.start()

    async def drain(self, registry: Registry) -> None:
        """Let those finish who have a TSE or wait for one; nobody new gets one."""
        draining = event(Event.DRAINING)
        log.info("the gateway lends no TSE any more, and stops when those lent are given back", extra=draining)
        tasks = [asyncio.create_task(registry.drain()), asyncio.create_task(self._hurry.wait())]
        await asyncio.wait(tasks, timeout=STOP_HOLDERS * self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            log.warning("the gateway stops although a TSE was not given back")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _leave() -> None:
    log.error("the gateway did not come to its end: a TSE hangs, and is left as it is")
    os._exit(1)
