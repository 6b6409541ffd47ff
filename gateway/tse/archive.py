"""The store of a TSE is a ustar archive: headers and members, 512-byte blocks.

Order: info.csv, one certificate file, then the log messages by signature counter; two
zero blocks end an export. Readers accept what real exports do: PAX paths, a missing end
mark, `./` before names (tarfile of the standard library does all that).
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import ProtocolError
from gateway.tse.sectors import SECTOR

END = bytes(2 * SECTOR)
NAME_ROOM = 100
INFO_NAME = "info.csv"

# What tarfile lets out when headers are nonsense, besides its own errors.
_TARFILE_RAISES = (tarfile.TarError, ValueError, LookupError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive; `block` is the index of its header."""

    name: str
    data: bytes
    block: int


def member(name: str, data: bytes, *, mtime: int) -> bytes:
    """Header and padded data of one member, in whole blocks.

    Names over 100 bytes get a PAX header before theirs. `mtime` in Unix seconds.
    """
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), mtime, 0o444
    long_name = len(name.encode()) > NAME_ROOM or not name.isascii()
    header = info.tobuf(tarfile.PAX_FORMAT if long_name else tarfile.USTAR_FORMAT, "utf-8", "strict")
    return header + data + bytes(-len(data) % SECTOR)


def members(archive: bytes) -> Iterator[Member]:
    """The files of an archive held in memory, in their order.

    Raises:
        ProtocolError: not a TAR, cut off within a member, or damaged.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for info in tar:
                end = info.offset_data + info.size
                if info.size < 0 or info.issparse() or end > len(archive):
                    raise ProtocolError(f"not a readable TAR: member at {info.offset} has a wrong size")
                if info.isfile():
                    yield Member(info.name.removeprefix("./"), archive[info.offset_data : end], info.offset // SECTOR)
            # tarfile takes a broken header for the end; only zeros or nothing are one.
            if any(archive[tar.offset : tar.offset + SECTOR]):
                raise ProtocolError(f"not a readable TAR: broken header at {tar.offset}")
    except _TARFILE_RAISES as error:
        raise ProtocolError(f"not a readable TAR: {error}") from None


def blocks_of(size: int) -> int:
    """How many blocks a member with `size` bytes of data takes, its header included (no PAX)."""
    return 1 + -(-size // SECTOR)
