"""Sorts more records than memory should hold: sorted runs in one temporary file, merged when read.

Members of an archive come in any order, and a TSE signs up to twenty million messages.
"""

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from gateway.errors import GatewayError
from gateway.i18n.text import Text, reason_of

RUN = 100_000  # records held in memory, about 10 MB
_PIECE = 64 * 1024


class Sorter:
    """Takes records of `size` bytes in any order and iterates over them sorted. A context manager.

    Raises:
        GatewayError: the directory for temporary files is full.
    """

    def __init__(self, size: int, *, run: int = RUN) -> None:
        self._size = size
        self._run = run
        self._held: list[bytes] = []
        self._runs: list[tuple[int, int]] = []  # offset and end of each sorted run
        self._file: int | None = None  # without a name; made when memory does not suffice

    def add(self, records: Iterable[bytes]) -> None:
        """Add records; a full run is written to the disk."""
        self._held.extend(records)
        if len(self._held) >= self._run:
            self._spill()

    def __iter__(self) -> Iterator[bytes]:
        self._held.sort()
        return heapq.merge(*(self._read(start, end) for start, end in self._runs), self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)

    def _spill(self) -> None:
        self._held.sort()
        start = at = self._runs[-1][1] if self._runs else 0
        data = memoryview(b"".join(self._held))
        try:
            handle = self._opened()
            while data:
                written = os.pwrite(handle, data, at)
                at, data = at + written, data[written:]
        except OSError as error:
            raise GatewayError(
                Text(
                    "no room for temporary files: {reason}; TMPDIR names a directory",
                    "kein Platz für temporäre Dateien: {reason}; TMPDIR nennt ein Verzeichnis",
                ),
                reason=reason_of(error),
            ) from None
        self._runs.append((start, at))
        self._held = []

    def _opened(self) -> int:
        if self._file is None:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        return self._file

    def _read(self, at: int, end: int) -> Iterator[bytes]:
        step = max(_PIECE // self._size, 1) * self._size
        while at < end:
            piece = os.pread(self._opened(), min(step, end - at), at)
            yield from (piece[cut : cut + self._size] for cut in range(0, len(piece), self._size))
            at += len(piece)
