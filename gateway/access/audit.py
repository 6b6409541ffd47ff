"""The audit log: what operators did, from where, and how it ended; audit.jsonl in the state directory.

{"at": "2026-11-29T08:15:02Z", "who": "chief", "role": "operator", "address": "10.0.0.7", "act": "register_client",
 "serial": "43B6...", "about": {"client_id": "POS-2"}, "result": "done"}

It is only ever added to, and holds no PIN, PUK or token. `who` is the name of a token, `local` the user of the gateway
on its machine, `gateway` the gateway itself.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.access.caller import Caller
from gateway.errors import GatewayError
from gateway.i18n.text import Text, reason_of
from gateway.storage.append_log import AppendLog
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

FILE = "audit.jsonl"
DONE = "done"
GATEWAY = Caller("gateway", None)


class AuditUnreadable(GatewayError):
    """The audit log cannot be read."""

    code = "audit_unreadable"


@dataclass(frozen=True, slots=True)
class Act:
    """One act; `at` in Unix seconds, `serial` empty if it is about no TSE, `result` is done or the code of an error."""

    at: float
    who: str
    role: str
    address: str
    act: str
    serial: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    result: str = DONE


class AuditLog:
    """The log in `path`, or none; `now` in Unix seconds."""

    def __init__(self, path: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._log = None if path is None else AppendLog(path)
        self._now = now
        self._writing = asyncio.Lock()

    async def note(
        self, caller: Caller, act: str, result: str = DONE, *, serial: str = "", about: Mapping[str, Any] | None = None
    ) -> None:
        """Write down an act. It was done, so that a disk that cannot be written is told and refuses nothing."""
        if self._log is None:
            return
        role = "" if caller.role is None else caller.role.value
        made = Act(self._now(), caller.name, role, caller.address, act, serial, about or {}, result)
        async with self._writing:
            try:
                await asyncio.to_thread(self._log.append, _plain(made))
            except OSError as error:
                told = event(Event.DISK_TROUBLE)
                log.error("the audit log %s cannot be written: %s", self._log.path, error.strerror, extra=told)  # noqa: TRY400 (told by it)

    async def acts(self, since: float | None = None, until: float | None = None) -> list[Act]:
        """Return the acts from `since` until before `until` (Unix seconds), the oldest first.

        Raises:
            AuditUnreadable: the file is there and cannot be read.
        """
        if (kept := self._log) is None:
            return []
        try:
            found = await asyncio.to_thread(lambda: list(kept.read(_act)))
        except OSError as error:
            raise AuditUnreadable(
                Text(
                    "the audit log {path} cannot be read: {reason}",
                    "das Audit-Protokoll {path} lässt sich nicht lesen: {reason}",
                ),
                path=kept.path,
                reason=reason_of(error),
            ) from None
        return [act for act in found if (since is None or act.at >= since) and (until is None or act.at < until)]


def _plain(act: Act) -> dict[str, Any]:
    at = datetime.fromtimestamp(act.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "at": at,
        "who": act.who,
        "role": act.role,
        "address": act.address,
        "act": act.act,
        "serial": act.serial,
        "about": dict(act.about),
        "result": act.result,
    }


def _act(plain: dict[str, Any]) -> Act:
    return Act(
        at=datetime.fromisoformat(plain["at"]).timestamp(),
        who=str(plain["who"]),
        role=str(plain["role"]),
        address=str(plain["address"]),
        act=str(plain["act"]),
        serial=str(plain["serial"]),
        about=dict(plain["about"]),
        result=str(plain["result"]),
    )
