"""The log of the last hour, kept in memory for those who cannot reach the log of the machine."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.telemetry.log import redacted, request_id, serial

SECONDS = 3600.0
_KEPT = 2000  # lines, about 1 MB


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: Unix seconds, name of its level, module, text; `event`, `serial` and `request_id` may be empty."""

    at: float
    level: str
    logger: str
    text: str
    event: str
    serial: str
    request_id: str


class RecentLog(logging.Handler):
    """The last lines of the log of `SECONDS` seconds, the oldest first; `now` in Unix seconds."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(logging.INFO)
        self._now = now
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(
            LogLine(
                record.created,
                record.levelname,
                record.name,
                self.format(record),
                str(getattr(record, "event", "")),
                str(getattr(record, "serial", "") or serial.get()),
                str(getattr(record, "request_id", "") or request_id.get()),
            )
        )

    def lines(self, level: int = logging.INFO) -> list[LogLine]:
        """Return the lines from this level on, secrets masked as in the log."""
        oldest = self._now() - SECONDS
        self.acquire()  # the log may be written by other threads
        try:
            kept = [line for line in self._lines if line.at >= oldest]
        finally:
            self.release()
        levels = logging.getLevelNamesMapping()
        return [replace(line, text=redacted(line.text)) for line in kept if levels[line.level] >= level]
