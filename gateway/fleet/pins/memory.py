"""The PIN memory of a TSE: what must outlast a restart or a power cut. One small JSON file per TSE.

{"client_id": "POS-1", "tries": {"2": 1}, "no_login": "...", "no_login_de": "..."}

`tries` go by the number of the owner, 0 is the PUK.
"""

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.i18n.text import NOTHING, Text, literal
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event
from gateway.tse.pins import PinOwner

log = logging.getLogger(__name__)

_DAMAGED = Text(
    "{path} is damaged: remove it to allow logins",
    "{path} ist beschädigt: die Datei löschen, um Anmeldungen zu erlauben",
)


class NotRemembered(ConfigurationError):
    """The record cannot be written: the disk is full, read-only or broken. It says nothing of any PIN."""

    code = "not_remembered"


@dataclass(frozen=True, slots=True)
class PinRecord:
    """What is remembered of one TSE; it holds no PIN.

    `client_id` is one that the TSE knows, empty while none is known. `tries` has the tries left of each owner
    whose PIN or PUK was wrong since it was last right. `no_login` says why the gateway logs in no more; it is
    empty while logins are allowed.
    """

    client_id: str = ""
    tries: dict[PinOwner, int] = field(default_factory=dict)
    no_login: Text = NOTHING


class PinMemory:
    """The record of one TSE, kept in the file `path`; without a path, until the gateway ends.

    `trouble` says why the file could not be written last; it is empty if it could.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._writing = asyncio.Lock()
        self._on_disk = path is not None and path.exists()
        self._written = path is None
        self.record = self._stored = PinRecord() if path is None else _read(path)
        self.trouble = NOTHING

    async def write(self, **changes: object) -> None:
        """Change fields of the record; they are on the disk on return, even if the caller was cancelled meanwhile.

        Raises:
            NotRemembered: the file cannot be written; the record is unchanged.
        """
        await asyncio.shield(self._save(changes))

    async def check(self, *, again: bool = False) -> None:
        """Find out whether the file can be written: once, then while it could not, and `again` in any case."""
        if (again or self.trouble or not self._written) and self._path is not None:
            with suppress(NotRemembered):
                await asyncio.shield(self._rewrite())

    async def try_to_write(self, **changes: object) -> None:
        """Change fields of the record, on the disk if possible and in memory in any case."""
        try:
            await self.write(**changes)
        except NotRemembered as error:
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
            self.record, self._stored = replace(self.record, no_login=NOTHING), PinRecord()
        except OSError as error:
            log.debug("%s cannot be looked at: %s", self._path, error)

    async def _save(self, changes: dict[str, object]) -> None:
        async with self._writing:
            changed = replace(self.record, **changes)  # type: ignore[arg-type]
            if changed != self._stored:
                await self._store(changed)
            self.record = changed

    async def _rewrite(self) -> None:
        async with self._writing:
            await self._store(self.record)

    async def _store(self, record: PinRecord) -> None:
        if self._path is not None:
            try:
                await asyncio.to_thread(write_private, self._path, _encode(record))
            except ConfigurationError as error:
                self.trouble = error.text
                raise NotRemembered(self.trouble) from None
            self._on_disk = self._written = True
        self._stored, self.trouble = record, NOTHING


def _encode(record: PinRecord) -> bytes:
    plain = {
        "client_id": record.client_id,
        "tries": {str(owner.number): left for owner, left in record.tries.items()},
        "no_login": str(record.no_login),
        "no_login_de": record.no_login.in_language("de"),
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
        english = str(plain["no_login"])
        no_login = literal(
            english, str(plain.get("no_login_de", english))
        )  # the German was not kept in former versions
        return PinRecord(str(plain["client_id"]), known, no_login)
    except ConfigurationError as error:
        why = error.text
    except (ValueError, KeyError, TypeError, AttributeError):
        why = _DAMAGED.filled(path=path)
    log.warning("%s", why, extra=event(Event.FILE_DAMAGED))
    return PinRecord(no_login=why)
