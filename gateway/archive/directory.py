"""The directory of one TSE's archive. Everything here blocks.

0001-000001.tar    a segment, never changed
0001-000001.json   its manifest, written last: only with it the segment counts
0001-000001.tsr    a time stamp on the manifest, if an authority is asked for some
state.json         when the archive was last complete, what went wrong, what is to be checked next
.draft.tar         being written

After a crash a segment may lie there without a manifest. It is left alone; its number is not used again, and what
it holds comes once more with the next one.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import Field

from gateway.archive.errors import (
    NEWEST_GONE,
    NO_MANIFEST,
    OTHER_BEFORE,
    UNREADABLE,
    ArchiveNotWritten,
    unwritable,
)
from gateway.archive.index import Index, Segment
from gateway.archive.manifest import ArchiveModel, KeptText, Manifest, digest, is_name
from gateway.errors import ConfigurationError
from gateway.i18n.text import NOTHING, Text, reason_of, text_of
from gateway.storage import strict_json
from gateway.storage.atomic import make_directory, read_private, sync_directory, write_private
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_STATE, _UNFINISHED, _LEFT = "state.json", ".draft.tar", ".[0-9]*.json.new"
_SERIAL_DIGITS = 64


class RunFailure(
    ArchiveModel, json_schema_extra={"description": "Why the last run ended before its time, or what it found."}
):
    """Why the last run ended early, or what it found."""

    code: str = Field(description="Stable name of the reason, for programs.", examples=["archive_not_written"])
    detail: str = Field(
        description="The reason, for people.",
        examples=["/var/lib/tse-gateway/archive cannot be written: No space left on device"],
    )
    detail_de: str = Field(
        "", description="The same in German.", examples=["/var/lib/tse-gateway/archive lässt sich nicht schreiben"]
    )

    @classmethod
    def of(cls, error: Exception, code: str) -> Self:
        """Return what ended a run."""
        return cls.told(code, text_of(error))

    @classmethod
    def told(cls, code: str, detail: Text) -> Self:
        """Return the reason in both languages."""
        return cls(code=code, detail=detail.in_language("en"), detail_de=detail.in_language("de"))


class ArchiveStamp(
    ArchiveModel,
    json_schema_extra={"description": "The newest time stamp (RFC 3161) on a manifest; it covers all before."},
):
    """The newest time stamp on a manifest, and why a newer one is not there."""

    file: str = Field(
        "", description="The segment whose manifest is stamped; empty: none is.", examples=["0001-000002.tar"]
    )
    stamped: datetime | None = Field(
        None, description="The time that the authority states.", examples=["2026-09-22T02:10:01Z"]
    )
    error: RunFailure | None = Field(None, description="Why the newest manifest has no stamp.", examples=[None])


class ArchiveState(ArchiveModel):
    """What changes from run to run; what proves something stands in the manifests."""

    first_seen: datetime
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    last_seconds: float | None = None
    last_error: RunFailure | None = None
    verify_failures: int = 0
    next_check: int = Field(0, description="which segment is to be hashed next")
    changed: dict[str, KeptText] = Field({}, description="files that are not as they were written, and how")
    newest: str | None = Field(None, description="SHA-256 of the newest manifest")
    stamp: ArchiveStamp | None = None

    @property
    def complete_since(self) -> datetime:
        """When the archive was last complete; if it never was, when the TSE was first seen."""
        return self.last_success or self.first_seen


class NewSegment:
    """A segment while it is written, of `size` bytes so far; `room` is asked before more of them and may refuse."""

    def __init__(self, path: Path, room: Callable[[int], None]) -> None:
        self.path = path
        self.size = 0
        self._room = room
        self._hash = hashlib.sha256()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append all of `data`.

        Raises:
            ArchiveNotWritten: there is no room.
        """
        self._room(len(data))
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise unwritable(self.path, error) from None
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """Bring everything to the disk; return the SHA-256 in hex."""
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise unwritable(self.path, error) from None
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file; harmless if it is closed."""
        self._file.close()


class ArchiveDirectory:
    """The files of one TSE, in the directory below `root` that is named by its serial."""

    def __init__(self, root: Path, serial: str) -> None:
        self.serial = serial
        self.path = root / serial

    def file(self, name: str) -> Path:
        """Return the path of a segment or manifest."""
        return self.path / name

    # ---- state ---------------------------------------------------------------

    def load_state(self) -> ArchiveState | None:
        """Return the state; `None` if the TSE was never seen, or the file is damaged."""
        try:
            found = read_private(self.path / _STATE)
            return None if found is None else ArchiveState.model_validate(strict_json.parse(found))
        except ConfigurationError as error:
            why = str(error)
        except ValueError:
            why = f"{self.path / _STATE} is damaged"
        told = event(Event.FILE_DAMAGED, self.serial)
        log.warning("%s: a new one is begun, the segments of the archive are as they were", why, extra=told)
        return None

    def save_state(self, state: ArchiveState) -> None:
        """Write the state if that is possible; an archive goes on without."""
        try:
            write_private(self.path / _STATE, state.model_dump_json(indent=1).encode() + b"\n")
        except ConfigurationError as error:
            log.warning("not remembered over a restart: %s", error, extra=event(Event.DISK_TROUBLE, self.serial))

    # ---- manifests -------------------------------------------------------------

    def index(self, newest: str | None = None) -> Index:
        """Return all segments, and which manifests are missing or changed.

        `newest` is the SHA-256 of a manifest that must be there.
        """
        names = sorted(path.name for path in self._listed() if is_name(path.name))
        segments: list[Segment] = []
        broken: list[tuple[str, Text]] = []
        last, previous, known = None, None, set[str]()
        for name in (name for name in names if name.endswith(".json")):
            manifest, content_digest, fault = self._manifest(name)
            if manifest is not None:
                fault = NOTHING if manifest.previous == previous else OTHER_BEFORE
                segments.append(Segment.of(manifest))
                last = manifest
            if fault:
                broken.append((name, fault))
            previous = content_digest
            known.add(content_digest)
        if newest is not None and newest not in known:
            broken.append((_STATE, NEWEST_GONE.filled(sha256=newest)))
        highest = {int(name[:4]): int(name[5:11]) for name in names}  # they are sorted
        return Index(tuple(segments), last, previous, highest, tuple(broken))

    def manifests(self) -> list[Manifest]:
        """Return all manifests that can be read, in their order."""
        names = sorted(path.name for path in self._listed() if is_name(path.name) and path.suffix == ".json")
        return [manifest for manifest, _, _ in map(self._manifest, names) if manifest is not None]

    def _listed(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return list(self.path.iterdir())
        return []

    def _manifest(self, name: str) -> tuple[Manifest | None, str, Text]:
        try:
            content = self.file(name).read_bytes()
        except OSError as error:
            return None, "", UNREADABLE.filled(reason=reason_of(error))
        try:
            manifest = Manifest.model_validate(strict_json.parse(content))
        except ValueError:
            return None, digest(content), NO_MANIFEST
        if manifest.serial != self.serial or manifest.file != name.replace(".json", ".tar"):
            return None, digest(content), NO_MANIFEST
        return manifest, digest(content), NOTHING

    # ---- segments --------------------------------------------------------------

    @contextmanager
    def new_segment(self, least_free: int) -> Iterator[NewSegment]:
        """Make a segment to be written; it is deleted at the end unless it was committed.

        Raises:
            ArchiveNotWritten: less than `least_free` bytes would be left, or it cannot be written at all.
        """
        path = self.path / _UNFINISHED
        try:
            make_directory(self.path)
            for left in [path, *self.path.glob(_LEFT)]:  # by a crash
                left.unlink(missing_ok=True)
            segment = NewSegment(path, lambda size: self._make_sure_of(size, least_free))
        except OSError as error:
            raise unwritable(path, error) from None
        try:
            yield segment
        finally:
            segment.close()
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def commit(self, segment: NewSegment, manifest: Manifest) -> None:
        """Keep the segment, then its manifest, which makes it count.

        Raises:
            ArchiveNotWritten: it does not count; earlier segments are as they were.
        """
        path = self.file(manifest.file)
        try:
            segment.path.rename(path)
            sync_directory(self.path)
            write_private(path.with_suffix(".json"), manifest.encode())
        except (OSError, ConfigurationError) as error:
            with suppress(OSError):
                path.unlink()  # it does not count, and holds the room that was lacking
            raise ArchiveNotWritten(
                Text("{path} cannot be kept: {error}", "{path} lässt sich nicht halten: {error}"),
                path=path,
                error=error,
            ) from None

    def _make_sure_of(self, size: int, least_free: int) -> None:
        free = shutil.disk_usage(self.path).free
        if free < size + least_free:
            raise ArchiveNotWritten(
                Text(
                    "only {free} MiB are free below {path}: make room, or name another archive_dir",
                    "unter {path} sind nur {free} MiB frei: Platz schaffen, oder ein anderes archive_dir nennen",
                ),
                free=free // 2**20,
                path=self.path,
            )


def archive_directories(root: Path) -> list[ArchiveDirectory]:
    """Return those of all TSEs that have one, by serial."""
    with suppress(OSError):
        found = sorted(path.name for path in root.iterdir() if path.is_dir())
        return [ArchiveDirectory(root, name) for name in found if len(name) == _SERIAL_DIGITS]
    return []
