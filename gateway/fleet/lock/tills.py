"""The tills of one TSE: who holds the lock, who waits at which place, who sold before. Pure; the caller has the clock.

A till is known by its client id as it passes through in commands; one that has sent none yet, by its address.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.fleet.lock.queue import Holder, Lease, LockQueue

_MOST = 256  # tills that are remembered, the latest


class TillState(StrEnum):
    """What a till does."""

    HOLDS = "holds"
    READS = "reads"  # as for an export, in turn with the others
    WAITS = "waits"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class TillStatus:
    """One till. `token` is the name of its token, `peer` its address and port; each is empty if it is not known.

    `seconds`: since when it does what `state` says; `place` in the queue, 1 is next; `receipt_seconds`: since it last
    finished a transaction, `None` if it did not since the gateway started.
    """

    client_id: str
    token: str
    peer: str
    state: TillState
    seconds: float
    place: int | None = None
    last_command: str = ""
    receipt_seconds: float | None = None

    def __str__(self) -> str:
        who = self.peer or self.token or "the gateway"
        return f"{who} ({self.client_id})" if self.client_id else who


@dataclass(frozen=True, slots=True)
class _Remembered:
    token: str
    peer: str
    seen: float
    receipt: float | None = None


class Tills:
    """The tills of the TSE whose lock is `queue`; times in seconds on the caller's clock."""

    def __init__(self, queue: LockQueue) -> None:
        self._queue = queue
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    def saw(self, lease: Lease, now: float) -> None:
        """Remember the till of `lease`, which ends."""
        if not lease.client_id:
            return
        before = self._remembered.pop(lease.client_id, None)
        last = None if before is None else before.receipt
        last = last if lease.receipt is None else lease.receipt
        self._remembered[lease.client_id] = _Remembered(lease.holder.token, lease.holder.peer, now, last)
        if len(self._remembered) > _MOST:
            self._remembered.popitem(last=False)

    def all(self, now: float) -> list[TillStatus]:
        """Return who holds the lock, who reads beside it, who waits, and who sold before, the latest first."""
        queue = self._queue
        found = [] if queue.lease is None else [self._with_lease(queue.lease, TillState.HOLDS, now)]
        found += [self._with_lease(lease, TillState.READS, now) for lease in queue.aside]
        waiting = (ticket for ticket in queue.tickets if ticket.holder.alive)
        found += [
            replace(
                self._status(ticket.holder.client_id, ticket.holder, TillState.WAITS, ticket.since, now), place=place
            )
            for place, ticket in enumerate(waiting, start=1)
        ]
        busy = {status.client_id for status in found}
        return found + [
            self._status(client_id, known, TillState.IDLE, known.seen, now)
            for client_id, known in reversed(self._remembered.items())
            if client_id not in busy
        ]

    def _with_lease(self, lease: Lease, state: TillState, now: float) -> TillStatus:
        client_id = lease.client_id or lease.holder.client_id
        found = self._status(client_id, lease.holder, state, lease.granted, now)
        receipt = found.receipt_seconds if lease.receipt is None else round(now - lease.receipt, 1)
        return replace(found, last_command=lease.last_command, receipt_seconds=receipt)

    def _status(
        self, client_id: str, who: Holder | _Remembered, state: TillState, since: float, now: float
    ) -> TillStatus:
        known = self._remembered.get(client_id)
        receipt = None if known is None or known.receipt is None else round(now - known.receipt, 1)
        return TillStatus(client_id, who.token, who.peer, state, round(now - since, 1), receipt_seconds=receipt)
