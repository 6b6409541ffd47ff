"""The latest events of the log, kept in memory for those who follow them."""

import logging
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.telemetry.events import Event
from gateway.telemetry.log import redacted

KINDS: Mapping[Event, str] = {
    Event.OPENED: "opened",
    Event.RECOVERED: "opened",
    Event.FAILED: "failed",
    Event.OUTAGE_BEGAN: "outage",
    Event.OUTAGE_ENDED: "outage",
    Event.STANDBY_SERVES: "pool",
    Event.PRIMARY_SERVES: "pool",
    Event.LOCK_EXPIRED: "lock",
    Event.LOCK_BROKEN: "lock",
    Event.ARCHIVED: "archive",
    Event.ARCHIVE_FAILED: "archive",
    Event.ARCHIVE_DAMAGED: "archive",
}
_KEPT = 1000
_FIELDS = ("serial", "place", "reason", "seconds", "refused", "primary", "peer", "client", "counter", "segments")


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """The `number`-th event since the start of the process, at `at` (Unix seconds); `serial` is empty without a TSE."""

    number: int
    event: Event
    at: float
    serial: str
    text: str
    fields: Mapping[str, Any]


class RecentEvents(logging.Handler):
    """The last events of `KINDS`, those below the level of the log left out; `run` differs in each process.

    `followers` counts the clients that follow them.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.run = secrets.token_hex(4)
        self.last = 0
        self.followers = 0
        self._events: deque[RecentEvent] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an event that somebody may want."""
        which = next((kind for kind in KINDS if kind.value == getattr(record, "event", None)), None)
        if which is None:
            return
        fields = {field: getattr(record, field) for field in _FIELDS if hasattr(record, field)}
        self.last += 1
        self._events.append(
            RecentEvent(
                self.last, which, record.created, fields.pop("serial", ""), redacted(record.getMessage()), fields
            )
        )

    def after(self, number: int) -> list[RecentEvent]:
        """Return the kept events after the `number`-th, the oldest first."""
        self.acquire()  # the log may be written by other threads
        try:
            return [kept for kept in self._events if kept.number > number]
        finally:
            self.release()
