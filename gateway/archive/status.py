"""Archives as the API and the metrics show them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import takewhile
from typing import Literal

from pydantic import Field

from gateway.archive.check import changed_finding
from gateway.archive.directory import ArchiveStamp, ArchiveState, RunFailure
from gateway.archive.index import Index, Segment
from gateway.archive.manifest import ArchiveFinding, ArchiveModel, ArchiveVerdict, Manifest
from gateway.archive.run import RunOutcome, RunProgress
from gateway.archive.targets.upload import UploadState
from gateway.i18n.text import Text

_MOST_PLACES = 100


class ArchiveProgress(ArchiveModel, json_schema_extra={"description": "The run that is under way."}):
    """How far the run is that is under way."""

    began: datetime = Field(description="When it began.", examples=["2026-09-22T02:10:00Z"])
    done_bytes: int = Field(description="Bytes copied so far.", examples=[4608])
    total_bytes: int = Field(description="Bytes to copy.", examples=[9728])


class ArchiveTargetStatus(
    ArchiveModel, json_schema_extra={"description": "How far an archive is at a place beyond the gateway's machine."}
):
    """How far one archive is at one target."""

    name: str = Field(description="Name of the target in the settings.", examples=["backup"])
    complete: bool = Field(description="Every segment is there, and was read back.", examples=[True])
    pending_segments: int = Field(description="Segments that are not there yet.", examples=[0])
    pending_since: datetime | None = Field(
        description="When the oldest of them was archived; null: there are none.", examples=[None]
    )
    last_success: datetime | None = Field(
        description="When everything was there last.", examples=["2026-09-22T02:11:00Z"]
    )
    last_error: RunFailure | None = Field(
        description="Why the last upload failed; null if it did not.", examples=[None]
    )
    verified: datetime | None = Field(
        description="When everything, or since then a sample, was read back last.", examples=["2026-09-22T02:11:00Z"]
    )
    differing: list[str] = Field(description="Files that are not there as they were written.", examples=[[]])


class ArchiveSummary(
    ArchiveModel, json_schema_extra={"description": "How far an archive goes, and how its last run ended."}
):
    """One archive in short."""

    serial: str = Field(
        description="Serial of the TSE: 64 hex digits.",
        examples=["E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF"],
    )
    attached: bool = Field(description="The TSE is plugged in.", examples=[True])
    running: ArchiveProgress | None = Field(description="The run that is under way; null: none.", examples=[None])
    first_seen: datetime | None = Field(
        description="When the gateway first saw the TSE.", examples=["2026-09-21T14:10:02Z"]
    )
    last_success: datetime | None = Field(
        description="When the archive last held everything that the TSE had signed, verified.",
        examples=["2026-09-22T02:10:00Z"],
    )
    last_attempt: datetime | None = Field(description="When the last run began.", examples=["2026-09-22T02:10:00Z"])
    last_seconds: float | None = Field(description="How long that took.", examples=[0.024])
    last_error: RunFailure | None = Field(description="Why that failed; null if it did not.", examples=[None])
    verdict: Literal["none", "ok", "warning", "error"] = Field(
        description="On all segments, and on their files when they were last looked at; none: nothing is archived yet.",
        examples=["ok"],
    )
    verify_failures: int = Field(description="Runs that found an error.", examples=[0])
    complete_up_to_counter: int | None = Field(
        description="Signature counter of the last archived log message.", examples=[12]
    )
    complete_up_to_time: datetime | None = Field(
        description="Log time of the last archived log message.", examples=["2026-09-21T14:13:20Z"]
    )
    messages: int = Field(description="Archived log messages.", examples=[12])
    bytes: int = Field(description="Size of all segments.", examples=[23552])
    series: int = Field(description="Number of the newest series; its store is what the TSE holds now.", examples=[1])
    segment_count: int = Field(description="Number of segments.", examples=[2])
    stamp: ArchiveStamp | None = Field(description="The newest time stamp; null: none was ever asked for.")
    unstamped_since: datetime | None = Field(
        description="When the oldest manifest was written that no time stamp covers; null: all are covered, or no "
        "authority is asked.",
        examples=[None],
    )
    targets: list[ArchiveTargetStatus] = Field(description="Copies beyond this machine, as the settings name them.")


class ArchiveStatus(ArchiveSummary, json_schema_extra={"description": "All that is known of an archive."}):
    """Everything known of an archive."""

    findings: list[ArchiveFinding] = Field(
        description="What the verification found in all segments; notes are left out, they stand in the manifests.",
        examples=[[]],
    )
    segments: list[Manifest] = Field(description="The manifests of all segments, the oldest first.")


class ArchiveList(
    ArchiveModel, json_schema_extra={"description": "All archives by serial, those of TSEs that are gone as well."}
):
    """All archives by serial, those of TSEs that are gone included."""

    archives: list[ArchiveSummary]


class ArchiveRun(
    ArchiveModel, json_schema_extra={"description": "What a run added to an archive, and what its verification found."}
):
    """The outcome of a run."""

    serial: str = Field(
        description="Serial of the TSE: 64 hex digits.",
        examples=["E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF"],
    )
    began: datetime = Field(description="When it began.", examples=["2026-09-22T02:10:00Z"])
    seconds: float = Field(description="How long it took.", examples=[0.024])
    verdict: ArchiveVerdict = Field(description="On the new segments.", examples=["ok"])
    findings: list[ArchiveFinding] = Field(description="What the verification found in them.", examples=[[]])
    added: list[str] = Field(
        description="New segments; none if nothing was signed since.", examples=[["0001-000002.tar"]]
    )
    messages: int = Field(description="Log messages in the new segments.", examples=[4])
    bytes: int = Field(description="Size of the new segments.", examples=[9728])
    complete_up_to_counter: int | None = Field(
        description="Signature counter of the last archived log message.", examples=[12]
    )


def overall(index: Index, changed: Mapping[str, Text]) -> Literal["none", "ok", "warning", "error"]:
    """Return the verdict on an archive."""
    if changed:
        return "error"
    if not index.segments:
        return "none"
    return index.verdict.value


def summary_of(
    serial: str,
    index: Index,
    state: ArchiveState | None,
    progress: RunProgress | None,
    *,
    attached: bool,
    targets: list[ArchiveTargetStatus],
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
        stamp=None if state is None else state.stamp,
        unstamped_since=None if state is None or state.stamp is None else _unstamped_since(index, state.stamp),
        targets=targets,
    )


def _unstamped_since(index: Index, stamp: ArchiveStamp) -> datetime | None:
    later = list(takewhile(lambda segment: segment.file > stamp.file, reversed(index.segments)))
    return later[-1].archived if later else None


def target_status_of(name: str, state: UploadState, index: Index) -> ArchiveTargetStatus:
    """Return how far an archive is at the target with this name."""
    pending = state.pending(index)
    return ArchiveTargetStatus(
        name=name,
        complete=not pending and not state.differs,
        pending_segments=len(pending),
        pending_since=pending[0].archived if pending else None,
        last_success=state.last_success,
        last_error=state.last_error,
        verified=state.verified,
        differing=sorted(state.differs),
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
            places = [it.model_copy(update={"place": f"{segment.file}: {it.place}"}) for it in finding.places]
            if known is not None:
                places = [*known.places, *places][:_MOST_PLACES]
            count = finding.count + (0 if known is None else known.count)
            found[finding.code] = finding.model_copy(update={"count": count, "places": places})
    return list(found.values())


def _shown(progress: RunProgress) -> ArchiveProgress:
    return ArchiveProgress(began=progress.began, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)
