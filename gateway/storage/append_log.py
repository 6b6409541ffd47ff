"""A file of JSON objects, one a line, that is only ever added to.

{"number": 1, "text": "x", "crc32": "5b2c7f10"}      the checksum is that of {"number": 1, "text": "x"}

A crash may leave a part of a line at the end: readers leave it out, and the next append cuts it off. All else that
cannot be read, or does not fit its checksum, is damage: it is left out and reported, and when the file is written anew,
a copy with the damage stays. Lines of format 1 of the state directory have no checksum.
"""

import errno
import json
import logging
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gateway.storage import strict_json
from gateway.storage.atomic import replace_file, sync_directory
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK = 4096  # bytes
_CHECKSUM = re.compile(rb', "crc32": "([0-9a-f]{8})"}\s*\Z')


def ignore_damage(_line: bytes) -> None:
    """Do no more with a damaged line than to report it."""


class AppendLog:
    """The log in `path`, mode 0600. It has one writer; every method blocks and may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._damaged = 0  # lines, as reported last

    def read(
        self, decode: Callable[[dict[str, Any]], T], on_damage: Callable[[bytes], None] = ignore_damage
    ) -> Iterator[T]:
        """Yield what `decode` makes of each object, in their order; nothing if there is no file.

        An object that `decode` refuses (ValueError, KeyError, TypeError) is damage as a line is that holds none. Each
        damaged line goes to `on_damage` in its turn.
        """
        damaged: list[int] = []
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield decode(_decoded(line))
                except (ValueError, KeyError, TypeError):
                    if line.endswith(b"\n") or not _is_torn(line):
                        damaged.append(number)
                        on_damage(line)
        self._report(damaged)

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

    def rewrite(self, objects: Iterable[Mapping[str, Any]], *, durable: bool = True) -> None:
        """Put `objects` in place of all that is there, in one step; `durable` as of `append`."""
        if self._damaged:
            self._keep_damaged()
        replace_file(self.path, b"".join(map(_encoded, objects)), durable=durable)
        self._damaged = 0

    def _keep_damaged(self) -> None:
        kept = self.path.with_name(f"{self.path.name}.damaged")
        with suppress(OSError):
            kept.unlink(missing_ok=True)
            kept.hardlink_to(self.path)

    def _report(self, damaged: list[int]) -> None:
        if len(damaged) > self._damaged:
            log.warning(
                "%s is damaged: %d of its lines cannot be read and are left out, the first is line %d. Check the disk; "
                "what they held is known only if a backup has it",
                self.path,
                len(damaged),
                damaged[0],
                extra=event(Event.FILE_DAMAGED),
            )
        self._damaged = len(damaged)


def _encoded(plain: Mapping[str, Any]) -> bytes:
    line = json.dumps(plain).encode()
    return line[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(line)


def _decoded(line: bytes) -> dict[str, Any]:
    checksum = _CHECKSUM.search(line)
    if checksum is not None:
        line = line[: checksum.start()] + b"}"
        if zlib.crc32(line) != int(checksum[1], 16):
            raise ValueError("the checksum is that of another line")
    plain = strict_json.parse(line)
    if not isinstance(plain, dict):
        raise TypeError("no object")
    return plain


def _is_torn(tail: bytes) -> bool:
    """Return whether a crash may have left this behind the last newline: the beginning of a line."""
    return tail.startswith(b"{") and b"\0" not in tail


def _mended_end(handle: int) -> int:
    """Return the offset at which the next line begins: a part of a line is cut off, all else gets the end it lacks."""
    end = os.fstat(handle).st_size
    tail = _tail(handle, end)
    if not tail:
        return end
    if (_is_torn(tail) and not _is_whole(tail)) or not tail.strip(b"\0"):
        end -= len(tail)
        os.ftruncate(handle, end)
        return end
    _write(handle, b"\n")
    return end + 1


def _is_whole(line: bytes) -> bool:
    try:
        _decoded(line)
    except (ValueError, TypeError):
        return False
    return True


def _tail(handle: int, size: int) -> bytes:
    """Return what stands behind the last newline."""
    chunks: list[bytes] = []
    at = size
    while at and not (chunks and b"\n" in chunks[-1]):
        step = min(at, _CHUNK)
        at -= step
        chunks.append(os.pread(handle, step, at))
    return b"".join(reversed(chunks)).rpartition(b"\n")[2]


def _write(handle: int, data: bytes) -> None:
    if os.write(handle, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
