"""How series are made, and what labels and exemplars are made of."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.errors import CommandRejected, GatewayError
from gateway.telemetry.log import request_id
from gateway.tse.results import name_of

COMMAND_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WAITING_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60)


class Series:
    """Makes them in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Its name ends with `_total` in a scrape."""
        return Counter(name, text, labels, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """What goes up and down."""
        return Gauge(name, text, labels, registry=self._registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Durations; `buckets` are their upper bounds."""
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)


def exemplar() -> dict[str, str] | None:
    """Leads from a slow bar of a histogram to the log lines of a request that was slow."""
    request = request_id.get()
    return {"request_id": request} if request else None


def result_of(error: BaseException) -> str:
    """What became of a command or request, from a small set of words."""
    if isinstance(error, CommandRejected):
        return name_of(error.result)
    if isinstance(error, GatewayError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else GatewayError.code
