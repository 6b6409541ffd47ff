"""Prometheus gauges of the pool, made when somebody scrapes."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.fleet.pool import Pool


class PoolCollector(Collector):
    """Collects which TSE of the pool serves."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield all families, also while there is no pool."""
        serves = GaugeMetricFamily(
            "tse_pool_serving", "1 for the TSE of the pool that serves, 0 for the others", labels=["serial", "role"]
        )
        missing = GaugeMetricFamily(
            "tse_pool_missing_clients",
            "Clients of the primary that a standby lacks, at least so many",
            labels=["serial"],
        )
        for member in self._pool.members:
            serves.add_metric([member.serial, member.role], member.serves)
            missing.add_metric([member.serial], member.missing_clients)
        yield from (serves, missing)
