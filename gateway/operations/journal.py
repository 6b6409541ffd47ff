"""The journal of signatures under an Idempotency-Key: lines written ahead, which survive kill -9 and power loss.

begun     on the disk before the TSE is asked: the request, and where the store ended then
started   a one-shot receipt has its transaction number
done      the signature; on the disk before the client gets it
void      nothing was signed under this key: the TSE refused, or shows no trace of it
given up  whether something was signed can no longer be found out, or somebody else has finished the transaction

A key whose last line is `begun` or `started` has an unclear end: `settlement` has the TSE asked.
"""

import asyncio
import base64
import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gateway.errors import GatewayError
from gateway.i18n.text import NOTHING, Text, reason_of
from gateway.operations.receipt import Signed
from gateway.storage import strict_json
from gateway.storage.append_log import AppendLog
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

JOURNAL = "receipts.journal"  # its name in the state directory
KEPT_SECONDS = 3 * 24 * 3600.0
KEPT_KEYS = 50_000
_GARBAGE_LINES = 20_000  # more than this many lines that tell nothing any more: write the file anew
_KEY = re.compile(rb'"key": ("(?:[^"\\]|\\.)*")')
_OUTCOME_UNKNOWN = "outcome_unknown"  # code of the error in `recovery`, which imports this module
_DAMAGED = "?"  # fingerprint of a key of which only a damaged line tells


class JournalFailed(GatewayError):
    """The journal cannot be written (disk full?), so nothing is signed under a key."""

    code = "journal_failed"


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """All that is known of one key; times in Unix seconds.

    `position` and `signatures` are the blocks in the store and the signatures made before.

    `sure` says that the TSE has been asked about the end, or that this process saw it; `given_up`, unless empty, is
    the code of the error that the key gets from now on. `reference` and `metadata` are the client's own.
    """

    key: str
    fingerprint: str
    action: str
    serial: str
    client_id: str
    position: int
    signatures: int
    at: float
    number: int = 0
    start_time: int | None = None
    done: Signed | None = None
    sure: bool = False
    given_up: str = ""
    reference: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def unclear(self) -> bool:
        """True while nobody knows whether, or what, the TSE has signed."""
        return self.done is None and not self.sure and not self.given_up


_RECORD = TypeAdapter(JournalRecord)


