"""Brings one archive to one target: each segment, then its manifest, read back and compared. Everything here blocks.

target-<name>.json beside the segments says how far that is. It is written after a manifest was read back, so that a cut
or a kill costs no more than one segment, which is then found at the target or sent once more.
"""

import hashlib
import logging
import math
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from pydantic import Field

from gateway.archive.check import sha256_of
from gateway.archive.directory import ArchiveDirectory, RunFailure
from gateway.archive.errors import MISSING, OTHER_CONTENT, ArchiveDamaged
from gateway.archive.index import Index, Segment
from gateway.archive.manifest import ArchiveModel, KeptText, Manifest, digest
from gateway.archive.targets.target import ManifestChain, Target, TargetDiffers
from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.text import NOTHING, Text, reason_of
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_IDENTITY = 12  # hex digits
SAMPLE_EVERY = timedelta(days=365)
# One file in twenty damaged: so many at random find one of them with 99 %.
SAMPLE = math.ceil(math.log(1 - 0.99) / math.log(1 - 1 / 20))


class _Forked(TargetDiffers):
    """The chain at the target goes on otherwise: `identity` names the one to begin beside it."""

    def __init__(self, identity: str) -> None:
        super().__init__(
            Text("the target goes on otherwise than the archive", "das Ziel geht anders weiter als das Archiv")
        )
        self.identity = identity


class UploadState(ArchiveModel):
    """How far one archive is at one target."""

    chain: str = Field("", description="as of `ManifestChain.identity`")
    last: str = Field("", description="the last segment that is there, read back with its manifest")
    stamp: str = Field("", description="the last time stamp that is there")
    last_success: datetime | None = Field(None, description="when everything was there last")
    last_attempt: datetime | None = None
    last_error: RunFailure | None = None
    verified: datetime | None = Field(None, description="when a sample, or all of it, was read back last")
    differs: dict[str, KeptText] = Field({}, description="files that are not there as they were written, and how")

    def pending(self, index: Index) -> list[Segment]:
        """Return the segments that are not known to be at the target, the oldest first."""
        newest_first = takewhile(lambda segment: segment.file > self.last, reversed(index.segments))
        return list(newest_first)[::-1]


