"""Reads the headers of an export: its structure, certificates and info.csv, and cuts it into pieces."""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.certificates import key_of, serial_of
from gateway.tse.log_names import ENDING
from gateway.tse.tar import INFO_NAME
from gateway.verify import tar
from gateway.verify.findings import Code, Findings
from gateway.verify.keys import load_quietly
from gateway.verify.trust import CERTIFICATE_ENDINGS, canonical

PIECE_MESSAGES = 400  # well under a second of work: progress moves, Ctrl-C is quick
PIECE_BYTES = 16 * 1024 * 1024

_HASH = Text("the hash of its key is {hash}", "der Hash seines Schlüssels ist {hash}")
_MAX_CERTIFICATE = 1024 * 1024
_CERTIFICATE_NAME = re.compile(r"([0-9A-Fa-f]+)_X509(?:_Fc-\d+)?\.\w+")
_TEXT = r'"[^"]*"'
_LABEL = r'"(?:component|description|manufacturer|model|version|certification-id):"'
_PAIR = rf'{_LABEL},(?:{_TEXT}|[^",\n]*)'
_INFO_FORMS = (
    re.compile(rf'"description:",{_TEXT},"manufacturer:",{_TEXT},"version:",{_TEXT}(?:\r?\n)?'),
    re.compile(r'"description:", [^"]*, "manufacturer:", [^"]*, "version:", [^"]*(?:\r?\n)?'),  # first cloud TSEs
    re.compile(rf"(?:{_PAIR}(?:,{_PAIR})*,*\r?\n)+"),  # log version 3: one line per component
)


@dataclass(slots=True)
class Scan:
    """The result of reading the headers; `pieces` are offsets between which whole members lie."""

    messages: int = 0
    pieces: list[tuple[int, int]] = field(default_factory=list)
    certificates: list[x509.Certificate] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


def scan(path: Path) -> Scan:
    """Read all headers, and the members that are no log messages.

    Raises:
        OSError: the file cannot be read.
    """
    found, has_info = Scan(), False
    end = path.stat().st_size
    with path.open("rb", buffering=1024 * 1024) as file:
        entries = _Entries(tar.entries(file, 0, end, found.findings))
        begin, pending = 0, 0
        for entry in entries:
            if pending and (pending >= PIECE_MESSAGES or entry.at - begin >= PIECE_BYTES):
                found.pieces.append((begin, entry.at))
                begin, pending = entry.at, 0
            if entry.name.endswith(ENDING):
                pending += 1
                found.messages += 1
                continue
            file.seek(entry.start)
            data = file.read(min(entry.size, _MAX_CERTIFICATE))
            has_info = _other_member(entry.name, data, found) or has_info
        if pending:
            found.pieces.append((begin, entries.end))
        tar.check_end(file, entries.end, end, found.findings)
    if not has_info:
        found.findings.add(Code.INFO_MISSING, path.name)
    return found


def load_certificates(data: bytes, name: str, findings: Findings) -> list[x509.Certificate]:
    """Return the certificates of a file, and check its form and name."""
    try:
        found = load_quietly(data)
    except ProtocolError as error:
        findings.add(Code.CERTIFICATE_UNREADABLE, name, error.text)
        return []
    if not canonical(data, found):
        findings.add(Code.CERTIFICATE_FORM, name)
    named = _CERTIFICATE_NAME.fullmatch(name.rpartition("/")[2])
    try:
        expected = serial_of(key_of(found[0])).hex()
    except ProtocolError:
        return found  # it has no key of a TSE
    if named is not None and named[1].lower() != expected:
        findings.add(Code.CERTIFICATE_NAME, name, _HASH, hash=expected)
    return found


class _Entries:
    """Iterates over the entries; `end` is the offset behind them afterwards."""

    def __init__(self, entries: Generator[tar.TarMember, None, int]) -> None:
        self._entries = entries
        self.end = 0

    def __iter__(self) -> Iterator[tar.TarMember]:
        self.end = yield from self._entries


def _other_member(name: str, data: bytes, found: Scan) -> bool:
    """Check certificates, info.csv, or an unknown member; return whether it is info.csv."""
    last = name.rpartition("/")[2]
    if last == INFO_NAME:
        text = data.decode("utf-8", "replace")
        if not any(form.fullmatch(text) for form in _INFO_FORMS) or not _printable(text):
            found.findings.add(Code.INFO_FORM, name)
        return True
    if _CERTIFICATE_NAME.fullmatch(last) or last.endswith(CERTIFICATE_ENDINGS):
        found.certificates.extend(load_certificates(data, name, found.findings))
    else:
        found.findings.add(Code.MEMBER_UNKNOWN, name)
    return False


def _printable(text: str) -> bool:
    return all(line.isprintable() and "\ufffd" not in line for line in text.splitlines())
