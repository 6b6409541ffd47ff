"""The segments of an archive in memory: little of each, for there are thousands after some years."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from gateway.archive.manifest import ArchiveFinding, ArchiveVerdict, Manifest, digest, name_of, worst_of
from gateway.i18n.text import Text


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment that counts; `end_block` is where the next one begins in the store. `findings` without notes."""

    series: int
    number: int
    size: int
    sha256: str
    leading_bytes: int
    first_block: int
    end_block: int
    messages: int
    archived: datetime
    last_counter: int | None
    last_time: datetime | None
    verdict: ArchiveVerdict
    findings: tuple[ArchiveFinding, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> "Segment":
        return cls(
            series=manifest.series,
            number=manifest.number,
            size=manifest.size,
            sha256=manifest.sha256,
            leading_bytes=manifest.leading_bytes,
            first_block=manifest.first_block,
            end_block=manifest.mark.used,
            messages=manifest.messages,
            archived=manifest.archived,
            last_counter=manifest.last_counter,
            last_time=manifest.last_time,
            verdict=manifest.verdict,
            findings=tuple(found for found in manifest.findings if found.severity != "note"),
        )

    @property
    def file(self) -> str:
        return name_of(self.series, self.number)


@dataclass(frozen=True)
class Index:
    """The segments in their order; `broken` are the manifests that break the chain, by name and reason.

    `last` is the newest manifest and `newest` its hash; `highest` the last number that a file of each series has.
    """

    segments: tuple[Segment, ...] = ()
    last: Manifest | None = None
    newest: str | None = None
    highest: Mapping[int, int] = field(default_factory=dict)
    broken: tuple[tuple[str, Text], ...] = ()

    def plus(self, manifest: Manifest) -> "Index":
        """Return the index with one more segment."""
        return Index(
            segments=(*self.segments, Segment.of(manifest)),
            last=manifest,
            newest=digest(manifest.encode()),
            highest={**self.highest, manifest.series: manifest.number},
            broken=self.broken,
        )

    @cached_property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    @cached_property
    def messages(self) -> int:
        """Log messages in all segments."""
        return sum(segment.messages for segment in self.segments)

    @cached_property
    def verdict(self) -> ArchiveVerdict:
        """The worst verdict on any segment."""
        return worst_of(segment.verdict for segment in self.segments)

    @property
    def last_time(self) -> datetime | None:
        """Log time of the last message in the newest segment that has any."""
        return next((found.last_time for found in reversed(self.segments) if found.last_time is not None), None)

    @property
    def last_counter(self) -> int | None:
        """The signature counter up to which everything is there."""
        return next((found.last_counter for found in reversed(self.segments) if found.last_counter is not None), None)

    def of_series(self, series: int) -> list[Segment]:
        return [found for found in self.segments if found.series == series]

    def segment(self, name: str) -> Segment | None:
        """Return the segment with this file or manifest, `None` if there is none."""
        return next((found for found in self.segments if found.file.partition(".")[0] == name.partition(".")[0]), None)

    def next_number(self, series: int) -> int:
        """Return the number of the next segment: none that any file has, whatever became of its manifest."""
        return self.highest.get(series, 0) + 1