class ArchiveUpload:
    """One archive and what is known of it at the target with this name; used by one thread at a time."""

    def __init__(self, directory: ArchiveDirectory, site: str, name: str) -> None:
        self.directory = directory
        self._site = site
        self._name = name
        self._path = directory.file(f"target-{name}.json")
        self.state = self._load()

    def is_due(self, index: Index, now: datetime) -> bool:
        """Tell whether there is something to send, to verify or to try again."""
        state = self.state
        if not index.segments:
            return False
        newest_stamp = self.directory.file(index.segments[-1].file).with_suffix(".tsr")
        waits = state.pending(index) or state.last_error or state.differs
        return bool(waits) or self._is_sample_due(now) or (state.stamp < newest_stamp.name and newest_stamp.exists())

    def run(
        self, connect: Callable[[], Target], index: Index, now: datetime, go_on: Callable[[], None] = lambda: None
    ) -> None:
        """Send what is missing, and once a year read a sample of everything; `go_on` raises to end it between files.

        Raises:
            GatewayError: it broke off, or something differs; it is written down, and what was sent stays.
        """
        try:
            with connect() as target:
                try:
                    self._send(target, index, go_on)
                except _Forked as fork:
                    told = event(Event.UPLOAD_FAILED, self.directory.serial, target=self._name, reason=fork.code)
                    log.warning("%s: a copy of all of it is begun beside the one that is there", fork, extra=told)
                    self._keep(chain=fork.identity, last="", stamp="", verified=None)
                    self._send(target, index, go_on)
                self._send_stamps(target, index, go_on)
                if self.state.verified is None:
                    self._keep(verified=now)  # each file was read back
                elif self.state.differs or self._is_sample_due(now):
                    self._sample(target, index, now, go_on)
        except GatewayError as error:
            self._keep(last_attempt=now, last_error=RunFailure.of(error, error.code))
            raise
        self._keep(last_attempt=now, last_success=now, last_error=None)

    def _is_sample_due(self, now: datetime) -> bool:
        return self.state.verified is None or now - self.state.verified >= SAMPLE_EVERY

    def _send(self, target: Target, index: Index, go_on: Callable[[], None]) -> None:
        for segment in self.state.pending(index):
            go_on()
            chain = self._chain(index)
            manifest = self.directory.file(segment.file).with_suffix(".json")
            content = _read(manifest)
            try:
                self._put(target, chain.key(segment.file), self.directory.file(segment.file), segment.sha256)
                self._put(target, chain.key(manifest.name), manifest, digest(content))
            except TargetDiffers:
                identity = digest(content)[:_IDENTITY]
                if identity == chain.identity or not self._is_fork(target, chain.key(manifest.name), content):
                    raise
                raise _Forked(identity) from None
            self._keep(chain=chain.identity, last=segment.file)

    def _send_stamps(self, target: Target, index: Index, go_on: Callable[[], None]) -> None:
        for path in sorted(self.directory.path.glob("[0-9]*.tsr")):
            if self.state.stamp < path.name:
                go_on()
                self._put(target, self._chain(index).key(path.name), path, _hash(path))
                self._keep(stamp=path.name)

    @staticmethod
    def _put(target: Target, key: str, path: Path, sha256: str) -> None:
        if _hash(path) != sha256:
            raise ArchiveDamaged(
                Text(
                    "{name} is not as it was written: put it back from your backup",
                    "{name} ist nicht so, wie sie geschrieben wurde: aus der Datensicherung zurückholen",
                ),
                name=path.name,
            )
        target.put(key, path)
        fault = _fault(target, key, sha256)
        if fault:
            raise TargetDiffers(
                Text(
                    "{key} {fault}: look who else writes there; nothing was replaced",
                    "{key} {fault}: nachsehen, wer dort sonst schreibt; nichts wurde ersetzt",
                ),
                key=key,
                fault=fault,
            )

    def _is_fork(self, target: Target, key: str, content: bytes) -> bool:
        """Tell whether the target goes on otherwise than the archive: this was put back from an older backup.

        Then there is another manifest of this TSE with the same name, or none yet.
        """
        try:
            found = b"".join(target.read(key))
        except TargetDiffers:
            return True
        try:
            return (
                found != content and Manifest.model_validate(strict_json.parse(found)).serial == self.directory.serial
            )
        except ValueError:
            return False

    def _sample(self, target: Target, index: Index, now: datetime, go_on: Callable[[], None]) -> None:
        """Read what differed before, else a sample; leave a report at the target if nothing differs."""
        chain = self._chain(index)
        there = [segment for segment in index.segments if segment.file <= self.state.last]
        again = [segment for segment in there if segment.file in self.state.differs]
        chosen = again or secrets.SystemRandom().sample(there, min(SAMPLE, len(there)))
        differs: dict[str, Text] = {}
        for segment in chosen:
            go_on()
            fault = _fault(target, chain.key(segment.file), segment.sha256)
            if fault:
                differs[segment.file] = fault
        self._keep(differs=differs, verified=now)
        if differs:
            name, fault = next(iter(differs.items()))
            raise TargetDiffers(
                Text(
                    "{key} {fault}; {differing} of {read} files that were read",
                    "{key} {fault}; {differing} von {read} gelesenen Dateien",
                ),
                key=chain.key(name),
                fault=fault,
                differing=len(differs),
                read=len(chosen),
            )
        self._report(target, chain, now, sorted(segment.file for segment in chosen))

    def _report(self, target: Target, chain: ManifestChain, now: datetime, chosen: list[str]) -> None:
        name = f"verified-{now:%Y%m%dT%H%M%SZ}.json"
        report = VerificationReport(verified=now, last=self.state.last, read=chosen)
        path = self._path.with_name(f".{name}")
        write_private(path, report.model_dump_json(indent=1).encode() + b"\n")
        try:
            target.put(chain.key(name), path)
        finally:
            path.unlink()

    def _chain(self, index: Index) -> ManifestChain:
        identity = self.state.chain
        if not identity:
            first = self.directory.file(index.segments[0].file).with_suffix(".json")
            identity = digest(_read(first))[:_IDENTITY]
        return ManifestChain(self._site, self.directory.serial, identity)

    def _load(self) -> UploadState:
        try:
            found = read_private(self._path)
            return UploadState() if found is None else UploadState.model_validate(strict_json.parse(found))
        except (ConfigurationError, ValueError):
            told = event(Event.FILE_DAMAGED, self.directory.serial)
            log.warning("%s is damaged: what is at the target is compared anew", self._path, extra=told)
            return UploadState()

    def _keep(self, **changed: object) -> None:
        self.state = self.state.model_copy(update=changed)
        try:
            write_private(self._path, self.state.model_dump_json(indent=1).encode() + b"\n")
        except ConfigurationError as error:
            told = event(Event.DISK_TROUBLE, self.directory.serial)
            log.warning("not remembered over a restart: %s", error, extra=told)


class VerificationReport(ArchiveModel):
    """What the yearly verification leaves at the target when everything was right."""

    verified: datetime
    last: str = Field(description="the last segment that was there")
    read: list[str] = Field(description="the segments that were read")


def _fault(target: Target, key: str, sha256: str) -> Text:
    """Return what is wrong with a file at the target, empty if nothing is; all of it is read."""
    found = hashlib.sha256()
    try:
        for chunk in target.read(key):
            found.update(chunk)
    except TargetDiffers:
        return MISSING
    return NOTHING if found.hexdigest() == sha256 else OTHER_CONTENT


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ArchiveDamaged(
            Text("{name} cannot be read: {reason}", "{name} lässt sich nicht lesen: {reason}"),
            name=path.name,
            reason=reason_of(error),
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArchiveDamaged(
            Text("{name} cannot be read: {reason}", "{name} lässt sich nicht lesen: {reason}"),
            name=path.name,
            reason=reason_of(error),
        ) from None
