"""Joins the segments of a series to the store of the TSE: byte for byte the full export up to the last of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.archive.check import sha256_of
from gateway.archive.directory import ArchiveDirectory
from gateway.archive.errors import ArchiveDamaged, NothingArchived
from gateway.archive.index import Segment
from gateway.archive.manifest import digest
from gateway.i18n.text import Text, reason_of
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Slice:
    """`size` bytes of a file from `start`."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class JoinedFile:
    """Slices one after the other, read as one file; `tag` is a hash of what is in them."""

    slices: tuple[Slice, ...]
    tag: str

    @property
    def size(self) -> int:
        return sum(part.size for part in self.slices)

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end`.

        Raises:
            ArchiveDamaged: a file is missing or too short.
        """
        for part in self._parts(start, end):
            at, behind = part.start, part.start + part.size
            while at < behind:
                piece = await asyncio.to_thread(_read, part.path, at, min(_PIECE, behind - at))
                yield piece
                at += len(piece)

    async def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of 512 bytes from `block` on, as a store does; errors as of `read`."""
        return b"".join([piece async for piece in self.read(block * SECTOR, (block + count) * SECTOR)])

    def _parts(self, start: int, end: int) -> Iterator[Slice]:
        at = 0
        for part in self.slices:
            first, last = max(start - at, 0), min(end - at, part.size)
            if first < last:
                yield Slice(part.path, part.start + first, last - first)
            at += part.size


def whole_file(directory: ArchiveDirectory, name: str) -> JoinedFile:
    """Return a segment or manifest as it is on the disk; blocks, since it is read for its hash.

    Raises:
        ArchiveDamaged: it is missing.
    """
    path = directory.file(name)
    try:
        return JoinedFile((Slice(path, 0, path.stat().st_size),), sha256_of(path))
    except OSError as error:
        raise ArchiveDamaged(
            Text("{name} cannot be read: {reason}", "{name} lässt sich nicht lesen: {reason}"),
            name=name,
            reason=reason_of(error),
        ) from None


def restore(directory: ArchiveDirectory, series: Sequence[Segment]) -> JoinedFile:
    """Return the store of one series.

    Raises:
        NothingArchived: there is no segment.
        ArchiveDamaged: one is missing in between.
    """
    if not series:
        raise NothingArchived(
            Text("the archive has no segment of this series", "das Archiv hat kein Segment dieser Reihe")
        )
    newest = series[-1]
    # info.csv may have been written anew by a firmware update: the newest is what an export would hold.
    slices = [Slice(directory.file(newest.file), 0, newest.leading_bytes)]
    end = newest.leading_bytes // SECTOR
    for segment in series:
        if segment.first_block != end:
            raise ArchiveDamaged(
                Text(
                    "a segment before {file} is missing: put it back from your backup",
                    "ein Segment vor {file} fehlt: aus der Datensicherung zurückholen",
                ),
                file=segment.file,
            )
        body = segment.size - segment.leading_bytes - len(END)
        slices.append(Slice(directory.file(segment.file), segment.leading_bytes, body))
        end = segment.end_block
    slices.append(Slice(directory.file(newest.file), newest.size - len(END), len(END)))
    return JoinedFile(tuple(slices), digest("".join(segment.sha256 for segment in series).encode()))


def _read(path: Path, at: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            found = file.read(size)
    except OSError as error:
        raise ArchiveDamaged(
            Text("{name} cannot be read: {reason}", "{name} lässt sich nicht lesen: {reason}"),
            name=path.name,
            reason=reason_of(error),
        ) from None
    if len(found) < size:
        raise ArchiveDamaged(
            Text(
                "{name} is cut off: put it back from your backup",
                "{name} ist abgeschnitten: aus der Datensicherung zurückholen",
            ),
            name=path.name,
        )
    return found
