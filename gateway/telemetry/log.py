"""Log lines: JSON for machines, text for people, with the request they belong to and without secrets.

Code logs by `logging.getLogger(__name__)`; the fields `request_id` and `serial` come from the context.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO, TypeVar

from pythonjsonlogger.json import JsonFormatter

TRACE = 5  # below DEBUG: sectors, for hunting a bug together with the maker of a TSE
Format = Literal["auto", "json", "text"]
Level = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]
_Handler = TypeVar("_Handler", bound=logging.Handler)

request_id: ContextVar[str] = ContextVar("request_id", default="")
serial: ContextVar[str] = ContextVar("serial", default="")

_MASK = "***"
_SHORTEST_SECRET = 5  # a PIN; anything shorter would mask half of each line
_secrets: set[str] = set()

logging.addLevelName(TRACE, "TRACE")


def configure(style: Format = "auto", level: Level = "INFO", stream: TextIO | None = None) -> None:
    """Send all log records to `stream` (standard error by default); may be called again."""
    target = stream if stream is not None else sys.stderr
    text = target.isatty() if style == "auto" else style == "text"
    handler = logging.StreamHandler(target)
    handler.addFilter(_add_context)
    handler.setFormatter(_Text() if text else _Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(TRACE if level == "TRACE" else level)
    logging.captureWarnings(True)


def register_secret(value: str) -> None:
    """Never let `value` into a log line: the last defence, should code log it by mistake."""
    if len(value) >= _SHORTEST_SECRET:
        # As it is, and as it looks inside a repr or JSON text.
        _secrets.update({value, repr(value)[1:-1], json.dumps(value)[1:-1]})


def begin_request(request: str, tse: str) -> None:
    """Give log lines of the current task, which ends with the request, this request id and serial."""
    request_id.set(request)
    serial.set(tse)


@contextmanager
def shared_with(handler: _Handler) -> Iterator[_Handler]:
    """Hand what the gateway logs to `handler` as well."""
    root = logging.getLogger("gateway")
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)


def redacted(text: str) -> str:
    """Return `text` with every registered secret masked."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text


def _add_context(record: logging.LogRecord) -> bool:
    for name, variable in (("request_id", request_id), ("serial", serial)):
        value = variable.get()
        if value and not hasattr(record, name):
            setattr(record, name, value)
    return True


class _Json(JsonFormatter):
    """One object per line; masks values before they are spelled as JSON, so that the line stays JSON."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
        super().__init__(["timestamp", "levelname", "name", "message"], rename_fields=names)

    def process_log_record(self, log_data: dict[str, object]) -> dict[str, object]:
        return {key: masked(value) for key, value in log_data.items()}

    def format(self, record: logging.LogRecord) -> str:
        record.timestamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return super().format(record)


class _Text(logging.Formatter):
    """One line of text for a terminal, in local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the name is the standard library's)
        found = {"request": getattr(record, "request_id", ""), "TSE": str(getattr(record, "serial", ""))[:8]}
        where = ", ".join(f"{name} {value}" for name, value in found.items() if value)
        return super().formatMessage(record) + (f" ({where})" if where else "")


def masked(value: object) -> object:
    """Return plain data with every registered secret masked; a number with one in it becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {redacted(str(key)): masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in value]
    text = value if isinstance(value, str) else str(value)
    shown = redacted(text)
    if isinstance(value, int | float) and shown == text and json.dumps(value) == text:
        return value
    return shown
