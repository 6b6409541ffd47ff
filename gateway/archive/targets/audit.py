"""What a target holds of each TSE, and whether that can be handed to the auditor. Everything here blocks."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated

from cryptography import x509
from pydantic import Field, PlainSerializer

from gateway.archive.errors import MISSING, NO_MANIFEST, OTHER_BEFORE, OTHER_CONTENT, OTHER_SIZE
from gateway.archive.manifest import ArchiveModel, ArchiveVerdict, Manifest
from gateway.archive.targets.stored import Connect, Reader, StoredChain, stored_chains
from gateway.archive.targets.target import Target, is_verification
from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import tar
from gateway.verify.findings import Findings
from gateway.verify.scan import load_certificates

_FILE, _AT = Text("{file} {fault}", "{file} {fault}"), Text("{file}: {fault}", "{file}: {fault}")
_WITH_ERROR = Text("{file} was archived with an error: {errors}", "{file} wurde mit einem Fehler archiviert: {errors}")
_MOST_FAULTS = 20  # told of each TSE


class CertificateEnd(ArchiveModel):
    """A certificate that lies with the messages, and when it ends."""

    subject: str
    not_after: datetime


class TseAudit(ArchiveModel):
    """What a target holds of one TSE at one site."""

    site: str
    serial: str
    chains: list[str] = Field(description="one, and one more for each time that the gateway lost its archive")
    segments: int
    messages: int
    bytes: int
    first_counter: int | None
    last_counter: int | None
    complete_until: datetime | None = Field(description="log time of the last message")
    archived: datetime | None = Field(description="when the newest segment was written")
    stamped_until: datetime | None = Field(description="when the newest manifest with a time stamp was written")
    verified: datetime | None = Field(description="when all, or a sample, was read back last")
    gaps: list[str] = Field(description="signature counters that no segment holds")
    faults: list[Annotated[Text, PlainSerializer(str)]] = Field(
        description="files that are missing, changed, or were archived with an error"
    )
    certificates: list[CertificateEnd]
    ready: bool = Field(description="no gap, no fault, and the certificates are there")


def audit(
    connect: Connect, serial: str = "", *, read: bool = False, progress: Callable[[int, int], None] = lambda *_: None
) -> Iterator[TseAudit]:
    """Yield what the target holds of each TSE whose serial begins so.

    Manifests are read, of segments only their sizes are compared; with `read` all of them are read and hashed.
    `progress` takes the manifests done, and those in all.

    Raises:
        TargetFailed: the target cannot be read.
    """
    with connect() as target, Reader(connect) as reader:
        chains = stored_chains(target, serial)
        total, done = sum(len(stored.manifests) for stored in chains), 0
        for _, group in groupby(chains, key=lambda stored: (stored.chain.site, stored.chain.serial)):
            of_tse = list(group)
            yield _of_tse(target, reader, of_tse, read=read)
            done += sum(len(stored.manifests) for stored in of_tse)
            progress(done, total)


def _of_tse(target: Target, reader: Reader, chains: list[StoredChain], *, read: bool) -> TseAudit:
    faults: list[Text] = []
    there: list[Manifest] = []
    verified: list[datetime] = []
    stamped: list[datetime] = []
    newest: tuple[StoredChain, Manifest] | None = None
    for stored in chains:
        found = list(_right(reader, stored, faults))
        if read:
            found = list(_unchanged(reader, stored, found, faults))
        there += found
        stamped += [it.archived for it in found if it.file.replace(".tar", ".tsr") in stored.files]
        verified += [datetime.now(UTC)] if read else _verified(stored, found)
        if found and (newest is None or found[-1].archived > newest[1].archived):
            newest = stored, found[-1]
    spans = [(first, last) for first, last in map(_counters, there) if first is not None and last is not None]
    gaps = list(_gaps(spans))
    certificates = [] if newest is None else _certificates(target, *newest)
    chain = chains[0].chain
    return TseAudit(
        site=chain.site,
        serial=chain.serial,
        chains=[stored.chain.identity for stored in chains],
        segments=len(there),
        messages=sum(manifest.messages for manifest in there),
        bytes=sum(manifest.size for manifest in there),
        first_counter=min((first for first, _ in spans), default=None),
        last_counter=max((last for _, last in spans), default=None),
        complete_until=max((found.last_time for found in there if found.last_time), default=None),
        archived=None if newest is None else newest[1].archived,
        stamped_until=max(stamped, default=None),
        verified=max(verified, default=None),
        gaps=gaps[:_MOST_FAULTS],
        faults=faults[:_MOST_FAULTS],
        certificates=certificates,
        ready=bool(spans and certificates) and not gaps and not faults,
    )


def _right(reader: Reader, stored: StoredChain, faults: list[Text]) -> Iterator[Manifest]:
    """Yield the manifests whose segments are there; note what breaks the chain."""
    previous: str | None = None
    for found in reader.manifests(stored):
        manifest = found.manifest
        if manifest is None:
            faults.append(_FILE.filled(file=found.name, fault=NO_MANIFEST))
        else:
            if manifest.previous != previous:
                faults.append(_AT.filled(file=found.name, fault=OTHER_BEFORE))
            size = stored.files.get(manifest.file)
            if size is None:
                faults.append(_FILE.filled(file=manifest.file, fault=MISSING))
            elif size != manifest.size:
                faults.append(_FILE.filled(file=manifest.file, fault=OTHER_SIZE.filled(size=size, right=manifest.size)))
            else:
                yield manifest
            if manifest.verdict is ArchiveVerdict.ERROR:
                errors = [finding.code for finding in manifest.findings if finding.severity == "error"]
                faults.append(_WITH_ERROR.filled(file=manifest.file, errors=", ".join(errors)))
        previous = found.sha256


def _unchanged(
    reader: Reader, stored: StoredChain, manifests: list[Manifest], faults: list[Text]
) -> Iterator[Manifest]:
    names = [manifest.file for manifest in manifests]
    for manifest, sha256 in zip(manifests, reader.hashes(stored, names), strict=True):
        if sha256 == manifest.sha256:
            yield manifest
        else:
            faults.append(_FILE.filled(file=manifest.file, fault=OTHER_CONTENT if sha256 else MISSING))


def _verified(stored: StoredChain, manifests: list[Manifest]) -> list[datetime]:
    """Return when files were read back: as reports say, and after the newest manifest was written."""
    reports = [name for name in stored.files if is_verification(name)]
    found = [datetime.strptime(name, "verified-%Y%m%dT%H%M%SZ.json").replace(tzinfo=UTC) for name in reports]
    return found + [manifest.archived for manifest in manifests[-1:]]


def _counters(manifest: Manifest) -> tuple[int | None, int | None]:
    return manifest.first_counter, manifest.last_counter


def _gaps(spans: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Yield the counters from 1 on that none of the spans holds."""
    held = 0
    for first, last in sorted(spans):
        if first > held + 1:
            yield f"Sig-{held + 1}" if first == held + 2 else f"Sig-{held + 1}..{first - 1}"
        held = max(held, last)


def _certificates(target: Target, stored: StoredChain, manifest: Manifest) -> list[CertificateEnd]:
    """Return the certificates at the beginning of a segment."""
    content = b"".join(target.read(stored.chain.key(manifest.file), 0, manifest.leading_bytes))
    found: list[x509.Certificate] = []
    try:
        for member in tar.members(content + tar.END):
            if member.name.endswith(".pem"):
                found += load_certificates(member.data, member.name, Findings())
    except ProtocolError:
        return []
    return [
        CertificateEnd(subject=certificate.subject.rfc4514_string(), not_after=certificate.not_valid_after_utc)
        for certificate in found
    ]
