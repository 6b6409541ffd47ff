"""Work that goes on beside other work, and how long it waits between attempts."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


@asynccontextmanager
async def beside(**works: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run `works`, as tasks of these names, while the block runs; cancel them at its end and wait for that.

    One that fails is logged at once, and the block and the others go on.
    """
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_failure(task: "asyncio.Task[object]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended by an error of the gateway, until it is started anew", task.get_name(), exc_info=error)


def begun(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Return a task that has done `work` up to where it waits first; before Python 3.12 it begins a little later.

    For what each command does: it spares a turn of the event loop.
    """
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.create_task(work)


def settle(future: "asyncio.Future[T]", value: T) -> None:
    """Set the result, unless whoever awaits it was cancelled."""
    if not future.done():
        future.set_result(value)


def fail(future: "asyncio.Future[T]", error: Exception) -> None:
    """Set the error, unless whoever awaits it was cancelled; then it is no news."""
    if not future.done():
        future.set_exception(error)
        future.exception()


@dataclass(slots=True)
class Backoff:
    """Waits between attempts in seconds: `first`, then each `factor` times the one before, at most `longest`."""

    first: float
    longest: float
    factor: float = 2.0
    _wait: float = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def next(self) -> float:
        """Return how long to wait now; the wait after it is longer."""
        wait, self._wait = self._wait, min(self.factor * self._wait, self.longest)
        return wait

    def reset(self) -> None:
        """Start again with the first wait."""
        self._wait = self.first

    def skip_to_longest(self) -> None:
        """Wait `longest` from now on."""
        self._wait = self.longest
