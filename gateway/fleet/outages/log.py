"""The outage log: when a TSE could not be used, why, and how many requests that cost (AEAO on section 146a AO).

outages.jsonl   one JSON object a line, only ever added to; a line is on the disk before the next is begun
  {"at": "2026-11-23T08:15:02Z", "event": "begin", "serial": "...", "reason": "device_timeout"}
  {"at": "...", "event": "end", "serial": "...", "reason": "...", "began": "...", "seconds": 61.2, "refused": 4,
   "tills": 2}
  "seen" names a TSE for the first time, "retired" one that is gone for good; "stopped" is an orderly end
  a line with "served_by" is no outage: from begin to end that standby of the pool served in place of the TSE
outages.alive   its time of change tells until when the gateway ran, should it end without "stopped"

An outage without serial is one of the gateway itself.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError
from gateway.i18n.text import Text, reason_of
from gateway.storage.append_log import AppendLog
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

LOG, ALIVE = "outages.jsonl", "outages.alive"
GATEWAY = ""  # the serial of outages of the gateway itself
STOPPED, CRASHED = "gateway_stopped", "gateway_crashed"
STANDBY_SERVES = "standby_serves"
_YEARS = range(1970, 9999)
_KEPT = 1000  # past outages in memory; the file holds all


class OutagesUnreadable(GatewayError):
    """The outage log cannot be read."""

    code = "outages_unreadable"


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage; moments in Unix seconds, `ended` is `None` while it lasts.

    `tills` counts client ids, and addresses of tills that have sent none. With `served_by` it is no outage, but a time
    in which that TSE served in place of `serial`, its primary.
    """

    serial: str
    reason: str
    began: float
    ended: float | None = None
    refused: int = 0
    tills: int = 0
    served_by: str = ""

    def seconds(self, now: float) -> float:
        """Return its length until `now` or its end, in seconds; 0 if the clock was set back."""
        return max(0.0, (now if self.ended is None else self.ended) - self.began)


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of all outages of one TSE for one reason."""

    count: int = 0
    seconds: float = 0.0
    refused: int = 0

    def plus(self, outage: Outage, now: float) -> "Total":
        return Total(self.count + 1, self.seconds + outage.seconds(now), self.refused + outage.refused)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the file; `outage` where it begins or ends one."""

    at: float
    event: str
    serial: str
    outage: Outage | None = None


