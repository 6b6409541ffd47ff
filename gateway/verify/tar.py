"""Reads TAR archives strictly, as a stream, and beyond damaged headers.

Python's tarfile is not used: it takes a damaged header for the end, does not check padding, and keeps every member
in memory.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import BinaryIO

from gateway.i18n.text import Text
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import DIRECTORY, GNU_NAME, PAX, PAX_GLOBAL, Header, is_ustar, pax_records
from gateway.verify.findings import Code, Findings

MAX_EXTENSION = 1024 * 1024  # a PAX header or a GNU long name; real ones have a hundred bytes

_LONG_EXTENSION = Text("an extension header of {size} bytes", "ein Erweiterungskopf von {size} Bytes")
_BAD_PAX = Text("a PAX header that cannot be read", "ein PAX-Kopf, der nicht lesbar ist")
_KIND = Text("type {kind!r}", "Typ {kind!r}")
_CUT = Text("{count} bytes are missing", "es fehlen {count} Bytes")
_ZERO = bytes(SECTOR)
_PIECE = 1024 * 1024


@dataclass(slots=True)  # not frozen, see `Header`
class TarMember:
    """A plain file of an archive; `at` is the offset of its first header, `start` that of its data."""

    name: str
    at: int
    start: int
    size: int


def looks_like(block: bytes) -> bool:
    """Return whether this is the first block of an archive."""
    return is_ustar(block) or Header.decode(block) is not None


def entries(file: BinaryIO, start: int, end: int, findings: Findings) -> Generator[TarMember, None, int]:
    """Yield the plain files between two offsets of an archive; return the offset of its end mark, or of its end.

    Damaged headers are reported and skipped, block by block.
    """
    at, found = _next_header(file, start, end, findings)
    begin, form, extended = at, b"", _Extended()
    while found is not None:
        if found.checksum_form != (form := form or found.checksum_form):
            findings.add(Code.TAR_CHECKSUM_FORM, _place(at))
        found, data = extended.applied(found), at + SECTOR
        behind, is_extension = _behind(file, data, found, end, findings), found.kind in (PAX, GNU_NAME)
        if is_extension:
            extended.read(file, data, found, findings)
        elif data + found.size <= end:
            yield from _entry(found, begin, data, findings)
        at, following = _next_header(file, behind, end, findings)
        if not is_extension or at != behind:
            begin, extended = at, _Extended()
        found = following
    return at


def check_end(file: BinaryIO, at: int, end: int, findings: Findings) -> None:
    """Check that an archive ends with two zero blocks, and that only zeros follow."""
    if end - at < 2 * SECTOR:
        findings.add(Code.TAR_NO_END, _place(at))
    file.seek(at)
    while piece := file.read(_PIECE):
        if piece.strip(b"\0"):
            findings.add(Code.TAR_AFTER_END, _place(at + len(piece) - len(piece.lstrip(b"\0"))))
            return
        at += len(piece)


class _Extended:
    """Name and size that extension headers give to the member behind them."""

    def __init__(self) -> None:
        self._name: bytes | None = None
        self._size: int | None = None

    def read(self, file: BinaryIO, at: int, header: Header, findings: Findings) -> None:
        if header.size > MAX_EXTENSION:
            findings.add(Code.TAR_HEADER, _place(at), _LONG_EXTENSION, size=header.size)
            return
        file.seek(at)
        data = file.read(header.size)
        if header.kind == GNU_NAME:
            self._name = data.rstrip(b"\0")
            return
        try:
            records = dict(pax_records(data))
            self._name = records.get(b"path", self._name)
            self._size = int(records[b"size"]) if b"size" in records else self._size
        except ValueError:
            findings.add(Code.TAR_HEADER, _place(at), _BAD_PAX)

    def applied(self, header: Header) -> Header:
        if header.kind in (PAX, GNU_NAME) or (self._name is None and self._size is None):
            return header
        name = header.name if self._name is None else self._name
        return replace(header, name=name, size=header.size if self._size is None else self._size)


def _entry(header: Header, at: int, data: int, findings: Findings) -> Generator[TarMember, None, None]:
    if header.is_file:
        yield TarMember(header.path, at, data, header.size)
    elif header.kind not in (DIRECTORY, PAX_GLOBAL):
        findings.add(Code.TAR_MEMBER, header.path, _KIND, kind=header.kind)


def _next_header(file: BinaryIO, at: int, end: int, findings: Findings) -> tuple[int, Header | None]:
    """Return the next intact header and its offset; damaged blocks before it are skipped. None at the end."""
    lost = False
    while (block := _block(file, at, end)) not in (_ZERO, b""):
        if (found := Header.decode(block)) is not None:
            return at, found
        if not lost:
            findings.add(Code.TAR_HEADER, _place(at))
        at, lost = at + SECTOR, True
    return at, None


def _block(file: BinaryIO, at: int, end: int) -> bytes:
    file.seek(at)
    return file.read(min(SECTOR, max(end - at, 0)))


def _behind(file: BinaryIO, data: int, header: Header, end: int, findings: Findings) -> int:
    """Return the offset behind a member, and check that its padding is zero."""
    tail, behind = data + header.size, data + (header.blocks - 1) * SECTOR
    if tail > end:
        findings.add(Code.TAR_TRUNCATED, _place(data), _CUT, count=tail - end)
        return end
    file.seek(tail)
    if file.read(behind - tail).strip(b"\0"):
        findings.add(Code.TAR_PADDING, header.path)
    return min(behind, end)


def _place(at: int) -> str:
    return f"@{at}"
