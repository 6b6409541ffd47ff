"""A file of JSON objects, one a line, that is only ever added to.

A crash may leave a part of a line at the end: readers leave it out, and the next append cuts it off. A line that cannot
be read and has others behind it is damage, which no crash explains; it is left out and reported.
"""

import errno
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.storage.atomic import replace_file, sync_directory

log = logging.getLogger(__name__)

_CHUNK = 4096  # bytes


class AppendLog:
    """The log in `path`, mode 0600. It has one writer; every method blocks and may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reported: set[int] = set()

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the objects in their order; none if there is no file."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                found = _decoded(line)
                if found is not None:
                    yield found
                elif line.endswith(b"\n"):
                    self._report(number)

    def append(self, *objects: Mapping[str, Any], durable: bool = True) -> None:
        """Add all of `objects` or none; with `durable` they outlast a power cut from the return on."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            end = _mended_end(handle)
            try:
                _write(handle, b"".join(map(_encoded, objects)))
                if durable:
                    os.fdatasync(handle)
            except OSError:
                with suppress(OSError):  # if even that fails, the next append does it
                    os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)
        if not end:
            sync_directory(self.path.parent)

    def rewrite(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Put `objects` in place of all that is there, in one step; they outlast a power cut from the return on."""
        replace_file(self.path, b"".join(map(_encoded, objects)))
        self._reported.clear()

    def _report(self, number: int) -> None:
        if number not in self._reported:
            self._reported.add(number)
            log.error("line %d of %s is damaged and left out: no crash does that, check the disk", number, self.path)


def _encoded(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain).encode() + b"\n"


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        plain = json.loads(line)
    except ValueError:
        return None
    return plain if isinstance(plain, dict) else None


def _mended_end(handle: int) -> int:
    """Return the offset at which the next line begins: a line without its end is completed, a part of one cut off."""
    end = os.fstat(handle).st_size
    tail = _tail(handle, end)
    if tail and _decoded(tail) is not None:
        _write(handle, b"\n")
        return end + 1
    if tail:
        end -= len(tail)
        os.ftruncate(handle, end)
    return end


def _tail(handle: int, size: int) -> bytes:
    """Return what stands behind the last newline."""
    tail, at = b"", size
    while at and b"\n" not in tail:
        step = min(at, _CHUNK)
        at -= step
        tail = os.pread(handle, step, at) + tail
    return tail.rpartition(b"\n")[2]


def _write(handle: int, data: bytes) -> None:
    if os.write(handle, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
