"""Is a segment what it must be? The project's verifier, and what only an archive can know: no message is missing.

Blocks; runs beside the gateway's loop, and large segments in a process of low priority.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.archive.directory import Shelf
from gateway.archive.errors import ArchiveDamaged
from gateway.archive.index import Segment
from gateway.archive.manifest import Finding, FindingPlace, Verdict
from gateway.verify.files import Options, verify_file
from gateway.verify.findings import Code, CounterSpan, FileReport, Findings, Severity
from gateway.verify.report import as_data
from gateway.verify.texts import MEANINGS, worst
from gateway.verify.trust import Certificates

_OF_A_PART = frozenset({Code.COUNTER_PARTIAL, Code.COUNTER_SKIPPED})  # an archive knows better than the verifier


@dataclass(frozen=True, slots=True)
class Checked:
    """What the verifier says of one segment; `span` is that of its TSE, if it has messages of it."""

    report: FileReport
    span: CounterSpan | None

    @property
    def verdict(self) -> Verdict:
        return verdict_of(worst(self.report.findings))

    @property
    def findings(self) -> list[Finding]:
        return as_findings(self.report)


def check(
    path: Path, serial: str, last_counter: int | None, trust: Certificates | None, go_on: Callable[[], None]
) -> Checked:
    """Verify a segment that must be of `serial` and go on behind `last_counter`; `go_on` ends it by raising."""
    options = Options(anchors=trust, background=True)
    report = verify_file(str(path), options, lambda _done, _total: go_on())
    findings = Findings()
    for code, group in report.findings.items():
        if code not in _OF_A_PART:
            findings.take(code, group)
    own = next((span for span in report.spans if span.serial.hex().upper() == serial), None)
    for span in report.spans:
        if span is not own:
            findings.add(Code.ARCHIVE_FOREIGN, f"serial {span.serial.hex()}", f"{span.messages} messages")
    if own is not None:
        _check_counters(own, last_counter, findings)
    return Checked(replace(report, findings=findings), own)


def verdict_of(severity: Severity | None) -> Verdict:
    """Notes do not count."""
    return {Severity.ERROR: Verdict.ERROR, Severity.WARNING: Verdict.WARNING}.get(severity or Severity.NOTE, Verdict.OK)


def as_findings(report: FileReport) -> list[Finding]:
    """As they are kept and shown."""
    found = as_data(report, "en")["findings"]
    return [Finding.model_validate(one) for one in found] if isinstance(found, list) else []


def changed_finding(changed: Iterable[tuple[str, str]]) -> list[Finding]:
    """One finding for all files that are not as they were written; none if there are none."""
    places = [FindingPlace(place=place, detail=detail) for place, detail in changed]
    meaning = MEANINGS[Code.ARCHIVE_CHANGED]
    text = meaning.text.en
    found = Finding(code=Code.ARCHIVE_CHANGED, severity="error", count=len(places), text=text, places=places)
    return [found] if places else []


def fingerprints(trust: Certificates | None) -> list[str] | None:
    """Which certificates were trusted."""
    return None if trust is None else sorted({_fingerprint(certificate) for certificate in trust})


def fault_of(shelf: Shelf, segment: Segment, *, whole: bool) -> str:
    """What is wrong with a segment that was written earlier; empty if nothing is. `whole`: read it, too."""
    path = shelf.path(segment.file)
    try:
        size = path.stat().st_size
        if size != segment.size:
            return f"has {size} bytes, not {segment.size}"
        if whole and sha256_of(path) != segment.sha256:
            return "its SHA-256 is another one"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def demand_intact(shelf: Shelf, segments: Iterable[Segment]) -> None:
    """Read all of them.

    Raises:
        ArchiveDamaged: one is not as it was written.
    """
    for segment in segments:
        fault = fault_of(shelf, segment, whole=True)
        if fault:
            raise ArchiveDamaged(f"{segment.file} {fault}: put it back from your backup")


def _check_counters(span: CounterSpan, last_counter: int | None, findings: Findings) -> None:
    if span.missing:
        findings.add(Code.ARCHIVE_GAP, f"Sig-{span.first_counter}..{span.last_counter}", f"{span.missing} missing")
    if last_counter is not None and span.first_counter != last_counter + 1:
        findings.add(Code.ARCHIVE_GAP, f"Sig-{last_counter}", f"is followed by Sig-{span.first_counter}")


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def sha256_of(path: Path) -> str:
    """Of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
