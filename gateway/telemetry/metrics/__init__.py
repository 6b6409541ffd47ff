"""Every Prometheus series that counts what happens. Callers use verbs; names, units and labels are decided here.

`tse_...` tells about a TSE, `tse_gateway_...` about the gateway around it. `serial` has 64 upper-case hex digits.
Gauges of a state (a TSE, its store) stand in `fleet.status.collector` and `server.monitoring.exposition`.
"""

from prometheus_client import disable_created_metrics

from gateway.telemetry.metrics.clients import ClientMetrics
from gateway.telemetry.metrics.host import HostMetrics
from gateway.telemetry.metrics.locks import LockMetrics
from gateway.telemetry.metrics.maintenance import MaintenanceMetrics
from gateway.telemetry.metrics.notifications import NotificationMetrics
from gateway.telemetry.metrics.requests import RequestMetrics
from gateway.telemetry.metrics.scrape import Scrape, SeriesRegistry
from gateway.telemetry.metrics.series import Series
from gateway.telemetry.metrics.signatures import SignatureMetrics
from gateway.telemetry.metrics.tokens import TokenMetrics
from gateway.telemetry.metrics.tses import TseMetrics
from gateway.telemetry.metrics.wrong_tokens import WrongTokens


class Metrics:
    """The series of one gateway by subject, in a registry of their own; `clients` are counted one by one if wanted."""

    def __init__(self, *, site: str = "", clients: bool = False) -> None:
        self.registry = SeriesRegistry()
        self._site = site
        # Without this each counter would bring one gauge more, which no dashboard reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        series = Series(self.registry)
        self.tses = TseMetrics(series)
        self.signatures = SignatureMetrics(series)
        self.maintenance = MaintenanceMetrics(series)
        self.locks = LockMetrics(series)
        self.clients = ClientMetrics(series, wanted=clients)
        self.requests = RequestMetrics(series)
        self.tokens = TokenMetrics(series)
        self.host = HostMetrics(series)
        self.notifications = NotificationMetrics(series)
        self.wrong_tokens = WrongTokens()
        self.registry.register(self.wrong_tokens)

    def adopt(self, serial: str) -> None:
        """Show all series of a new TSE as 0: a counter that begins with 1 would hide the first event."""
        for subject in (self.tses, self.signatures, self.maintenance, self.locks, self.requests):
            subject.adopt(serial)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return body and content type for a scrape; `accept` as the scraper sent it decides on the format."""
        return self.collected().encoded(accept)

    def collected(self) -> Scrape:
        """Return what a scrape shows, as of now."""
        return Scrape(self.registry, self._site)
