"""The time of a simulation. It stands still while anything happens, and then jumps to the next moment.

`install` puts it in the place of the clocks of `time`, before any module of the gateway is imported: their default
arguments keep what `time` had then. So a process is either simulated as a whole or not at all.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import SupportsIndex

OPENING = datetime(2026, 11, 23, 7, 45, tzinfo=UTC)  # of the shop, on the first day


class SimulatedClock:
    """Seconds. `ahead` is how far a blocking call is ahead of the event loop, in which it takes no time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ahead = 0.0
        self._blocking = False
        self._unix = OPENING.timestamp() - self.now

    def monotonic(self) -> float:
        return self.now + self.ahead

    def unix(self) -> float:
        return self._unix + self.now + self.ahead

    def local(self) -> datetime:
        return datetime.fromtimestamp(self.unix(), UTC)

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """A blocking call, in which time may pass."""
        self.ahead, self._blocking = 0.0, True
        try:
            yield
        finally:
            self.ahead, self._blocking = 0.0, False

    def sleep(self, seconds: SupportsIndex | float, /) -> None:
        if not self._blocking:
            raise AssertionError("the event loop would block")
        self.ahead += float(seconds)


CLOCK = SimulatedClock()
RANDOMNESS = random.Random()  # of the machine; to be seeded


def install() -> None:
    """Take over time and randomness of this process, which may start no thread any more."""
    time.monotonic, time.time, time.sleep = CLOCK.monotonic, CLOCK.unix, CLOCK.sleep
    time.clock_gettime = lambda _: CLOCK.monotonic()
    os.urandom = RANDOMNESS.randbytes
    random._urandom = RANDOMNESS.randbytes  # type: ignore[attr-defined]
    threading.Thread.start = _refuse  # type: ignore[method-assign,assignment]


def _refuse(thread: threading.Thread) -> None:
    raise AssertionError(f"a simulation has one thread, and this would be another one: {thread.name}")
