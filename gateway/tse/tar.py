"""TAR archives as a TSE keeps and exports them (POSIX ustar, with PAX headers for long names).

Header block   0 name[100] | 100 mode uid gid | 124 size[12] mtime | 148 checksum[8] | 156 type
               257 magic[6] | 345 prefix[155]

Behind each header stand the data, filled up with zeros to whole blocks of 512 bytes. The store of a TSE holds info.csv,
one file with its certificates, and the log messages by signature counter (LAN-TSE protocol); an export of it ends with
two zero blocks.
"""

import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.sectors import SECTOR

END = bytes(2 * SECTOR)
INFO_NAME = "info.csv"
DIRECTORY, PAX, PAX_GLOBAL, GNU_NAME = b"5", b"x", b"g", b"L"  # types of headers

_NAME_ROOM = 100
_FILES = (b"0", b"\0", b"7")
_TYPE, _CHECKSUM, _PREFIX = slice(156, 157), slice(148, 156), slice(345, 500)
_SIZE, _MAGIC, _USTAR = slice(124, 136), slice(257, 263), b"ustar\0"
_BLANK_CHECKSUM = 8 * 0x20  # what stands there while the sum is made
_HALF = SECTOR // 2
_DIGITS_TO_ZERO = bytes.maketrans(b"01234567", b"00000000")
# What tarfile lets out when headers are nonsense, besides its own errors.
_TARFILE_RAISES = (tarfile.TarError, ValueError, LookupError, OverflowError, RecursionError)


@dataclass(slots=True)  # not frozen: one is made for each message of an export, and that would take thrice as long
class Header:
    """One header; `size` in bytes. `checksum_form` is the checksum as written, with each digit made zero."""

    name: bytes
    kind: bytes
    size: int
    checksum_form: bytes

    @classmethod
    def decode(cls, block: bytes) -> "Header | None":
        """Return the header in `block`; `None` if its size or its checksum is wrong."""
        if len(block) != SECTOR:
            return None
        try:
            size, stored = _number(block[_SIZE]), _number(block[_CHECKSUM])
        except ValueError:
            return None
        if stored != _sum(block[:_HALF]) + _sum(block[_HALF:]) - sum(block[_CHECKSUM]) + _BLANK_CHECKSUM:
            return None
        name = _text(block[:_NAME_ROOM])
        if block[_MAGIC] == _USTAR and (prefix := _text(block[_PREFIX])):
            name = prefix + b"/" + name
        return cls(name, block[_TYPE], size, block[_CHECKSUM].translate(_DIGITS_TO_ZERO))

    @property
    def path(self) -> str:
        """The name as text, without the `./` that some programs write before it."""
        return self.name.decode("utf-8", "backslashreplace").removeprefix("./")

    @property
    def is_file(self) -> bool:
        return self.kind in _FILES

    @property
    def blocks(self) -> int:
        """Blocks from the header to the end of its data."""
        return blocks_of(self.size)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive; `block` is the index of its header."""

    name: str
    data: bytes
    block: int


def is_ustar(block: bytes) -> bool:
    """Tell whether `block` has the mark of a ustar header, the GNU form included."""
    return block[257:262] == b"ustar"


def pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keyword and value of each record in the data of a PAX header; `ValueError` for anything else."""
    while data:
        digits = data.partition(b" ")[0]
        size = int(digits) if digits.isdigit() else 0
        record, data = data[:size], data[size:]
        key, equals, value = record.partition(b" ")[2].removesuffix(b"\n").partition(b"=")
        if len(record) != size or not record.endswith(b"\n") or not equals:
            raise ValueError("no PAX record")
        yield key, value


def member(name: str, data: bytes, *, mtime: int) -> bytes:
    """Return header and padded data of one file, in whole blocks; `mtime` in Unix seconds.

    Names over 100 characters or beyond ASCII get a PAX header before theirs.
    """
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), mtime, 0o444
    return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % SECTOR)


def members(archive: bytes) -> Iterator[Member]:
    """Yield the files of an archive held in memory, in their order; it may lack its end mark.

    Raises:
        ProtocolError: not a TAR, cut off within a member, or damaged.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for info in tar:
                end = info.offset_data + info.size
                if info.size < 0 or info.issparse() or end > len(archive):
                    raise ProtocolError(
                        Text(
                            "not a readable TAR: member at {offset} has a wrong size",
                            "kein lesbares TAR: der Eintrag bei {offset} hat eine falsche Größe",
                        ),
                        offset=info.offset,
                    )
                if info.isfile():
                    yield Member(info.name.removeprefix("./"), archive[info.offset_data : end], info.offset // SECTOR)
            # tarfile takes a broken header for the end; only zeros or nothing are one.
            if any(archive[tar.offset : tar.offset + SECTOR]):
                raise ProtocolError(
                    Text(
                        "not a readable TAR: broken header at {offset}",
                        "kein lesbares TAR: fehlerhafter Kopf bei {offset}",
                    ),
                    offset=tar.offset,
                )
    except _TARFILE_RAISES as error:
        raise ProtocolError(Text("not a readable TAR: {error}", "kein lesbares TAR: {error}"), error=error) from None


def blocks_of(size: int) -> int:
    """Return how many blocks a file of `size` bytes takes, its header included (without PAX)."""
    return 1 + -(-size // SECTOR)


def _sum(half: bytes) -> int:
    """Return the sum of up to 256 bytes, as the lower half of Adler-32 has it: many times as fast as `sum`."""
    return (zlib.adler32(half) & 0xFFFF) - 1


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Return octal digits ended by zero or blank, or base 256 as GNU writes large ones; `ValueError` otherwise."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = _text(field).strip(b" ")
    if not digits.isdigit():
        raise ValueError(field)
    return int(digits, 8)
