"""The PIN memory of a TSE: what must outlast a restart or a power cut. One small JSON file per TSE.

{"client_id": "POS-1", "tries": {"2": 1}, "no_login": "..."}        `tries` by number of the owner, 0 is the PUK
"""

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway import strict_json
from gateway.errors import ConfigurationError
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event
from gateway.tse.pins import PinOwner

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PinRecord:
    """What is remembered of one TSE; it holds no PIN.

    `client_id` is one that the TSE knows, empty while none is known. `tries` has the tries left of each owner
    whose PIN or PUK was wrong since it was last right. `no_login` says why the gateway logs in no more; it is
    empty while logins are allowed.
    """

    client_id: str = ""
    tries: dict[PinOwner, int] = field(default_factory=dict)
    no_login: str = ""


class PinMemory:
    """The record of one TSE, kept in the file `path`; without a path, until the gateway ends."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._writing = asyncio.Lock()
        self._on_disk = path is not None and path.exists()
        self.record = PinRecord() if path is None else _read(path)

    async def write(self, **changes: object) -> None:
        """Change fields of the record; they are on the disk on return, even if the caller was cancelled meanwhile.

        Raises:
            ConfigurationError: the file cannot be written; the record is unchanged.
        """
        await asyncio.shield(self._save(changes))

    async def try_to_write(self, **changes: object) -> None:
        """Change fields of the record, on the disk if possible and in memory in any case."""
        try:
            await self.write(**changes)
        except ConfigurationError as error:
            log.warning("not remembered over a restart: %s", error, extra=event(Event.DISK_TROUBLE))
            self.record = replace(self.record, **changes)  # type: ignore[arg-type]

    def heed_operator(self) -> None:
        """Allow logins again if an operator has removed the file; known tries stay known."""
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
        "tries": {str(owner.number): left for owner, left in record.tries.items()},
        "no_login": record.no_login,
    }
    return json.dumps(plain, indent=1).encode() + b"\n"


def _read(path: Path) -> PinRecord:
    """Return the stored record. A damaged file allows no login, since it may have forbidden one."""
    try:
        content = read_private(path)
        if content is None:
            return PinRecord()
        plain = strict_json.parse(content)
        tries = {PinOwner.of(int(user)): int(left) for user, left in plain["tries"].items()}
        known = {owner: left for owner, left in tries.items() if owner is not None}
        return PinRecord(str(plain["client_id"]), known, str(plain["no_login"]))
    except ConfigurationError as error:
        why = str(error)
    except (ValueError, KeyError, TypeError, AttributeError):
        why = f"{path} is damaged: remove it to allow logins"
    log.warning("%s", why, extra=event(Event.FILE_DAMAGED))
    return PinRecord(no_login=why)
