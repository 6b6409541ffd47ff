"""Writes the dashboards, the table of METRICS.md, and the chart's copies; the result is committed."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from compose.monitoring.source import events
from compose.monitoring.source.fleet import fleet
from compose.monitoring.source.page import PAGE, with_table
from compose.monitoring.source.site import site
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

MONITORING = Path(__file__).parent.parent
CHART = MONITORING.parent.parent / "helm" / "tse-gateway" / "files"


def dashboards() -> dict[str, str]:
    """File name to JSON text."""
    boards = {"tse-site.json": site(), "tse-fleet.json": fleet()}
    return {name: JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n" for name, made in boards.items()}


def page() -> str:
    """METRICS.md as it is, with the table as it should be."""
    metrics = Metrics()
    with TemporaryDirectory() as directory:
        settings = Settings(state_dir=Path(directory))
        exposition.register(metrics.registry, settings, Tokens(Token("")))
        registry, outages = Registry(metrics), OutageLog(settings.state_dir)
        metrics.registry.register(FleetCollector(registry, outages))
        metrics.registry.register(PoolCollector(Pool((), registry, outages)))
        archives = ArchiveService(registry, metrics, settings.state_dir / "archive", ArchiveOptions())
        metrics.registry.register(ArchiveCollector(archives, outages))
        return with_table(PAGE.read_text(encoding="utf-8"), metrics.registry.collect())


if __name__ == "__main__":
    (CHART / "dashboards").mkdir(parents=True, exist_ok=True)
    for file, text in dashboards().items():
        for folder in (MONITORING, CHART):
            (folder / "dashboards" / file).write_text(text, encoding="utf-8")
    shutil.copyfile(MONITORING / "rules.yaml", CHART / "rules.yaml")
    PAGE.write_text(page(), encoding="utf-8")
    events.PAGE.write_text(events.with_table(events.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
