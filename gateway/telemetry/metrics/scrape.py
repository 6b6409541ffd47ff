"""What one scrape shows, in the format that the scraper asks for."""

from collections.abc import Iterator
from itertools import chain

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

_OPEN_METRICS = "application/openmetrics-text"


class SeriesRegistry(CollectorRegistry):
    """Knows which series may be read in any thread, and which tell of what the event loop owns."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[Collector] = []
        self.told: list[Collector] = []

    def register(self, collector: Collector) -> None:
        """As ever."""
        super().register(collector)
        of_library = isinstance(collector, Counter | Gauge | Histogram)
        (self.counted if of_library else self.told).append(collector)


class Scrape(CollectorRegistry):
    """What is told, as of its making, and what is counted; with a label more if there is a site."""

    def __init__(self, registry: SeriesRegistry, site: str) -> None:
        super().__init__()
        self._told = [family for collector in registry.told for family in collector.collect()]
        self._counted = registry.counted
        self._site = site

    def encoded(self, accept: str) -> tuple[bytes, str]:
        """Body and content type. With many TSEs this takes a tenth of a second: not for the event loop."""
        if _OPEN_METRICS in accept:  # whose histograms carry request ids
            body: bytes = openmetrics.generate_latest(self)  # type: ignore[no-untyped-call]
            return body, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        """For the encoders."""
        counted = (family for collector in self._counted for family in collector.collect())
        for family in chain(self._told, counted):
            yield self._at_site(family) if self._site else family

    def _at_site(self, family: Metric) -> Metric:
        shown = Metric(family.name, family.documentation, family.type, family.unit)
        shown.samples = [sample._replace(labels={**sample.labels, "site": self._site}) for sample in family.samples]
        return shown
