"""How fast each TSE signs: signatures in each minute of the last hour. Kept in memory, for people who look."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable

from gateway.telemetry.metrics import Metrics

MINUTES = 60


class Pace:
    """Of all TSEs, from the counter that Prometheus sees too. `now` in Unix seconds."""

    def __init__(self, metrics: Metrics, *, now: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._now = now
        self._minute = int(now() // 60)
        self._before: dict[str, int] = {}
        self._past: defaultdict[str, deque[int]] = defaultdict(_nothing)

    async def keep(self) -> None:
        """For ever: a minute that is over is not counted any more."""
        while True:
            await asyncio.sleep(60 - self._now() % 60)
            self.look()

    def look(self) -> None:
        """Close the minutes that are over."""
        minute = int(self._now() // 60)
        gone = minute - self._minute
        if gone == 0:
            return
        made = self._metrics.signatures.made_for_tills()
        for serial, total in made.items():
            self._past[serial].append(total - self._before.get(serial, 0))
            self._past[serial].extend([0] * min(max(gone - 1, 0), MINUTES))
        self._before, self._minute = made, minute

    def of(self, serial: str) -> tuple[int, ...]:
        """The last hour, the minute that runs at the end."""
        self.look()
        running = self._metrics.signatures.made_for_tills().get(serial, 0) - self._before.get(serial, 0)
        return (*self._past[serial], running)


def _nothing() -> deque[int]:
    return deque([0] * (MINUTES - 1), maxlen=MINUTES - 1)