class Journal:
    """The records by key. Every method but the constructor belongs to the event loop."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._log = AppendLog(path)
        self._now = now
        self._records: dict[str, JournalRecord] = {}
        self._unclear: dict[str, JournalRecord] = {}
        self._keys: defaultdict[tuple[str, int], dict[str, None]] = defaultdict(dict)  # by TSE and transaction
        self._lines = 0
        self._unreadable = NOTHING
        self._told = False
        self._most_garbage = _GARBAGE_LINES
        self._writing = asyncio.Lock()
        try:
            self._load()
            self._forget_old()
        except JournalFailed as error:  # no reason to keep tills from selling that use no key
            log.warning("%s: nothing is signed under a key", error, extra=event(Event.DISK_TROUBLE))
        else:
            self._rewrite(list(self._records.values()))

    def find(self, key: str) -> JournalRecord | None:
        """Return the record of `key`; `None` if there is none."""
        return self._records.get(key)

    def records(self) -> list[JournalRecord]:
        """Return all records, oldest first."""
        return list(self._records.values())

    def unclear(self, serial: str | None = None) -> list[JournalRecord]:
        """Return the records of one TSE, or of all, whose end nobody knows yet."""
        return [record for record in self._unclear.values() if serial in {None, record.serial}]

    def of_transaction(self, serial: str, number: int) -> list[JournalRecord]:
        """Return the records of a transaction, oldest first."""
        return [self._records[key] for key in self._keys.get((serial, number), ())]

    def numbers_of(self, serial: str, reference: str) -> frozenset[int]:
        """Return the transactions of a TSE that got this reference of a client."""
        wanted = serial, reference
        return frozenset(
            it.number for it in self._records.values() if (it.serial, it.reference) == wanted and it.number
        )

    def claims(self, serial: str, number: int) -> bool:
        """Return whether this transaction was started under one of the keys."""
        return any(record.action in {"start", "sign"} for record in self.of_transaction(serial, number))

    async def begin(self, record: JournalRecord) -> None:
        """Write a record ahead of the signature; it is on the disk on return.

        Raises:
            JournalFailed: it cannot be written, so nothing may be signed.
        """
        await self._append(record, durable=True)
        self._keep(record)

    async def update(self, record: JournalRecord) -> None:
        """Replace the record by one that knows more; it need not be on the disk."""
        self._keep(record)
        await self._append_if_possible(record, durable=False)

    async def end(self, record: JournalRecord) -> None:
        """Write the signature. It exists already, so a full disk is logged and the client gets it nevertheless."""
        self._keep(record)
        await self._append_if_possible(record, durable=True)

    async def void(self, record: JournalRecord) -> None:
        """Free the key, since nothing was signed under it: what others sign now is not taken for its."""
        self._drop(record.key)
        await self._append_if_possible(replace(record, fingerprint=""), durable=True)

    def _keep(self, record: JournalRecord) -> None:
        self._drop_number(record.key)
        self._records[record.key] = record
        if record.number:
            self._keys[record.serial, record.number][record.key] = None
        if record.unclear:
            self._unclear[record.key] = record
        else:
            self._unclear.pop(record.key, None)

    def _drop_number(self, key: str) -> None:
        known = self._records.get(key)
        keys = None if known is None else self._keys.get((known.serial, known.number))
        if known is not None and keys is not None:
            keys.pop(key, None)
            if not keys:
                del self._keys[known.serial, known.number]

    def _drop(self, key: str) -> None:
        self._drop_number(key)
        self._records.pop(key, None)
        self._unclear.pop(key, None)

    async def _append_if_possible(self, record: JournalRecord, *, durable: bool) -> None:
        try:
            await self._append(record, durable=durable)
        except JournalFailed as error:
            log.warning("%s; after a restart the TSE will be asked instead", error, extra=event(Event.DISK_TROUBLE))

    async def _append(self, record: JournalRecord, *, durable: bool) -> None:
        if self._unreadable:
            raise JournalFailed(self._unreadable)
        async with self._writing:
            self._forget_old()
            garbage = self._lines - len(self._records)
            anew = list(self._records.values()) if garbage > self._most_garbage else None
            try:
                await asyncio.to_thread(self._write, record, anew, durable=durable)
            except OSError as error:
                raise JournalFailed(
                    Text(
                        "the journal {path} cannot be written: {reason}",
                        "das Journal {path} lässt sich nicht schreiben: {reason}",
                    ),
                    path=self._path,
                    reason=reason_of(error),
                ) from None
            self._lines += 1

    def _write(self, record: JournalRecord, anew: list[JournalRecord] | None, *, durable: bool) -> None:
        if anew is not None:
            self._rewrite(anew)
        self._log.append(_plain(record), durable=durable)

    def _load(self) -> None:
        try:
            for record in self._log.read(_record, self._take_damaged):
                self._lines += 1
                self._drop(record.key)
                if record.fingerprint:
                    self._keep(record)
        except OSError as error:
            self._unreadable = Text(
                "the journal {path} cannot be read: {reason}", "das Journal {path} lässt sich nicht lesen: {reason}"
            ).filled(path=self._path, reason=reason_of(error))
            raise JournalFailed(self._unreadable) from None

    def _take_damaged(self, line: bytes) -> None:
        """Let no damaged line be the reason that something is signed twice: the TSE is asked, or the key given up."""
        self._lines += 1
        found = _KEY.search(line)
        try:
            key = str(strict_json.parse(found[1])) if found is not None else ""
        except ValueError:
            key = ""
        known = self._records.get(key)
        if known is not None and known.done is None:
            self._keep(replace(known, sure=False, given_up=""))
        elif known is None and key:
            lost = JournalRecord(key, _DAMAGED, "", "", "", 0, 0, self._now(), given_up=_OUTCOME_UNKNOWN)
            self._keep(lost)

    def _rewrite(self, records: list[JournalRecord]) -> None:
        """Write the file anew, if the disk has room for a second one; else it grows on."""
        try:
            self._log.rewrite(map(_plain, records))
        except OSError as error:
            self._most_garbage += _GARBAGE_LINES
            text = "the journal %s cannot be written anew and grows on: %s"
            log.warning(text, self._path, error.strerror, extra=event(Event.DISK_TROUBLE))
        else:
            self._most_garbage, self._lines = _GARBAGE_LINES, len(records)

    def _forget_old(self) -> None:
        """Drop what is too old, and the oldest of too many; never a key whose end nobody knows."""
        since, surplus = self._now() - KEPT_SECONDS, len(self._records) - KEPT_KEYS
        dropped: list[JournalRecord] = []
        for record in self._records.values():  # oldest first
            if record.at >= since and len(dropped) >= surplus:
                break
            if not record.unclear:
                dropped.append(record)
        for record in dropped:
            self._drop(record.key)
        if dropped and dropped[-1].at >= since and not self._told:
            self._told = True
            log.warning("more than %d keys in three days: the oldest are forgotten sooner", KEPT_KEYS)


def _plain(record: JournalRecord) -> dict[str, Any]:
    plain = asdict(record)
    if record.done is not None:
        plain["done"]["signature"] = base64.b64encode(record.done.signature).decode()
    return plain


def _record(plain: dict[str, Any]) -> JournalRecord:
    if plain["done"] is not None:
        plain["done"]["signature"] = base64.b64decode(plain["done"]["signature"], validate=True)
    return _RECORD.validate_python(plain)
