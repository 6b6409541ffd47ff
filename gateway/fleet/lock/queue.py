"""The rules of a lock: one holder at a time, its session, and who is next. Pure; the caller brings the clock.

A lock request joins a queue, first come first served. The holder of the lease may be
silent for `idle` seconds. A holder whose connection broke has `orphaned` seconds to come
back on a new one; if it never used its session, the answer to its lock request was most
likely lost and it is asking again already, so it gets only `unused` seconds.

Whoever does nothing but read the store, as for an export, steps aside as soon as others wait: it
reads on, in turn with them, and sees the store as long as it was when it was told its length. When
it wants to do more, it gets the lock back first. So an export of minutes keeps no till from selling.
"""

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.errors import InvalidSession, ProtocolError
from gateway.i18n.text import Text
from gateway.tse.commands import OpenImport, TransactionStep, title_of
from gateway.tse.sectors import cut_off
from gateway.tse.unfinished import Unfinished

UNUSED_GRACE = 0.5
_BREATH = 0.2  # seconds between two requests that belong together
_READS = 2  # of the store in a row, before somebody is taken for a reader
_ENDED_KEPT = 4096  # sessions


class Holder(Protocol):
    """A client of the lock, such as a TCP connection; told apart by identity."""

    @property
    def alive(self) -> bool:
        """False as soon as the client is known to be gone."""
        ...

    @property
    def peer(self) -> str:
        """Address and port of the client; empty if they are not known, and for the gateway itself."""
        ...

    @property
    def token(self) -> str:
        """Name of its token; empty for the gateway itself."""
        ...

    @property
    def client_id(self) -> str:
        """The till that sent commands on it before; empty if it is not known."""
        ...


