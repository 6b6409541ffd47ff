"""Which metrics does an expression ask for, and which are there?"""

import re
from pathlib import Path

from prometheus_client.metrics_core import Metric

from gateway.access.lan_token import Token
from gateway.access.tokens import Tokens
from gateway.archive.collector import ArchiveCollector
from gateway.archive.run import ArchiveOptions
from gateway.archive.service import ArchiveService
from gateway.config.settings import Settings
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.pool import Pool
from gateway.fleet.registry import Registry
from gateway.fleet.status.collector import FleetCollector
from gateway.fleet.status.pool_collector import PoolCollector
from gateway.server.monitoring import exposition
from gateway.telemetry.metrics import Metrics

_STRING = re.compile(r'"[^"]*"')
_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|on|without|ignoring)\s*\([^)]*\)")
_NAME = re.compile(r"\b[a-z_]+:[a-z0-9_:]+\b|\b(?:tse|process)_[a-z0-9_]+\b|\bup\b|\bALERTS\b")


def metrics_in(expr: str) -> set[str]:
    """Names of metrics in a PromQL expression; label names are none."""
    return set(_NAME.findall(_LABELS.sub("", _STRING.sub('""', expr))))


def families(directory: Path) -> list[Metric]:
    """What a gateway exports, those families included that have no sample yet."""
    metrics = Metrics()
    exposition.register(metrics.registry, Settings(state_dir=directory), Tokens(Token("0815471142")))
    registry, outages = Registry(metrics), OutageLog(directory)
    metrics.registry.register(FleetCollector(registry, outages))
    metrics.registry.register(PoolCollector(Pool((), registry, outages)))
    archives = ArchiveService(registry, metrics, directory / "archive", ArchiveOptions())
    metrics.registry.register(ArchiveCollector(archives, outages))
    return list(metrics.registry.collect())


def scraped_names(directory: Path) -> set[str]:
    """Names of the samples of a scrape."""
    return {family.name + ending for family in families(directory) for ending in _ENDINGS.get(family.type, ("",))}


_ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
