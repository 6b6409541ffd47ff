"""Find out whether the state directory can be written, before anything needs it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.storage.atomic import replace_file
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_FILE = "writable"  # made and removed again
_CONTENT = b"\0" * 4096  # a block: an empty file can be made on a full disk
_EVERY, _AGAIN = 60.0, 5.0


class WritableCheck:
    """Checks `directory` and calls `tell` with each result; `trouble` says why it could not be written last."""

    def __init__(self, directory: Path, tell: Callable[[bool], None]) -> None:
        self._directory = directory
        self._tell = tell
        self.trouble = ""

    async def run(self) -> None:
        """Check once a minute, and every five seconds while it cannot be written; for ever."""
        while True:
            await asyncio.to_thread(self.check)
            await asyncio.sleep(_AGAIN if self.trouble else _EVERY)

    def check(self) -> None:
        """Write and remove a file, and log it if the result is another one than before; blocks."""
        before, self.trouble = self.trouble, self._write()
        self._tell(not self.trouble)
        if self.trouble and self.trouble != before:
            log.warning(
                "the state directory %s cannot be written (%s): nothing is signed under a key, no outage is written "
                "down, and a TSE gets the time only if its PIN was right since the start. Signing stops at the next "
                "power-up after a restart of the gateway; free space on the disk, or replace it",
                *(self._directory, self.trouble),
                extra=event(Event.STATE_NOT_WRITABLE),
            )
        elif before and not self.trouble:
            told = event(Event.STATE_WRITABLE)
            log.info("the state directory %s can be written again", self._directory, extra=told)

    def _write(self) -> str:
        path = self._directory / _FILE
        try:
            replace_file(path, _CONTENT)
            path.unlink()
        except OSError as error:
            with suppress(OSError):
                path.with_name(f".{_FILE}.new").unlink(missing_ok=True)
            return error.strerror or str(error)
        return ""
