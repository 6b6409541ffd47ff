"""The signatures that each TSE made in each minute of the last hour, kept in memory for the status page."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable

from gateway.telemetry.metrics import Metrics

MINUTES = 60


class SignatureRate:
    """The rates of all TSEs, from the counter that Prometheus reads too. `now` in Unix seconds."""

    def __init__(self, metrics: Metrics, *, now: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._now = now
        self._minute = int(now() // 60)
        self._before: dict[str, int] = {}
        self._past: defaultdict[str, deque[int]] = defaultdict(_no_signatures)

    async def keep(self) -> None:
        """Close each minute when it is over, for ever."""
        while True:
            await asyncio.sleep(60 - self._now() % 60)
            self.update()

    def update(self) -> None:
        """Close the minutes that are over."""
        minute = int(self._now() // 60)
        over = minute - self._minute
        if over == 0:
            return
        made = self._metrics.signatures.made_for_tills()
        for serial, total in made.items():
            self._past[serial].append(total - self._before.get(serial, 0))
            self._past[serial].extend([0] * min(max(over - 1, 0), MINUTES))
        self._before, self._minute = made, minute

    def of(self, serial: str) -> tuple[int, ...]:
        """Return the signatures of the last 60 minutes, the running one at the end."""
        self.update()
        running = self._metrics.signatures.made_for_tills().get(serial, 0) - self._before.get(serial, 0)
        return (*self._past[serial], running)


def _no_signatures() -> deque[int]:
    return deque([0] * (MINUTES - 1), maxlen=MINUTES - 1)
