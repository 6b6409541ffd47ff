"""The content of one scrape, in the format that the scraper asks for."""

from collections.abc import Iterator
from itertools import chain

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

_OPEN_METRICS = "application/openmetrics-text"


class SeriesRegistry(CollectorRegistry):
    """A registry in two parts: series that any thread may read, and collectors that read what the event loop owns."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[Collector] = []
        self.told: list[Collector] = []

    def register(self, collector: Collector) -> None:
        """Register, and sort into one of the two parts."""
        super().register(collector)
        of_library = isinstance(collector, Counter | Gauge | Histogram)
        (self.counted if of_library else self.told).append(collector)


class Scrape(CollectorRegistry):
    """The collectors' values as of its making, and the series; with one more label if there is a site."""

    def __init__(self, registry: SeriesRegistry, site: str) -> None:
        super().__init__()
        self._told = [family for collector in registry.told for family in collector.collect()]
        self._counted = registry.counted
        self._site = site

    def encoded(self, accept: str) -> tuple[bytes, str]:
        """Return body and content type; with many TSEs this takes a tenth of a second, so not in the event loop."""
        if _OPEN_METRICS in accept:  # whose histograms carry request ids
            body: bytes = openmetrics.generate_latest(self)  # type: ignore[no-untyped-call]
            return body, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        """Yield the families for the encoders."""
        counted = (family for collector in self._counted for family in collector.collect())
        for family in chain(self._told, counted):
            yield self._at_site(family) if self._site else family

    def _at_site(self, family: Metric) -> Metric:
        shown = Metric(family.name, family.documentation, family.type, family.unit)
        shown.samples = [sample._replace(labels={**sample.labels, "site": self._site}) for sample in family.samples]
        return shown
