"""Ends the process when its event loop stands still, so that Docker, Kubernetes or systemd starts it anew.

Only a thread can see that. It compares no clocks, which jump when a process was stopped or its machine suspended: it
counts its own turns during which the event loop had none. Where no thread has turns, the health check of the container
or systemd's watchdog must end the process.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.tasks import beside
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

STOOD_STILL = os.EX_SOFTWARE  # exit status of the process
_TURNS = 8  # of the thread without one of the event loop, until the process ends
_TELLING = 5.0  # seconds; what stands still may be the log


@asynccontextmanager
async def watching(longest: float) -> AsyncIterator[None]:
    """End the process if the event loop stands still for longer than `longest` seconds within the block."""
    watchdog = _Watchdog(longest)
    threading.Thread(target=watchdog.watch, name="watchdog", daemon=True).start()
    try:
        async with beside(watchdog=watchdog.count()):
            yield
    finally:
        watchdog.ended.set()


class _Watchdog:
    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._every = longest / _TURNS
        self._count = 0
        self._watched = threading.get_ident()
        self.ended = threading.Event()

    async def count(self) -> None:
        while True:
            self._count += 1
            await asyncio.sleep(self._every)

    def watch(self) -> None:
        missed, last = 0, 0
        while not self.ended.wait(self._every):
            missed = missed + 1 if self._count == last else 0
            last = self._count
            if missed > _TURNS:
                self._end_process()

    def _end_process(self) -> None:
        try:
            # If the log takes no line, this tells what it can without waiting, and ends the process with status 1.
            os.set_blocking(sys.stderr.fileno(), False)
            faulthandler.dump_traceback_later(_TELLING, exit=True)
            log.error(
                "the event loop stood still for %g s, and the gateway ends, to be started anew; it was in %s",
                self._longest,
                _stack(self._watched),
                extra=event(Event.STOOD_STILL),
            )
        finally:
            os._exit(STOOD_STILL)


def _stack(thread: int) -> str:
    """Return what a thread is doing, the innermost call first; source files are not read: a disk may hang."""
    calls = traceback.walk_stack(sys._current_frames()[thread])  # noqa: SLF001 (its documented name)
    return ", ".join(f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in calls)
