"""Wrong API tokens of the last minutes by address: for the log, for alerts, and to slow the senders down."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

WINDOW = 60.0  # seconds
_TOLD = 8  # addresses in a scrape
_MOST_ADDRESSES = 4096
OTHERS = "others"


class WrongTokens(Collector):
    """Counts by address for two windows of a minute, the present one and the one before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._now: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def note(self, network: str) -> None:
        """Count one more from `network`."""
        self._turn()
        known = network in self._now or len(self._now) < _MOST_ADDRESSES
        self._now[network if known else OTHERS] += 1

    def of(self, network: str) -> int:
        """Return how many came from there in this window or in the one before, whichever had more."""
        self._turn()
        return max(self._now[network], self._before[network])

    def worst(self) -> list[tuple[str, int]]:
        """Return the addresses that sent most, and how many each, the worst first."""
        self._turn()
        return (self._now | self._before).most_common(_TOLD)

    def collect(self) -> Iterator[Metric]:
        """Tell of the worst only: whoever attacks chooses how many addresses there are."""
        family = GaugeMetricFamily(
            "tse_gateway_wrong_tokens", "Wrong API tokens within a minute, of the worst addresses", labels=["address"]
        )
        for network, count in self.worst():
            family.add_metric([network], count)
        yield family

    def _turn(self) -> None:
        passed = self._clock() - self._began
        if passed >= WINDOW:
            self._before = self._now if passed < 2 * WINDOW else Counter()
            self._now = Counter()
            self._began += passed - passed % WINDOW
