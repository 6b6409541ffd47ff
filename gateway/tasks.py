"""Work that goes on beside other work, and how long it waits between attempts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@asynccontextmanager
async def beside(**works: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run `works`, as tasks of these names, while the block runs; cancel them at its end and wait for that."""
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
