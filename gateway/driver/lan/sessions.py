"""Sessions at upstreams that are still to be given back, also by the next process.

An upstream keeps the lock of a client whose connection broke for a while, in case it comes back: after a crash or
a broken link nobody could use the TSE until that is over. So whoever locks next gives the old session back first.
"""

import asyncio
import json
import logging
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, replace_file

log = logging.getLogger(__name__)

SESSIONS = "upstream-sessions.json"  # its name in the state directory


class OpenSessions:
    """The open session of each TSE at each upstream, kept in the file `path`; without a path, in memory.

    The file outlasts the process, not a power cut: by then an upstream has taken its lock back.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._writing = asyncio.Lock()
        self._sessions = {} if path is None else _read(path)

    def of(self, place: str, serial: str) -> int | None:
        """Return the session that is still to be given back; `None` if there is none."""
        return self._sessions.get(f"{place} {serial}")

    async def note(self, place: str, serial: str, session: int | None) -> None:
        """Note that `session` is open, or with `None` that none is."""
        key = f"{place} {serial}"
        if session is None:
            self._sessions.pop(key, None)
        else:
            self._sessions[key] = session
        await asyncio.shield(self._write())

    async def _write(self) -> None:
        if self._path is None:
            return
        async with self._writing:
            try:
                content = json.dumps(self._sessions).encode()
                await asyncio.to_thread(replace_file, self._path, content, durable=False)
            except OSError as error:
                log.debug("%s cannot be written: %s", self._path, error)


def _read(path: Path) -> dict[str, int]:
    try:
        plain = strict_json.parse(read_private(path) or b"{}")
        return {str(key): int(session) for key, session in plain.items()}
    except (ConfigurationError, ValueError, TypeError, AttributeError) as error:
        log.debug("%s cannot be read: %s", path, error)  # the locks lapse upstream
        return {}
