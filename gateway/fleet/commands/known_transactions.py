"""The last transaction of a TSE as this gateway knows it, kept over restarts. A TSE that is ahead of it is told of.

{"number": 4711, "log_time": 1790000000, "found_ahead": 0}      `found_ahead` in Unix seconds of the host; 0: never

Two things put a TSE ahead: it signed elsewhere, or the state directory is an older backup. In the second case keys that
were answered after the backup are unknown, and a request that is repeated under one of them is signed anew.

The file is written at most once a minute, so a crash may leave it a minute behind; and a signature whose answer
was lost with the process may have begun one transaction more. Neither is told of. All moments compared are of the TSE.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import TransactionReply

log = logging.getLogger(__name__)

_SAVED_EVERY = 60.0  # seconds
_UNSAVED_MOST = 180  # seconds of the TSE by which a crash may leave the file behind, with room for a set clock


@dataclass(frozen=True, slots=True)
class _Known:
    number: int = 0
    log_time: int = 0
    found_ahead: int = 0


class KnownTransactions:
    """The transactions of one TSE, kept in the file `path`; without a path nothing is kept, and nothing told."""

    def __init__(
        self,
        serial: str,
        metrics: Metrics,
        path: Path | None = None,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._serial = serial
        self._metrics = metrics
        self._path = path
        self._now = now
        self._clock = clock
        self._saved_at = float("-inf")
        self._saving: asyncio.Task[None] | None = None
        self._known = _Known() if path is None else _read(path)
        if self._known.found_ahead:
            metrics.signatures.found_ahead(serial, self._known.found_ahead)

    @property
    def found_ahead(self) -> int:
        """When the TSE was last found ahead, in Unix seconds; 0: never."""
        return self._known.found_ahead

    def compare(self, last: TransactionReply) -> None:
        """Compare what is known with the last transaction that the TSE tells after an opening."""
        unknown = last.transaction_number - self._known.number
        later = last.log_time - self._known.log_time
        if self._path is not None and self._known.number and unknown > 1 and later > _UNSAVED_MOST:
            self._known = replace(self._known, found_ahead=int(self._now()))
            self._metrics.signatures.found_ahead(self._serial, self._known.found_ahead)
            log.warning(
                "TSE %s has begun %d transactions that this gateway does not know: either it was used elsewhere, or "
                "the state directory is an older backup; then do not repeat requests whose Idempotency-Key was "
                "answered after it",
                self._serial,
                unknown,
                extra=event(Event.FOUND_AHEAD, self._serial, transactions=unknown),
            )
        self.saw(last)

    def saw(self, last: TransactionReply) -> None:
        """Note a signature that the TSE made."""
        number = max(self._known.number, last.transaction_number)
        self._known = replace(self._known, number=number, log_time=max(self._known.log_time, last.log_time))
        if self._path is not None and self._clock() - self._saved_at >= _SAVED_EVERY:
            self._saved_at = self._clock()
            self._saving = asyncio.create_task(asyncio.to_thread(self._save, self._path))

    async def close(self) -> None:
        """Save what is known."""
        if self._saving is not None:
            await self._saving
        if self._path is not None and self._known.number:
            await asyncio.to_thread(self._save, self._path)

    def _save(self, path: Path) -> None:
        try:
            write_private(path, json.dumps(asdict(self._known)).encode() + b"\n")
        except ConfigurationError as error:
            log.debug("not remembered over a restart: %s", error)  # whether the disk can be written is told elsewhere


def _read(path: Path) -> _Known:
    """Return what was saved. Of a damaged file nothing is known, so nothing is told this time."""
    try:
        plain = strict_json.parse(read_private(path) or b"{}")
        return _Known(**{name: int(plain.get(name, 0)) for name in ("number", "log_time", "found_ahead")})
    except (ConfigurationError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read and is made anew: %s", path, error, extra=event(Event.FILE_DAMAGED))
        return _Known()
