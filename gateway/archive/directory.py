"""The directory of one TSE's archive. Everything here blocks.

0001-000001.tar    a segment, never changed
0001-000001.json   its manifest, written last: only with it the segment counts
state.json         when the archive was last complete, what went wrong, what is to be checked next
.draft.tar         being written

After a crash a segment may lie there without a manifest. It is left alone; its number is not used again, and what
it holds comes once more with the next one.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from gateway.archive.draft import Draft
from gateway.archive.errors import ArchiveNotWritten, unwritable
from gateway.archive.index import Index, Segment
from gateway.archive.manifest import Manifest, Model, digest, is_name
from gateway.errors import ConfigurationError
from gateway.storage.atomic import make_directory, read_private, sync_directory, write_private
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_STATE, _DRAFT, _LEFT = "state.json", ".draft.tar", ".[0-9]*.json.new"


class Trouble(Model):
    """Why the last run ended before its time, or what it found."""

    code: str
    detail: str


class State(Model):
    """What changes; all that proves something stands in the manifests."""

    first_seen: datetime
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    last_seconds: float | None = None
    last_error: Trouble | None = None
    verify_failures: int = 0
    next_check: int = Field(0, description="which segment is to be hashed next")
    changed: dict[str, str] = Field({}, description="files that are not as they were written, and how")
    newest: str | None = Field(None, description="SHA-256 of the newest manifest")

    @property
    def complete_since(self) -> datetime:
        """Since when at least the archive was not complete."""
        return self.last_success or self.first_seen


class Shelf:
    """The files of one TSE below `directory`."""

    def __init__(self, directory: Path, serial: str) -> None:
        self.serial = serial
        self.directory = directory / serial

    def path(self, name: str) -> Path:
        """Of a segment or manifest."""
        return self.directory / name

    # ---- state ---------------------------------------------------------------

    def state(self) -> State | None:
        """What was noted; `None` if the TSE was never seen, or the note is damaged."""
        try:
            found = read_private(self.directory / _STATE)
            return None if found is None else State.model_validate_json(found)
        except (ConfigurationError, ValidationError) as error:
            log.warning("the state of the archive of TSE %s cannot be read: %s", self.serial, error)
            return None

    def keep(self, state: State) -> None:
        """On the disk if that is possible; an archive goes on without."""
        try:
            write_private(self.directory / _STATE, state.model_dump_json(indent=1).encode() + b"\n")
        except ConfigurationError as error:
            log.warning("not remembered over a restart: %s", error, extra=event(Event.DISK_TROUBLE, self.serial))

    # ---- manifests -------------------------------------------------------------

    def index(self, newest: str | None = None) -> Index:
        """All segments; what is missing or changed among their manifests is told, that named `newest` included."""
        names = sorted(path.name for path in self._listed() if is_name(path.name))
        segments: list[Segment] = []
        broken: list[tuple[str, str]] = []
        last, previous, known = None, None, set[str]()
        for name in (name for name in names if name.endswith(".json")):
            manifest, content_digest, fault = self._manifest(name)
            if manifest is not None:
                fault = "" if manifest.previous == previous else "the manifest before it is missing or changed"
                segments.append(Segment.of(manifest))
                last = manifest
            if fault:
                broken.append((name, fault))
            previous = content_digest
            known.add(content_digest)
        if newest is not None and newest not in known:
            broken.append(("newest manifest", f"SHA-256 {newest}: missing or changed"))
        highest = {int(name[:4]): int(name[5:11]) for name in names}  # they are sorted
        return Index(tuple(segments), last, previous, highest, tuple(broken))

    def manifests(self) -> list[Manifest]:
        """All that can be read, in their order."""
        names = sorted(path.name for path in self._listed() if is_name(path.name) and path.suffix == ".json")
        return [manifest for manifest, _, _ in map(self._manifest, names) if manifest is not None]

    def _listed(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return list(self.directory.iterdir())
        return []

    def _manifest(self, name: str) -> tuple[Manifest | None, str, str]:
        try:
            content = self.path(name).read_bytes()
        except OSError as error:
            return None, "", f"cannot be read: {error.strerror}"
        try:
            manifest = Manifest.model_validate_json(content)
        except ValidationError:
            return None, digest(content), "is no manifest"
        if manifest.serial != self.serial or manifest.file != name.replace(".json", ".tar"):
            return None, digest(content), "belongs elsewhere"
        return manifest, digest(content), ""

    # ---- segments --------------------------------------------------------------

    @contextmanager
    def draft(self, least_free: int) -> Iterator[Draft]:
        """A segment that is being written; away afterwards unless it was committed.

        Raises:
            ArchiveNotWritten: less than `least_free` bytes would be left, or it cannot be written at all.
        """
        path = self.directory / _DRAFT
        try:
            make_directory(self.directory)
            for left in [path, *self.directory.glob(_LEFT)]:  # by a crash
                left.unlink(missing_ok=True)
            draft = Draft(path, lambda size: self._make_sure_of(size, least_free))
        except OSError as error:
            raise unwritable(path, error) from None
        try:
            yield draft
        finally:
            draft.close()
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def commit(self, draft: Draft, manifest: Manifest) -> None:
        """The segment, then its manifest, which makes it count.

        Raises:
            ArchiveNotWritten: it is not there; an earlier one never suffers.
        """
        path = self.path(manifest.file)
        try:
            draft.path.rename(path)
            sync_directory(self.directory)
            write_private(path.with_suffix(".json"), manifest.encode())
        except (OSError, ConfigurationError) as error:
            with suppress(OSError):
                path.unlink()  # it does not count, and holds the room that was lacking
            raise ArchiveNotWritten(f"{path} cannot be kept: {error}") from None

    def _make_sure_of(self, size: int, least_free: int) -> None:
        free = shutil.disk_usage(self.directory).free
        if free < size + least_free:
            raise ArchiveNotWritten(
                f"only {free // 2**20} MiB are free below {self.directory}: make room, or name another archive_dir"
            )


_SERIAL = 64


def shelves(directory: Path) -> list[Shelf]:
    """Of all TSEs that have one, by serial."""
    with suppress(OSError):
        found = sorted(path.name for path in directory.iterdir() if path.is_dir())
        return [Shelf(directory, name) for name in found if len(name) == _SERIAL]
    return []
