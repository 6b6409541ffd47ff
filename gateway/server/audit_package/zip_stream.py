"""A ZIP file that is written while it is sent: nothing is compressed, and any program on any system opens it."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class SentFile:
    """A member that was sent as a whole; `sha256` in hex."""

    name: str
    size: int
    sha256: str


class _Outlet(io.RawIOBase):
    """Takes what `zipfile` writes until it is fetched; it cannot seek, so sizes follow behind each member."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._held += piece
        return len(piece)

    def fetch(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data


class ZipStream:
    """Call `begin`, `write` again and again, `end` for each member, and `finish`; each returns bytes to send."""

    def __init__(self, made: datetime) -> None:
        self.sent: list[SentFile] = []
        self._outlet = _Outlet()
        self._archive = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_STORED)
        self._made = made
        self._name = ""
        self._hash = hashlib.sha256()
        self._size = 0
        self._member: IO[bytes] = io.BytesIO()

    def begin(self, name: str) -> None:
        """Begin a member; the one before must have ended."""
        info = zipfile.ZipInfo(name, self._made.timetuple()[:6])
        info.external_attr = 0o644 << 16
        self._name, self._hash, self._size = name, hashlib.sha256(), 0
        self._member = self._archive.open(info, "w", force_zip64=True)

    def write(self, data: bytes) -> bytes:
        """Add to the member."""
        self._member.write(data)
        self._hash.update(data)
        self._size += len(data)
        return self._outlet.fetch()

    def end(self) -> bytes:
        """End the member."""
        self._member.close()
        self.sent.append(SentFile(self._name, self._size, self._hash.hexdigest()))
        return self._outlet.fetch()

    def add(self, name: str, data: bytes) -> bytes:
        """Add a small member as a whole."""
        self.begin(name)
        return self.write(data) + self.end()

    def finish(self) -> bytes:
        """End the file."""
        self._archive.close()
        return self._outlet.fetch()


def read_piece(path: Path, at: int, size: int) -> bytes:
    """Return up to `size` bytes of a file."""
    with path.open("rb") as file:
        file.seek(at)
        return file.read(size)
