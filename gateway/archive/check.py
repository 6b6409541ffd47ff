"""Checks of segments: by the verifier, and that no message is missing between them, which only an archive can know.

Everything here blocks; the verifier reads large segments in a process of low priority.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.archive.directory import ArchiveDirectory
from gateway.archive.errors import MISSING, OTHER_CONTENT, OTHER_SIZE, UNREADABLE, ArchiveDamaged
from gateway.archive.index import Segment
from gateway.archive.manifest import ArchiveFinding, ArchiveVerdict, FindingPlace
from gateway.i18n.text import NOTHING, Text, literal, reason_of
from gateway.verify.findings import SERIAL, Code, CounterSpan, Example, FileReport, Findings, Group, Severity
from gateway.verify.report import listed
from gateway.verify.texts import MEANINGS, worst
from gateway.verify.trust import Certificates

_MESSAGES = Text("{count} messages", "{count} Nachrichten")
_GAP, _FOLLOWED = (
    Text("{count} missing", "{count} fehlen"),
    Text("is followed by Sig-{counter}", "darauf folgt Sig-{counter}"),
)
_NAMES: dict[Severity, Literal["note", "warning", "error"]] = {
    Severity.NOTE: "note",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
}
_OF_A_PART = frozenset({Code.COUNTER_PARTIAL, Code.COUNTER_SKIPPED})  # an archive knows better than the verifier


@dataclass(frozen=True, slots=True)
class CheckedSegment:
    """What the verifier found in one segment; `span` tells of the messages of its TSE, `None` if it has none."""

    report: FileReport
    span: CounterSpan | None

    @property
    def verdict(self) -> ArchiveVerdict:
        return verdict_of(worst(self.report.findings))

    @property
    def findings(self) -> list[ArchiveFinding]:
        return as_findings(self.report)


def check(
    path: Path, serial: str, last_counter: int | None, trust: Certificates | None, tick: Callable[[], None]
) -> CheckedSegment:
    """Verify a segment that must be of `serial` and go on behind `last_counter`.

    `tick` is called again and again meanwhile, and ends the check by raising.
    """
    from gateway.verify.files import Options, verify_file  # late, since it is for the night, and large

    options = Options(anchors=trust, background=True)
    report = verify_file(str(path), options, lambda _done, _total: tick())
    findings = Findings()
    for code, group in report.findings.items():
        if code not in _OF_A_PART:
            findings.take(code, group)
    own = next((span for span in report.spans if span.serial.hex().upper() == serial), None)
    for span in report.spans:
        if span is not own:
            place = SERIAL.filled(serial=span.serial.hex())
            findings.add(Code.ARCHIVE_FOREIGN, place, _MESSAGES, count=span.messages)
    if own is not None:
        _check_counters(own, last_counter, findings)
    return CheckedSegment(replace(report, findings=findings), own)


def verdict_of(severity: Severity | None) -> ArchiveVerdict:
    """Return the verdict for the worst finding; `None` is none."""
    verdicts = {Severity.ERROR: ArchiveVerdict.ERROR, Severity.WARNING: ArchiveVerdict.WARNING}
    return verdicts.get(severity or Severity.NOTE, ArchiveVerdict.OK)


def as_findings(report: FileReport) -> list[ArchiveFinding]:
    """Return the findings of a report as they are kept and shown."""
    return [_as_finding(one.code, one.group) for one in listed(report.findings)]


def changed_finding(changed: Iterable[tuple[str, Text]]) -> list[ArchiveFinding]:
    """Return one finding for all `changed` files (name and reason); none if there are none."""
    examples = [Example(literal(place, place), fault) for place, fault in changed]
    return [_as_finding(Code.ARCHIVE_CHANGED, Group(len(examples), examples))] if examples else []


def _as_finding(code: Code, group: Group) -> ArchiveFinding:
    meaning = MEANINGS[code]
    return ArchiveFinding(
        code=code,
        severity=_NAMES[meaning.severity],
        count=group.count,
        text=meaning.text.in_language("en"),
        text_de=meaning.text.in_language("de"),
        places=[FindingPlace.of(str(example.place), example.detail) for example in group.examples],
    )


def fingerprints(trust: Certificates | None) -> list[str] | None:
    """Return the SHA-256 of each trusted certificate; `None` if none were given."""
    return None if trust is None else sorted({_fingerprint(certificate) for certificate in trust})


def fault_of(directory: ArchiveDirectory, segment: Segment, *, whole: bool) -> Text:
    """Return what is wrong with the file of a segment, empty if nothing is; with `whole` its content is read, too."""
    path = directory.file(segment.file)
    try:
        size = path.stat().st_size
        if size != segment.size:
            return OTHER_SIZE.filled(size=size, right=segment.size)
        if whole and sha256_of(path) != segment.sha256:
            return OTHER_CONTENT
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return UNREADABLE.filled(reason=reason_of(error))
    return NOTHING


def demand_intact(directory: ArchiveDirectory, segments: Iterable[Segment]) -> None:
    """Read the files of all `segments`.

    Raises:
        ArchiveDamaged: one is not as it was written.
    """
    for segment in segments:
        fault = fault_of(directory, segment, whole=True)
        if fault:
            raise ArchiveDamaged(
                Text(
                    "{file} {fault}: put it back from your backup", "{file} {fault}: aus der Datensicherung zurückholen"
                ),
                file=segment.file,
                fault=fault,
            )


def _check_counters(span: CounterSpan, last_counter: int | None, findings: Findings) -> None:
    if span.missing:
        findings.add(Code.ARCHIVE_GAP, f"Sig-{span.first_counter}..{span.last_counter}", _GAP, count=span.missing)
    if last_counter is not None and span.first_counter != last_counter + 1:
        findings.add(Code.ARCHIVE_GAP, f"Sig-{last_counter}", _FOLLOWED, counter=span.first_counter)


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a whole file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