class Lapse(StrEnum):
    """Why a lease ended without being given back."""

    SILENT = "silent"
    ORPHANED = "orphaned"
    TOO_LONG = "too_long"
    BROKEN = "broken"


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the queue. `late` ones came after its closing; `back` is the lease that stepped aside before."""

    holder: Holder
    since: float
    late: bool = False
    back: "Lease | None" = None


@dataclass(eq=False, slots=True, weakref_slot=True)
class Lease:
    """The right to use a TSE under one session. Times in seconds on the caller's clock.

    `length` is that of the store in blocks, as the holder was told and as it has not changed it since. `client_id` and
    `last_command`, a title, are empty while none was seen. `finishes`: the step that it announced last ends a
    transaction; `receipt` is when one was signed. A lease that is `broken` ends with the request that runs.
    """

    session: int
    holder: Holder
    granted: float
    touched: float
    used: bool = False
    running: int = 0
    broken_since: float | None = None
    unfinished: set[Unfinished] = field(default_factory=set)
    length: int | None = None
    reads: int = 0
    acted: bool = False
    stepped_aside: bool = False
    client_id: str = ""
    last_command: str = ""
    finishes: bool = False
    receipt: float | None = None
    broken: bool = False

    def sends(self, command: bytes) -> None:
        """Note what the holder sends, and the client id in it."""
        self.last_command = title_of(command)
        if OpenImport.begins(command):
            with suppress(ProtocolError):
                step = OpenImport.decode(command)
                self.client_id, self.finishes = step.client_id.decode("latin-1"), step.event == TransactionStep.FINISH

    def acts(self) -> None:
        """Note that the holder does more than reading."""
        self.acted, self.length = True, None

    def told_length(self, blocks: int) -> None:
        """Keep the length of the store that the holder was told; 0 if the TSE did not tell it."""
        self.length = None if self.acted else blocks or None

    @property
    def only_reads(self) -> bool:
        """True if others may do something meanwhile."""
        return not self.acted and self.length is not None and self.reads >= _READS and not self.unfinished

    def under_way(self, now: float) -> bool:
        """Return whether the holder is in the middle of something that others should let it finish."""
        return not self.only_reads and (self.running > 0 or now - self.touched < _BREATH)

    def as_it_was(self, block: int, data: bytes) -> bytes:
        """Return `data`, the blocks from `block` on, without what others appended since the length was told."""
        if not self.stepped_aside or self.length is None:
            return data
        return cut_off(data, block, self.length)


class LockQueue:
    """The lock of one TSE and those who wait for it."""

    def __init__(
        self, *, idle: float, orphaned: float, longest: float = math.inf, new_session: Callable[[], int]
    ) -> None:
        self._idle = idle
        self._longest = longest
        self._orphaned = orphaned
        self._new_session = new_session
        self._waiting: deque[Ticket] = deque()
        self._ended: deque[int] = deque(maxlen=_ENDED_KEPT)
        self._closed = False
        self._aside: dict[int, Lease] = {}
        self.lease: Lease | None = None

    @property
    def waiting(self) -> int:
        """Number of those who wait for the lock."""
        return len(self._waiting)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Those who wait, the next one first."""
        return tuple(self._waiting)

    @property
    def aside(self) -> tuple[Lease, ...]:
        """The leases that stepped aside."""
        return tuple(self._aside.values())

    @property
    def held(self) -> bool:
        """True while anybody has a lease, even if it stepped aside."""
        return self.lease is not None or bool(self._aside)

    @property
    def wanted(self) -> bool:
        """True while anybody holds the lock, or waits for it and will still get it."""
        return self.held or any(not it.late and it.holder.alive for it in self._waiting)

    def close(self) -> None:
        """Grant the lock to nobody who joins from now on."""
        self._closed = True

    def join(self, holder: Holder, now: float, back: Lease | None = None) -> Ticket:
        """Return a ticket: for the last place in the queue, or to get `back` a lease that stepped aside, the first."""
        ticket = Ticket(holder, now, self._closed and back is None, back)
        if back is None:
            self._waiting.append(ticket)
        else:
            self._waiting.appendleft(ticket)
        return ticket

    def is_aside(self, session: int) -> bool:
        """Return whether the lease of `session` has stepped aside."""
        return session in self._aside

    def leave(self, ticket: Ticket) -> None:
        """Give up the place of `ticket`, if it has one."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)

    def grant(self, ticket: Ticket, now: float) -> Lease | None:
        """Return the lease if the lock is free and everybody alive before `ticket` was served; else `None`."""
        if ticket.back is not None and ticket.back is self.lease:  # a request that was sent twice got it back
            return self.lease
        while self._waiting and not self._waiting[0].holder.alive:
            self._waiting.popleft()
        if ticket.late or not self._waiting or self._waiting[0] is not ticket:
            return None
        if self.lease is not None and self.lease.only_reads:
            self.lease.stepped_aside = True
            self._aside[self.lease.session] = self.lease
            self.lease = None
        if self.lease is not None:
            return None
        self._waiting.popleft()
        self.lease = Lease(self._new_session(), ticket.holder, now, now) if ticket.back is None else ticket.back
        self._aside.pop(self.lease.session, None)
        return self.lease

    def enter(self, session: int, holder: Holder, now: float, *, reading: bool = False) -> Lease:
        """Begin a request of the holder, perhaps on a new connection, and return its lease; `exit` must follow.

        Raises:
            InvalidSession: nobody, or somebody else, holds the lock, or its lease is about to be taken back. One that
                stepped aside serves `reading` only.
        """
        lease = self.find(session)
        if lease.broken or now - lease.granted >= self._longest:
            raise InvalidSession(
                Text(
                    "the lock was taken back: lock the TSE again",
                    "die Sperre wurde zurückgenommen: die TSE neu sperren",
                )
            )
        if not reading and lease is not self.lease:
            raise InvalidSession(
                Text("the lock has stepped aside: get it back first", "die Sperre hat Platz gemacht: erst zurückholen")
            )
        if not reading:
            lease.acts()
        lease.holder, lease.touched, lease.used, lease.broken_since = holder, now, True, None
        lease.running += 1
        return lease

    def exit(self, lease: Lease, now: float) -> None:
        """End a request that `enter` began."""
        lease.running -= 1
        lease.touched = now

    def find(self, session: int) -> Lease:
        """Return the lease of a session, also of one that stepped aside.

        Raises:
            InvalidSession: it has none.
        """
        if self.lease is not None and self.lease.session == session:
            return self.lease
        if session not in self._aside:
            raise InvalidSession(
                Text(
                    "the session is unknown or its lock has lapsed: lock the TSE again",
                    "die Sitzung ist unbekannt, oder ihre Sperre ist abgelaufen: die TSE neu sperren",
                )
            )
        return self._aside[session]

    def release(self, session: int) -> Lease:
        """End the lease of `session` and return it.

        Raises:
            InvalidSession: `session` does not hold the lock (any more).
        """
        return self._end(self.find(session))

    def ended(self, session: int) -> bool:
        """Return whether the lease of `session` has ended, in whatever way."""
        return session in self._ended

    def revoke(self) -> list[Lease]:
        """End all leases and return them: the TSE behind them is gone."""
        return [*([] if self.lease is None else [self._end(self.lease)]), *self.end_aside()]

    def end_aside(self) -> list[Lease]:
        """End the leases that stepped aside and return them: what they read will not be there any more."""
        return [self._end(lease) for lease in list(self._aside.values())]

    def lapse(self, now: float) -> tuple[Lease, Lapse] | None:
        """End one lease whose time is over; return it with the reason, or `None`."""
        leases = [*([] if self.lease is None else [self.lease]), *self._aside.values()]
        return next(filter(None, (self._lapsed(lease, now) for lease in leases)), None)

    def _lapsed(self, lease: Lease, now: float) -> tuple[Lease, Lapse] | None:
        if lease.running:
            return None
        if lease.holder.alive:
            lease.broken_since = None
        elif lease.broken_since is None:
            lease.broken_since = now
        reason = self._reason_to_end(lease, now)
        if reason is None:
            return None
        return self._end(lease), reason

    def _end(self, lease: Lease) -> Lease:
        if self._aside.pop(lease.session, None) is None:
            self.lease = None
        self._ended.append(lease.session)
        return lease

    def _reason_to_end(self, lease: Lease, now: float) -> Lapse | None:
        if lease.broken:
            return Lapse.BROKEN
        if now - lease.granted >= self._longest:
            return Lapse.TOO_LONG
        if now - lease.touched >= self._idle:
            return Lapse.SILENT
        grace = self._orphaned if lease.used else min(UNUSED_GRACE, self._orphaned)
        if lease.broken_since is not None and now - lease.broken_since >= grace:
            return Lapse.ORPHANED
        return None
