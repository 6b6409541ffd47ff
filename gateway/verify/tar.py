"""Reads TAR archives as TSEs and the tools around them write them: strictly, streaming, and past damage.

Header block   0 name[100] | 100 mode uid gid | 124 size[12] mtime | 148 checksum[8] | 156 type
               257 magic[6] | 345 prefix[155]

Python's tarfile is not used: it takes a damaged header for the end, tells nothing about
padding, and remembers every member.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.tse.sectors import SECTOR
from gateway.verify.findings import Code, Findings

MAX_EXTENSION = 1024 * 1024  # a PAX header or a GNU long name; real ones have a hundred bytes

_ZERO = bytes(SECTOR)
_CHECKSUM = slice(148, 156)
_FILES, _DIRECTORY, _PAX, _PAX_GLOBAL, _GNU_NAME = b"0\x007", b"5", b"x", b"g", b"L"
_USTAR = b"ustar\0"
_PIECE = 1024 * 1024
_DIGITS_TO_ZERO = bytes.maketrans(b"01234567", b"00000000")


@dataclass(frozen=True, slots=True)
class Entry:
    """A plain file of an archive; `at` is the offset of its first header, `start` that of its data."""

    name: str
    at: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    kind: bytes
    size: int
    checksum_form: bytes  # the checksum as it is written, all its digits zero

    @property
    def room(self) -> int:
        return -(-self.size // SECTOR) * SECTOR


def looks_like(block: bytes) -> bool:
    """Is this the first block of an archive?"""
    return block[257:262] == b"ustar" or _decode(block) is not None


def entries(file: BinaryIO, start: int, end: int, findings: Findings) -> Generator[Entry, None, int]:
    """The plain files between two offsets of a seekable archive; returns where the end mark or nothing begins.

    Damaged headers are found and passed over, block by block.
    """
    at, found = _next_header(file, start, end, findings)
    begin, form, extended = at, b"", _Extended()
    while found is not None:
        if found.checksum_form != (form := form or found.checksum_form):
            findings.add(Code.TAR_CHECKSUM_FORM, _place(at))
        found, data = extended.applied(found), at + SECTOR
        behind, is_extension = _behind(file, data, found, end, findings), found.kind in (_PAX, _GNU_NAME)
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
    """Two zero blocks and only zeros behind them: what else stands there is found."""
    if end - at < 2 * SECTOR:
        findings.add(Code.TAR_NO_END, _place(at))
    file.seek(at)
    while piece := file.read(_PIECE):
        if piece.strip(b"\0"):
            findings.add(Code.TAR_AFTER_END, _place(at + len(piece) - len(piece.lstrip(b"\0"))))
            return
        at += len(piece)


class _Extended:
    """What extension headers say about the member that follows them."""

    def __init__(self) -> None:
        self._name: bytes | None = None
        self._size: int | None = None

    def read(self, file: BinaryIO, at: int, header: _Header, findings: Findings) -> None:
        if header.size > MAX_EXTENSION:
            findings.add(Code.TAR_HEADER, _place(at), f"an extension header of {header.size} bytes")
            return
        file.seek(at)
        data = file.read(header.size)
        if header.kind == _GNU_NAME:
            self._name = data.rstrip(b"\0")
            return
        try:
            records = dict(_pax_records(data))
            self._name = records.get(b"path", self._name)
            self._size = int(records[b"size"]) if b"size" in records else self._size
        except ValueError:
            findings.add(Code.TAR_HEADER, _place(at), "a PAX header that cannot be read")

    def applied(self, header: _Header) -> _Header:
        if header.kind in (_PAX, _GNU_NAME):
            return header
        name = header.name if self._name is None else self._name
        return _Header(name, header.kind, header.size if self._size is None else self._size, header.checksum_form)


def _entry(header: _Header, at: int, data: int, findings: Findings) -> Generator[Entry, None, None]:
    name = header.name.decode("utf-8", "backslashreplace").removeprefix("./")
    if header.kind in _FILES:
        yield Entry(name, at, data, header.size)
    elif header.kind not in (_DIRECTORY, _PAX_GLOBAL):
        findings.add(Code.TAR_MEMBER, name, f"type {header.kind!r}")


def _next_header(file: BinaryIO, at: int, end: int, findings: Findings) -> tuple[int, _Header | None]:
    """The next header that holds, with its offset; damaged blocks before it are passed over. None at the end."""
    lost = False
    while (block := _block(file, at, end)) not in (_ZERO, b""):
        if (found := _decode(block)) is not None:
            return at, found
        if not lost:
            findings.add(Code.TAR_HEADER, _place(at))
        at, lost = at + SECTOR, True
    return at, None


def _block(file: BinaryIO, at: int, end: int) -> bytes:
    file.seek(at)
    return file.read(min(SECTOR, max(end - at, 0)))


def _behind(file: BinaryIO, data: int, header: _Header, end: int, findings: Findings) -> int:
    """Offset behind a member and its padding, which must be zeros."""
    tail, behind = data + header.size, data + header.room
    if tail > end:
        findings.add(Code.TAR_TRUNCATED, _place(data), f"{tail - end} bytes are missing")
        return end
    file.seek(tail)
    if file.read(behind - tail).strip(b"\0"):
        findings.add(Code.TAR_PADDING, header.name.decode("utf-8", "backslashreplace"))
    return min(behind, end)


def _decode(block: bytes) -> _Header | None:
    if len(block) < SECTOR:
        return None
    try:
        size, stored = _number(block[124:136]), _number(block[_CHECKSUM])
    except ValueError:
        return None
    total = sum(block) - sum(block[_CHECKSUM]) + 8 * 0x20
    if stored != total or size < 0:
        return None
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == _USTAR and block[345]:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return _Header(name, block[156:157], size, block[_CHECKSUM].translate(_DIGITS_TO_ZERO))


def _number(field: bytes) -> int:
    """Octal digits ended by zero or blank, or base 256 as GNU writes large ones; ValueError otherwise."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    if not digits.isdigit():
        raise ValueError(field)
    return int(digits, 8)


def _pax_records(data: bytes) -> Generator[tuple[bytes, bytes], None, None]:
    """`length key=value newline`, again and again; ValueError for anything else."""
    while data:
        digits = data.partition(b" ")[0]
        if not digits.isdigit():
            raise ValueError(digits)
        size = int(digits)
        record, data = data[:size], data[size:]
        if len(record) != size or not record.endswith(b"\n"):
            raise ValueError(record)
        key, equals, value = record.partition(b" ")[2][:-1].partition(b"=")
        if not equals:
            raise ValueError(record)
        yield key, value


def _place(at: int) -> str:
    return f"@{at}"
