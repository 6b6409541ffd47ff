"""What went wrong lately, for the status page: warnings of the log, and why requests for a TSE were refused."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from gateway.errors import GatewayError
from gateway.telemetry.log import redacted

_MOST = 30


@dataclass(frozen=True, slots=True)
class Trouble:
    """The same text about the same TSE is one trouble that happens often; `at` is its last time, Unix seconds."""

    at: float
    serious: bool
    text: str
    serial: str = ""
    count: int = 1


class Troubles(logging.Handler):
    """The last of them, in memory, secrets masked as in the log."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(logging.WARNING)
        self._now = now
        self._found: OrderedDict[tuple[str, str], Trouble] = OrderedDict()

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """To everything that the gateway logs."""
        root = logging.getLogger("gateway")
        root.addHandler(self)
        try:
            yield self
        finally:
            root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, "status"):  # requests: why they were refused is told by `refused`
            serial = str(getattr(record, "serial", ""))
            self._note(redacted(record.getMessage()), serial, serious=record.levelno >= logging.ERROR)

    def refused(self, serial: str, error: GatewayError) -> None:
        """A request ended with `error`; without a serial it was none for a TSE of ours."""
        if serial:
            self._note(redacted(str(error)), serial, serious=False)

    def latest(self) -> list[Trouble]:
        """The newest first."""
        self.acquire()  # the log may be written by other threads
        try:
            return list(reversed(self._found.values()))
        finally:
            self.release()

    def _note(self, text: str, serial: str, *, serious: bool) -> None:
        self.acquire()
        try:
            known = self._found.pop((text, serial), Trouble(0, serious, text, serial, 0))
            self._found[text, serial] = replace(known, at=self._now(), count=known.count + 1)
            while len(self._found) > _MOST:
                self._found.popitem(last=False)
        finally:
            self.release()
