"""What the gateway must still know of a TSE after a restart or a power cut. One small JSON file per TSE."""

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PinRecord:
    """A client id that the TSE knows; PIN tries left by user where an answer told them; why no login is tried.

    `no_login` is empty while logins are allowed; only an operator makes it so again.
    """

    client_id: str = ""
    tries: dict[int, int] = field(default_factory=dict)
    no_login: str = ""


class PinMemory:
    """The record of one TSE, kept in `path`; without it only as long as the gateway runs."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._writing = asyncio.Lock()
        self._on_disk = path is not None and path.exists()
        self.record = PinRecord() if path is None else _read(path)

    async def write(self, **changes: object) -> None:
        """Change fields; on the disk when this returns. Once begun it is done, even if the caller is cancelled.

        Raises:
            ConfigurationError: it cannot be written; then nothing has changed.
        """
        await asyncio.shield(self._save(changes))

    async def try_to_write(self, **changes: object) -> None:
        """The same where the work goes on without the disk; what cannot be written is known until the gateway ends."""
        try:
            await self.write(**changes)
        except ConfigurationError as error:
            log.warning("not remembered over a restart: %s", error, extra=event(Event.DISK_TROUBLE))
            self.record = replace(self.record, **changes)  # type: ignore[arg-type]

    def heed_operator(self) -> None:
        """Whoever removes the file while the gateway runs allows logins again; tries that are known stay known."""
        if not (self.record.no_login and self._on_disk and self._path is not None):
            return
        try:
            self._path.stat()
        except FileNotFoundError:
            self._on_disk = False
            self.record = replace(self.record, no_login="")
        except OSError as error:
            log.debug("%s cannot be looked at: %s", self._path, error)

    async def _save(self, changes: dict[str, object]) -> None:
        async with self._writing:
            changed = replace(self.record, **changes)  # type: ignore[arg-type]
            if changed == self.record:
                return
            if self._path is not None:
                await asyncio.to_thread(write_private, self._path, _encode(changed))
                self._on_disk = True
            self.record = changed


def _encode(record: PinRecord) -> bytes:
    plain = {
        "client_id": record.client_id,
        "tries": {str(user): left for user, left in record.tries.items()},
        "no_login": record.no_login,
    }
    return json.dumps(plain, indent=1).encode() + b"\n"


def _read(path: Path) -> PinRecord:
    """A damaged file allows no login: it may have held the word that forbids it."""
    try:
        content = read_private(path)
        if content is None:
            return PinRecord()
        plain = json.loads(content)
        tries = {int(user): int(left) for user, left in plain["tries"].items()}
        return PinRecord(str(plain["client_id"]), tries, str(plain["no_login"]))
    except ConfigurationError as error:
        return PinRecord(no_login=str(error))
    except (ValueError, KeyError, TypeError, AttributeError):
        return PinRecord(no_login=f"{path} is damaged")
