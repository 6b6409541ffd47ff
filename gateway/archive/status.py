"""Archives as the API and the metrics show them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from gateway.archive.check import changed_finding
from gateway.archive.directory import ArchiveState, RunFailure
from gateway.archive.index import Index, Segment
from gateway.archive.manifest import ArchiveFinding, ArchiveModel, ArchiveVerdict, FindingPlace, Manifest
from gateway.archive.run import RunOutcome, RunProgress

_MOST_PLACES = 100


class ArchiveProgress(ArchiveModel):
    """How far the run is that is under way."""

    began: datetime
    done_bytes: int
    total_bytes: int


class ArchiveSummary(ArchiveModel):
    """One archive in short."""

    serial: str
    attached: bool = Field(description="the TSE is plugged in")
    running: ArchiveProgress | None
    first_seen: datetime | None
    last_success: datetime | None = Field(description="when it last held everything that the TSE had signed, verified")
    last_attempt: datetime | None
    last_seconds: float | None = Field(description="how long that took")
    last_error: RunFailure | None = Field(description="why that failed; null if it did not")
    verdict: Literal["none", "ok", "warning", "error"] = Field(
        description="on all segments, and on their files when they were last looked at; none: nothing is archived yet"
    )
    verify_failures: int = Field(description="runs that found an error")
    complete_up_to_counter: int | None
    complete_up_to_time: datetime | None
    messages: int
    bytes: int
    series: int = Field(description="the newest one; its store is what the TSE holds now")
    segment_count: int


class ArchiveStatus(ArchiveSummary):
    """Everything known of an archive."""

    findings: list[ArchiveFinding] = Field(
        description="of all segments; notes are left out, they stand in the manifests"
    )
    segments: list[Manifest]


class ArchiveList(ArchiveModel):
    """All archives by serial, those of TSEs that are gone included."""

    archives: list[ArchiveSummary]


class ArchiveRun(ArchiveModel):
    """The outcome of a run."""

    serial: str
    began: datetime
    seconds: float
    verdict: ArchiveVerdict
    findings: list[ArchiveFinding]
    added: list[str] = Field(description="new segments; none if nothing was signed since")
    messages: int = Field(description="in the new segments")
    bytes: int
    complete_up_to_counter: int | None


def overall(index: Index, changed: dict[str, str]) -> Literal["none", "ok", "warning", "error"]:
    """Return the verdict on an archive."""
    if changed:
        return "error"
    if not index.segments:
        return "none"
    return index.verdict.value


def summary_of(
    serial: str, index: Index, state: ArchiveState | None, progress: RunProgress | None, *, attached: bool
) -> ArchiveSummary:
    """Return an archive in short."""
    return ArchiveSummary(
        serial=serial,
        attached=attached,
        running=None if progress is None else _shown(progress),
        first_seen=None if state is None else state.first_seen,
        last_success=None if state is None else state.last_success,
        last_attempt=None if state is None else state.last_attempt,
        last_seconds=None if state is None else state.last_seconds,
        last_error=None if state is None else state.last_error,
        verdict=overall(index, {} if state is None else state.changed),
        verify_failures=0 if state is None else state.verify_failures,
        complete_up_to_counter=index.last_counter,
        complete_up_to_time=index.last_time,
        messages=index.messages,
        bytes=index.size,
        series=0 if index.last is None else index.last.series,
        segment_count=len(index.segments),
    )


def status_of(
    summary: ArchiveSummary, index: Index, state: ArchiveState | None, manifests: list[Manifest]
) -> ArchiveStatus:
    """Return everything known of an archive."""
    changed = {} if state is None else state.changed
    return ArchiveStatus(
        **dict(summary),
        findings=changed_finding(changed.items()) + _merged(index.segments),
        segments=manifests,
    )


def run_of(serial: str, progress: RunProgress, seconds: float, outcome: RunOutcome) -> ArchiveRun:
    """Return a run that came to its end."""
    return ArchiveRun(
        serial=serial,
        began=progress.began,
        seconds=round(seconds, 3),
        verdict=outcome.verdict,
        findings=outcome.findings,
        added=[manifest.file for manifest in outcome.added],
        messages=sum(manifest.messages for manifest in outcome.added),
        bytes=sum(manifest.size for manifest in outcome.added),
        complete_up_to_counter=outcome.index.last_counter,
    )


def _merged(segments: Iterable[Segment]) -> list[ArchiveFinding]:
    """Return the findings of many segments, one for each code; their places name the segment, too."""
    found: dict[str, ArchiveFinding] = {}
    for segment in segments:
        for finding in segment.findings:
            known = found.get(finding.code)
            places = [FindingPlace(place=f"{segment.file}: {it.place}", detail=it.detail) for it in finding.places]
            if known is not None:
                places = [*known.places, *places][:_MOST_PLACES]
            count = finding.count + (0 if known is None else known.count)
            found[finding.code] = finding.model_copy(update={"count": count, "places": places})
    return list(found.values())


def _shown(progress: RunProgress) -> ArchiveProgress:
    return ArchiveProgress(began=progress.began, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)
