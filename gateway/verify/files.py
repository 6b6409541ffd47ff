"""Checks one file of any kind. The kind is told by the content, since names may be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509

from gateway.errors import ProtocolError
from gateway.i18n.text import NOTHING, Text, reason_of
from gateway.tse.sectors import SECTOR
from gateway.verify import tar
from gateway.verify.archive import OnProgress, verify_archive
from gateway.verify.findings import Code, CounterSpan, FileKind, FileReport, Findings, MessageCounts
from gateway.verify.keys import Keyring, keyring, keys_of
from gateway.verify.messages import MAX_MESSAGE, CheckedMessages, check_message, check_validity
from gateway.verify.receipt import MARK, ReceiptCode
from gateway.verify.revocation import Revocation, revocations
from gateway.verify.scan import load_certificates
from gateway.verify.trust import Certificates, check_chains

_TOO_LARGE = Text("more than {size} bytes", "mehr als {size} Bytes")
_LINE = Text("line {number}", "Zeile {number}")
_BEGINNING = 4096
_SEQUENCE = 0x30
_CERTIFICATE_MARKS = (b"-----BEGIN CERTIFICATE", b"\x30\x82")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says about the files; the fields are those of `verify_archive`."""

    certificates: Certificates = ()
    anchors: Certificates | None = None
    revocation: Revocation | None = None
    complete: bool = False
    processes: int = 0
    background: bool = False


def verify_file(file: str, options: Options | None = None, progress: OnProgress | None = None) -> FileReport:
    """Check one file, or one receipt code given instead of a file; a file that cannot be read is a finding, too.

    Raises:
        GatewayError: a process that checked was killed.
    """
    options = options or Options()
    report = _verify(file, options, progress)
    checked = options.revocation is not None and not report.findings.count(Code.REVOCATION_UNCHECKED)
    return replace(report, revocation_checked=checked and report.counts.messages > 0)


def _verify(file: str, options: Options, progress: OnProgress | None) -> FileReport:
    if file.startswith(MARK):
        return _verify_receipts(file, [file], options)
    path = Path(file)
    try:
        kind = _kind(path)
        if kind is FileKind.ARCHIVE:
            return verify_archive(
                path,
                options.certificates,
                options.anchors,
                options.revocation,
                complete=options.complete,
                processes=options.processes,
                background=options.background,
                progress=progress,
            )
        return _verify_small(path, kind, options)
    except OSError as error:
        return _failed(file, Code.FILE_UNREADABLE, reason_of(error))


def certificates_in(files: Sequence[str]) -> Certificates:
    """Return the certificates in those of the files that hold nothing else; they give keys to the other files."""
    found: list[x509.Certificate] = []
    for file in files:
        try:
            if not file.startswith(MARK) and _kind(Path(file)) is FileKind.CERTIFICATES:
                found.extend(load_certificates(Path(file).read_bytes(), file, Findings()))
        except OSError:
            continue  # `verify_file` reports it
    return tuple(found)


def _kind(path: Path) -> FileKind:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if tar.looks_like(beginning[:SECTOR]) or path.suffix.lower() == ".tar":
        return FileKind.ARCHIVE
    if MARK.encode() in beginning[: len(MARK) + 4] or b"\n" + MARK.encode() in beginning:
        return FileKind.RECEIPTS
    if _CERTIFICATE_MARKS[0] in beginning:
        return FileKind.CERTIFICATES
    if beginning[:1] == bytes([_SEQUENCE]):
        # A certificate begins with a SEQUENCE in a SEQUENCE, a log message with the number of its version.
        return FileKind.MESSAGE if path.suffix.lower() == ".log" or not _nested(beginning) else FileKind.CERTIFICATES
    return FileKind.MESSAGE if path.suffix.lower() == ".log" else FileKind.UNKNOWN


def _nested(beginning: bytes) -> bool:
    size = beginning[1] & 0x7F if len(beginning) > 1 and beginning[1] & 0x80 else 0
    return beginning[2 + size : 3 + size] == bytes([_SEQUENCE])


def _verify_small(path: Path, kind: FileKind, options: Options) -> FileReport:
    """Check a file that fits into memory: all but archives."""
    if kind is FileKind.UNKNOWN:
        return _failed(str(path), Code.FILE_UNKNOWN)
    if path.stat().st_size > MAX_MESSAGE:
        return _failed(str(path), Code.FILE_UNREADABLE, _TOO_LARGE.filled(size=MAX_MESSAGE))
    data = path.read_bytes()
    if kind is FileKind.RECEIPTS:
        lines = data.decode("utf-8-sig", "surrogateescape").split("\n")
        return _verify_receipts(str(path), lines, options)
    if kind is FileKind.CERTIFICATES:
        findings = Findings()
        load_certificates(data, path.name, findings)
        return FileReport(str(path), kind, MessageCounts(), findings)
    return _verify_message(path, data, options)


def _verify_message(path: Path, data: bytes, options: Options) -> FileReport:
    checked = CheckedMessages()
    message = check_message(data, path.name, _ring(options), checked, any_name=True)
    if message is not None:
        _check_chain(message.serial, message.log_time, options, checked.findings)
    return FileReport(str(path), FileKind.MESSAGE, checked.counts, checked.findings)


def _verify_receipts(file: str, lines: Sequence[str], options: Options) -> FileReport:
    checked, ring = CheckedMessages(), _ring(options)
    for number, line in enumerate(lines, start=1):
        text = line.partition("\t")[0].strip().strip('"')  # other columns may follow
        if text.startswith(MARK):
            _verify_receipt(text, _LINE.filled(number=number), options, ring, checked)
    return FileReport(file, FileKind.RECEIPTS, checked.counts, checked.findings)


def _verify_receipt(text: str, place: Text, options: Options, ring: Keyring, checked: CheckedMessages) -> None:
    counts, findings = checked.counts, checked.findings
    counts.messages += 1
    try:
        receipt = ReceiptCode.decode(text)
        fits = receipt.verify()
    except ProtocolError as error:
        counts.unchecked += 1
        findings.add(Code.RECEIPT_UNREADABLE, place, error.text)
        return
    for deviation in receipt.form:
        findings.add(Code.RECEIPT_FORM, place, deviation)
    key = keys_of(ring).get(receipt.serial)
    if fits:
        counts.valid += 1
        if key is not None:
            check_validity(key, receipt.log_time, place, findings)
    else:
        counts.invalid += 1
        findings.add(Code.SIGNATURE_INVALID, place)
    _check_chain(receipt.serial, receipt.log_time, options, findings)


def _check_chain(serial: bytes, at: int, options: Options, findings: Findings) -> None:
    span = CounterSpan(serial, 1, 0, 0, 0, at, at, whole=False)
    check_chains([span], options.certificates, options.anchors, findings, options.revocation)


def _ring(options: Options) -> Keyring:
    every = (*options.certificates, *(options.anchors or ()))
    return keyring(every, revocations(every, options.revocation))


def _failed(file: str, code: Code, detail: Text = NOTHING) -> FileReport:
    findings = Findings()
    findings.add(code, file, detail)
    return FileReport(file, FileKind.UNKNOWN, MessageCounts(), findings)