class OutageLog:
    """The log of one gateway: in memory at once, on the disk with the next `save`. `now` is in Unix seconds."""

    def __init__(self, directory: Path) -> None:
        self._log = AppendLog(directory / LOG)
        self._alive = directory / ALIVE
        self._unsaved: list[dict[str, Any]] = []
        self._saving = threading.Lock()
        self._totals: dict[tuple[str, str], Total] = {}
        self._stopped_at: float | None = None
        self._tills: dict[str, set[str]] = {}  # whom the present outages have refused
        self._trouble = ""
        self.known: set[str] = set()
        self.open: dict[str, Outage] = {}
        self.standby: Outage | None = None  # while a standby serves in place of the primary of the pool
        self.past: deque[Outage] = deque(maxlen=_KEPT)
        self._read()

    def started(self, now: float) -> None:
        """Begin to run; the time since the gateway last ran becomes an outage of its own."""
        alive = None
        with suppress(OSError):
            alive = self._alive.stat().st_mtime
        since, reason = (alive, CRASHED) if self._stopped_at is None else (self._stopped_at, STOPPED)
        if since is not None and since < now:
            self._note(since, "begin", serial=GATEWAY, reason=reason)
            self._close(Outage(GATEWAY, reason, since, now))
        self._stopped_at = None

    def seen(self, serial: str, now: float) -> None:
        """Note that a TSE is there; from now on it is missed when it is not."""
        if serial not in self.known:
            self.known.add(serial)
            self._note(now, "seen", serial=serial)

    def missing(self, present: Iterable[str]) -> list[str]:
        """Return the known serials that are not `present`, sorted."""
        return sorted(self.known.difference(present))

    def retire(self, serial: str, now: float) -> bool:
        """Miss the TSE no longer, since it is out of service; return whether it was known."""
        if serial not in self.known:
            return False
        self.end(serial, now)
        self.known.discard(serial)
        self._note(now, "retired", serial=serial)
        return True

    def begin(self, serial: str, reason: str, now: float, refused: int = 0, tills: Iterable[str] = ()) -> None:
        """Begin an outage; one of the same TSE for another reason ends."""
        present = self.open.get(serial)
        if present is not None and present.reason == reason:
            return
        self.end(serial, now)
        known = self._tills[serial] = set(tills)
        self.open[serial] = Outage(serial, reason, now, refused=refused, tills=len(known))
        self._note(now, "begin", serial=serial, reason=reason)

    def end(self, serial: str, now: float) -> None:
        """End the outage of a TSE, if there is one."""
        outage = self.open.pop(serial, None)
        if outage is not None:
            self._close(replace(outage, ended=now))

    def standby_begins(self, primary: str, standby: str, now: float) -> None:
        """Note that `standby` serves in place of `primary` from now on, and no other."""
        self.standby_ends(now)
        self.standby = Outage(primary, STANDBY_SERVES, now, served_by=standby)
        self._note(now, "begin", serial=primary, reason=STANDBY_SERVES, served_by=standby)

    def standby_ends(self, now: float) -> None:
        """Note that the primary serves again."""
        if self.standby is not None:
            self._note_end(replace(self.standby, ended=now))
            self.standby = None

    def refused(self, serial: str, till: str = "") -> bool:
        """Count a refused request of `till`; return false, and count nothing, if there is no outage."""
        outage = self.open.get(serial)
        if outage is None:
            return False
        known = self._tills.setdefault(serial, set())
        known.update({till} - {""})
        self.open[serial] = replace(outage, refused=outage.refused + 1, tills=max(outage.tills, len(known)))
        return True

    def stopped(self, now: float) -> None:
        """Note that the gateway ends in order."""
        self._note(now, "stopped")

    def all(self) -> list[Outage]:
        """Return every outage ever written down, and the present ones, oldest first. Reads the file, so it blocks.

        Raises:
            OutagesUnreadable: the file is there and cannot be read.
        """
        unsaved, present = (
            self._unsaved[:],
            [*self.open.values(), *filter(None, [self.standby])],
        )  # before the file: a line may move there meanwhile
        past: dict[Outage, None] = {}
        try:
            past.update(dict.fromkeys(_ended(self._log.read(_entry))))
        except OSError as error:
            raise OutagesUnreadable(
                Text(
                    "the outage log {path} cannot be read: {reason}",
                    "das Ausfallprotokoll {path} lässt sich nicht lesen: {reason}",
                ),
                path=self._log.path,
                reason=reason_of(error),
            ) from None
        past.update(dict.fromkeys(_ended(map(_entry, unsaved))))
        return sorted([*past, *present], key=lambda outage: outage.began)

    def totals(self, now: float | None = None) -> dict[tuple[str, str], Total]:
        """Return the totals by serial and reason, present outages included."""
        moment = datetime.now(UTC).timestamp() if now is None else now
        found = dict(self._totals)
        for outage in self.open.values():
            key = (outage.serial, outage.reason)
            found[key] = found.get(key, Total()).plus(outage, moment)
        return found

    @property
    def unsaved(self) -> bool:
        """True if a power cut would lose anything."""
        return bool(self._unsaved)

    def save(self) -> None:
        """Write to the disk what is new, and that the gateway is alive. Blocks; what fails is tried again next time."""
        with self._saving:
            lines = self._unsaved[:]
            try:
                if lines:
                    self._log.append(*lines)
                    del self._unsaved[: len(lines)]
                self._alive.touch(mode=0o600)
            except OSError as error:
                if self._trouble != str(error):
                    told = event(Event.DISK_TROUBLE)
                    log.warning("the outage log %s cannot be written: %s", self._log.path, error.strerror, extra=told)
                self._trouble = str(error)
            else:
                self._trouble = ""

    def _close(self, outage: Outage) -> None:
        self._remember(outage)
        self._note_end(outage)

    def _note_end(self, outage: Outage) -> None:
        moment = outage.ended or outage.began
        self._note(
            moment,
            "end",
            serial=outage.serial,
            reason=outage.reason,
            began=_text(outage.began),
            seconds=round(outage.seconds(moment), 3),
            refused=outage.refused,
            tills=outage.tills,
            **({"served_by": outage.served_by} if outage.served_by else {}),
        )

    def _remember(self, outage: Outage) -> None:
        self.past.append(outage)
        key = (outage.serial, outage.reason)
        self._totals[key] = self._totals.get(key, Total()).plus(outage, outage.ended or outage.began)

    def _note(self, now: float, event: str, **fields: object) -> None:
        self._unsaved.append({"at": _text(now), "event": event, **fields})

    def _read(self) -> None:
        try:
            for entry in self._log.read(_entry):
                self._replay(entry)
        except OSError as error:
            told = event(Event.FILE_DAMAGED)
            log.warning("the outage log %s cannot be read: %s", self._log.path, error.strerror, extra=told)

    def _replay(self, entry: _Entry) -> None:
        if entry.event != "retired":  # which an operator may add after the end
            self._stopped_at = entry.at if entry.event == "stopped" else None
        if entry.event == "seen":
            self.known.add(entry.serial)
        elif entry.event == "retired":
            self.known.discard(entry.serial)
            self.open.pop(entry.serial, None)
        elif entry.outage is not None and entry.outage.served_by:
            self.standby = entry.outage if entry.event == "begin" else None
        elif entry.event == "begin" and entry.outage is not None:
            self.open[entry.serial] = entry.outage
        elif entry.event == "end" and entry.outage is not None:
            self.open.pop(entry.serial, None)
            self._remember(entry.outage)


def _ended(entries: Iterable[_Entry]) -> Iterator[Outage]:
    return (entry.outage for entry in entries if entry.event == "end" and entry.outage is not None)


def _entry(plain: dict[str, Any]) -> _Entry:
    at, event, serial = _moment(plain["at"]), str(plain["event"]), str(plain.get("serial", GATEWAY))
    outage, served_by = None, str(plain.get("served_by", ""))
    if event == "begin":
        outage = Outage(serial, str(plain["reason"]), at, served_by=served_by)
    elif event == "end":
        refused, tills = _count(plain["refused"]), _count(plain.get("tills", 0))  # older lines do not tell of tills
        outage = Outage(serial, str(plain["reason"]), _moment(plain["began"]), at, refused, tills, served_by)
    return _Entry(at, event, serial, outage)


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("no count")
    return value


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: object) -> float:
    moment = datetime.fromisoformat(str(text))
    if moment.year not in _YEARS:
        raise ValueError("no moment that can be shown in every time zone")
    return moment.timestamp()
