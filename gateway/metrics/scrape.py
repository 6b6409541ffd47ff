"""What one scrape shows, in the format that the scraper asks for."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

_OPEN_METRICS = "application/openmetrics-text"


class Scrape(CollectorRegistry):
    """Series that change no more; with a label more if there is a site."""

    def __init__(self, registry: CollectorRegistry, site: str) -> None:
        super().__init__()
        self._families = list(registry.collect())
        self._site = site

    def encoded(self, accept: str) -> tuple[bytes, str]:
        """Body and content type. With many TSEs this takes a tenth of a second: not for the event loop."""
        if _OPEN_METRICS in accept:  # whose histograms carry request ids
            body: bytes = openmetrics.generate_latest(self)  # type: ignore[no-untyped-call]
            return body, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        """For the encoders."""
        for family in self._families:
            yield self._at_site(family) if self._site else family

    def _at_site(self, family: Metric) -> Metric:
        shown = Metric(family.name, family.documentation, family.type, family.unit)
        shown.samples = [sample._replace(labels={**sample.labels, "site": self._site}) for sample in family.samples]
        return shown
