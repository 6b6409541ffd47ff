"""Gauges of the archives, made at each scrape from what is known since the last run."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.archive.service import ArchiveService
from gateway.archive.status import ArchiveSummary, ArchiveTargetStatus
from gateway.fleet.outages.log import OutageLog

_SERIAL = ["serial"]
_OF_ARCHIVE: tuple[tuple[str, str, Callable[[ArchiveSummary], float]], ...] = (
    (
        "last_success_timestamp_seconds",
        "When the archive last held everything that the TSE had signed; 0: never",
        lambda archive: _seconds(archive.last_success),
    ),
    (
        "last_attempt_timestamp_seconds",
        "When that was last tried; 0: never",
        lambda archive: _seconds(archive.last_attempt),
    ),
    ("duration_seconds", "How long the last run took", lambda archive: archive.last_seconds or 0.0),
    ("bytes", "Size of all segments of the archive", lambda archive: archive.bytes),
    ("segments", "Segments of the archive", lambda archive: archive.segment_count),
    ("messages", "Log messages in the archive", lambda archive: archive.messages),
    (
        "last_signature",
        "Number of the last signature in the archive",
        lambda archive: archive.complete_up_to_counter or 0,
    ),
    (
        "verified",
        "1 unless the verifier found an error in the archive, or a file of it is missing or changed",
        lambda archive: archive.verdict != "error",
    ),
)
_OF_TARGET: tuple[tuple[str, str, Callable[[ArchiveTargetStatus, float], float]], ...] = (
    (
        "lag_seconds",
        "How long the oldest segment has waited that is not at the target; 0: all of the archive is there",
        lambda target, now: max(0.0, now - _seconds(target.pending_since)) if target.pending_since else 0.0,
    ),
    ("pending_segments", "Segments that are not at the target yet", lambda target, _: target.pending_segments),
    (
        "last_success_timestamp_seconds",
        "When the last upload to the target went well; 0: never",
        lambda target, _: _seconds(target.last_success),
    ),
    (
        "verified_timestamp_seconds",
        "When all of the archive at the target, or a sample, was read back last; 0: never",
        lambda target, _: _seconds(target.verified),
    ),
    (
        "intact",
        "1 unless a file at the target was missing or changed when it was read back",
        lambda target, _: not target.differing,
    ),
)


class ArchiveCollector(Collector):
    """One series for each TSE that is missed when it is not there, archived or not."""

    def __init__(self, archives: ArchiveService, outages: OutageLog, *, now: Callable[[], float] = time.time) -> None:
        self._archives = archives
        self._outages = outages
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield all families, also those without an archive yet; no file is read."""
        summary = self._archives.summary
        archives = [summary(known) for known in self._archives.all() if known.serial in self._outages.known]
        for name, text, of_archive in _OF_ARCHIVE:
            family = GaugeMetricFamily(f"tse_gateway_archive_{name}", text, labels=_SERIAL)
            for archive in archives:
                family.add_metric([archive.serial], of_archive(archive))
            yield family
        yield self._age(archives)
        yield from self._targets(archives)
        yield self._unstamped(archives)
        failures = CounterMetricFamily(
            "tse_gateway_archive_verify_failures", "Runs that found an error in the archive", labels=_SERIAL
        )
        for archive in archives:
            failures.add_metric([archive.serial], archive.verify_failures)
        yield failures

    def _age(self, archives: list[ArchiveSummary]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "tse_gateway_archive_age_seconds",
            "Time since the archive held everything that the TSE had signed, or since the TSE was first seen",
            labels=_SERIAL,
        )
        for archive in archives:
            since = archive.last_success or archive.first_seen
            if since is not None:
                family.add_metric([archive.serial], max(0.0, self._now() - since.timestamp()))
        return family

    def _unstamped(self, archives: list[ArchiveSummary]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "tse_gateway_archive_unstamped_seconds",
            "How long the oldest manifest has waited that no time stamp covers; 0: all are covered",
            labels=_SERIAL,
        )
        for archive in archives:
            if archive.stamp is not None:
                since = archive.unstamped_since
                family.add_metric([archive.serial], max(0.0, self._now() - since.timestamp()) if since else 0.0)
        return family

    def _targets(self, archives: list[ArchiveSummary]) -> Iterator[Metric]:
        for name, text, of_target in _OF_TARGET:
            family = GaugeMetricFamily(f"tse_gateway_archive_target_{name}", text, labels=[*_SERIAL, "target"])
            for archive in archives:
                for target in archive.targets:
                    family.add_metric([archive.serial, target.name], of_target(target, self._now()))
            yield family


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
