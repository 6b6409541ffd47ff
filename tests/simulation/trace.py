"""What happens in a simulation, line by line: the last lines for people, the digest of all to compare two runs."""

import hashlib
import logging
from collections import deque

from gateway.telemetry.events import Event
from tests.simulation.clock import CLOCK

_KEPT = 400  # lines
_WIDEST = 250
_DEFECTS = frozenset({Event.DEFECT, Event.FILE_DAMAGED, Event.ARCHIVE_DAMAGED})  # no crash damages a file


class Trace:
    """`hidden` are words that differ from run to run, such as the name of a directory."""

    def __init__(self, hidden: str) -> None:
        self._hidden = hidden
        self._digest = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=_KEPT)
        self.lines = 0

    def add(self, who: str, what: str) -> None:
        line = f"{CLOCK.local():%d %H:%M:%S.%f} {who:10} {what.replace(self._hidden, '')[:_WIDEST]}"
        self._digest.update(line.encode() + b"\n")
        self.last.append(line)
        self.lines += 1

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class TraceHandler(logging.Handler):
    """Writes what the gateway logs into a trace; `defects` are what it should not have to log."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.INFO)
        self._trace = trace
        self.defects: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._trace.add("gateway", record.getMessage())
        if record.__dict__.get("event") in _DEFECTS or record.exc_info is not None:
            self.defects.append(record.getMessage())
