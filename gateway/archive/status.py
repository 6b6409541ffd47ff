"""What is told of an archive, by the API and in metrics."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from gateway.archive.check import changed_finding
from gateway.archive.directory import State, Trouble
from gateway.archive.index import Index, Segment
from gateway.archive.manifest import Finding, FindingPlace, Manifest, Model, Verdict
from gateway.archive.run import Outcome, Work

_MOST_PLACES = 100


class Progress(Model):
    """Of the run that is under way."""

    began: datetime
    done_bytes: int
    total_bytes: int


class ArchiveSummary(Model):
    """One archive in short."""

    serial: str
    attached: bool = Field(description="the TSE is plugged in")
    running: Progress | None
    first_seen: datetime | None
    last_success: datetime | None = Field(description="when it last held everything that the TSE had signed, verified")
    last_attempt: datetime | None
    last_seconds: float | None = Field(description="how long that took")
    last_error: Trouble | None = Field(description="why that failed; null if it did not")
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

    findings: list[Finding] = Field(description="of all segments; notes are left out, they stand in the manifests")
    segments: list[Manifest]


class ArchiveList(Model):
    """By serial; also of TSEs that are gone."""

    archives: list[ArchiveSummary]


class ArchiveRun(Model):
    """What a run did."""

    serial: str
    began: datetime
    seconds: float
    verdict: Verdict
    findings: list[Finding]
    added: list[str] = Field(description="new segments; none if nothing was signed since")
    messages: int = Field(description="in the new segments")
    bytes: int
    complete_up_to_counter: int | None


def overall(index: Index, changed: dict[str, str]) -> Literal["none", "ok", "warning", "error"]:
    """The verdict on an archive."""
    if changed:
        return "error"
    if not index.segments:
        return "none"
    return index.verdict.value


def summary_of(serial: str, index: Index, state: State | None, work: Work | None, *, attached: bool) -> ArchiveSummary:
    """In short."""
    return ArchiveSummary(
        serial=serial,
        attached=attached,
        running=None if work is None else progress_of(work),
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


def status_of(summary: ArchiveSummary, index: Index, state: State | None, manifests: list[Manifest]) -> ArchiveStatus:
    """Everything."""
    changed = {} if state is None else state.changed
    return ArchiveStatus(
        **dict(summary),
        findings=changed_finding(changed.items()) + _merged(index.segments),
        segments=manifests,
    )


def progress_of(work: Work) -> Progress:
    """Now."""
    return Progress(began=work.began, done_bytes=work.done_bytes, total_bytes=work.total_bytes)


def run_of(serial: str, work: Work, seconds: float, outcome: Outcome) -> ArchiveRun:
    """A run that came to its end."""
    return ArchiveRun(
        serial=serial,
        began=work.began,
        seconds=round(seconds, 3),
        verdict=outcome.verdict,
        findings=outcome.findings,
        added=[manifest.file for manifest in outcome.added],
        messages=sum(manifest.messages for manifest in outcome.added),
        bytes=sum(manifest.size for manifest in outcome.added),
        complete_up_to_counter=outcome.index.last_counter,
    )


def _merged(segments: Iterable[Segment]) -> list[Finding]:
    """Findings of many segments, one for each code; their places name the segment, too."""
    found: dict[str, Finding] = {}
    for segment in segments:
        for finding in segment.findings:
            known = found.get(finding.code)
            places = [FindingPlace(place=f"{segment.file}: {it.place}", detail=it.detail) for it in finding.places]
            if known is not None:
                places = [*known.places, *places][:_MOST_PLACES]
            count = finding.count + (0 if known is None else known.count)
            found[finding.code] = finding.model_copy(update={"count": count, "places": places})
    return list(found.values())
