"""One holder at a time: locks, sessions and who is next. Pure; the caller brings the clock.

A lock request joins a queue, first come first served. The holder of the lease may be
silent for `idle` seconds. A holder whose connection broke has `orphaned` seconds to come
back on a new one; if it never used its session, the answer to its lock request was most
likely lost and it is asking again already, so it gets only `unused` seconds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.errors import InvalidSession
from gateway.tse.unfinished import Work

UNUSED_GRACE = 0.5
_ENDED_KEPT = 4096  # sessions


class Holder(Protocol):
    """Whoever wants the lock; told apart by identity."""

    @property
    def alive(self) -> bool:
        """False as soon as it is known to be gone."""
        ...


class Lapse(StrEnum):
    """Why a lease ended without being given back."""

    SILENT = "silent"
    ORPHANED = "orphaned"


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the queue; `late` came when the lock was lent to nobody new any more."""

    holder: Holder
    since: float
    late: bool = False


@dataclass(eq=False, slots=True, weakref_slot=True)
class Lease:
    """The right to use a TSE under one session. Times on the caller's clock, seconds."""

    session: int
    holder: Holder
    granted: float
    touched: float
    used: bool = False
    running: int = 0
    broken_since: float | None = None
    unfinished: set[Work] = field(default_factory=set)


class LockQueue:
    """The lock of one TSE and those who wait for it."""

    def __init__(self, *, idle: float, orphaned: float, new_session: Callable[[], int]) -> None:
        self._idle = idle
        self._orphaned = orphaned
        self._new_session = new_session
        self._waiting: deque[Ticket] = deque()
        self._ended: deque[int] = deque(maxlen=_ENDED_KEPT)
        self._closed = False
        self.lease: Lease | None = None

    @property
    def waiting(self) -> int:
        """How many wait for the lock."""
        return len(self._waiting)

    @property
    def wanted(self) -> bool:
        """Does anybody hold the lock, or wait who will still get it?"""
        return self.lease is not None or any(not it.late and it.holder.alive for it in self._waiting)

    def close(self) -> None:
        """Lend to nobody who joins from now on."""
        self._closed = True

    def join(self, holder: Holder, now: float) -> Ticket:
        """Take the last place in the queue."""
        ticket = Ticket(holder, now, self._closed)
        self._waiting.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place up; harmless when it is gone already."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)

    def grant(self, ticket: Ticket, now: float) -> Lease | None:
        """The lease, if the lock is free and everybody alive before this ticket was served."""
        while self._waiting and not self._waiting[0].holder.alive:
            self._waiting.popleft()
        if self.lease is not None or ticket.late or not self._waiting or self._waiting[0] is not ticket:
            return None
        self._waiting.popleft()
        self.lease = Lease(self._new_session(), ticket.holder, now, now)
        return self.lease

    def enter(self, session: int, holder: Holder, now: float) -> Lease:
        """The holder begins a request, perhaps on a new connection; `exit` must follow.

        Raises:
            InvalidSession: nobody, or somebody else, holds the lock.
        """
        lease = self._lease_of(session)
        lease.holder, lease.touched, lease.used, lease.broken_since = holder, now, True, None
        lease.running += 1
        return lease

    def exit(self, lease: Lease, now: float) -> None:
        """The request is done."""
        lease.running -= 1
        lease.touched = now

    def release(self, session: int) -> Lease:
        """The holder gives the lock back.

        Raises:
            InvalidSession: it is not (or no longer) the holder.
        """
        return self._end(self._lease_of(session))

    def ended(self, session: int) -> bool:
        """Was this the session of a lease that has ended, in whatever way?"""
        return session in self._ended

    def revoke(self) -> Lease | None:
        """End the lease, whoever has it: the TSE behind it is gone."""
        return None if self.lease is None else self._end(self.lease)

    def lapse(self, now: float) -> tuple[Lease, Lapse] | None:
        """End a lease whose time is over, and tell why."""
        lease = self.lease
        if lease is None or lease.running:
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
        self.lease = None
        self._ended.append(lease.session)
        return lease

    def _reason_to_end(self, lease: Lease, now: float) -> Lapse | None:
        if now - lease.touched >= self._idle:
            return Lapse.SILENT
        grace = self._orphaned if lease.used else min(UNUSED_GRACE, self._orphaned)
        if lease.broken_since is not None and now - lease.broken_since >= grace:
            return Lapse.ORPHANED
        return None

    def _lease_of(self, session: int) -> Lease:
        if self.lease is None or self.lease.session != session:
            raise InvalidSession("the session is unknown or its lock has lapsed: lock the TSE again")
        return self.lease
