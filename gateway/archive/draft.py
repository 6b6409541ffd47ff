"""A segment while it is written. Blocks."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from gateway.archive.errors import unwritable


class Draft:
    """Bytes on their way to the disk; `room` is asked before more of them and may refuse."""

    def __init__(self, path: Path, room: Callable[[int], None]) -> None:
        self.path = path
        self.size = 0
        self._room = room
        self._hash = hashlib.sha256()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """All of it.

        Raises:
            ArchiveNotWritten: there is no room.
        """
        self._room(len(data))
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise unwritable(self.path, error) from None
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """On the disk for good when this returns; the SHA-256."""
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise unwritable(self.path, error) from None
        return self._hash.hexdigest()

    def close(self) -> None:
        """Harmless if it is."""
        self._file.close()
