"""The latest warnings of the log and the latest refused requests, kept in memory for the status page."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.errors import GatewayError
from gateway.i18n.text import Text, literal
from gateway.telemetry.log import redacted

_KEPT = 30


@dataclass(frozen=True, slots=True)
class RecentProblem:
    """A text about a TSE, or the gateway if `serial` is empty; it came `count` times, last `at` (Unix seconds)."""

    at: float
    serious: bool
    text: Text
    serial: str = ""
    count: int = 1


class RecentProblems(logging.Handler):
    """The last problems, each text once per TSE; secrets are masked as in the log. `now` in Unix seconds."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(logging.WARNING)
        self._now = now
        self._problems: OrderedDict[tuple[str, str], RecentProblem] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record, but not the access log's: `refused` tells why a request failed."""
        if not hasattr(record, "status"):
            serial = str(getattr(record, "serial", ""))
            self._note(
                _redacted(record.getMessage(), record.getMessage()), serial, serious=record.levelno >= logging.ERROR
            )

    def refused(self, serial: str, error: GatewayError) -> None:
        """Note that a request for a TSE ended with `error`; one without a serial is left out."""
        if serial:
            self._note(_redacted(error.in_language("en"), error.in_language("de")), serial, serious=False)

    def latest(self) -> list[RecentProblem]:
        """Return what is kept, the newest first."""
        self.acquire()  # the log may be written by other threads
        try:
            return list(reversed(self._problems.values()))
        finally:
            self.release()

    def _note(self, text: Text, serial: str, *, serious: bool) -> None:
        self.acquire()
        try:
            known = self._problems.pop((text.en, serial), RecentProblem(0, serious, text, serial, 0))
            told = known.text if text.en == text.de else text
            self._problems[text.en, serial] = replace(known, at=self._now(), text=told, count=known.count + 1)
            while len(self._problems) > _KEPT:
                self._problems.popitem(last=False)
        finally:
            self.release()


def _redacted(en: str, de: str) -> Text:
    return literal(redacted(en), redacted(de))
