"""The lock of one TSE, lent to one client after the other: who waits, for how long, and what is told of it.

What a holder left unfinished is aborted before the next one gets the lock.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gateway.errors import DeviceGone, LockRefused
from gateway.fleet.commands.connection import TseConnection
from gateway.fleet.lock.queue import Holder, Lease, LockQueue, Ticket
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.unfinished import Unfinished

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.1  # seconds between looks at broken connections, only while somebody waits
_COURTESY = 1.0  # seconds; a receipt takes about half of that


def new_session() -> int:
    """An unguessable session id: a non-zero u64."""
    return secrets.randbelow(2**64 - 1) + 1


class TseLock:
    """Of one device. `opening` gives its present one; nobody gets the lock while a task of `unsettled` runs.

    `abort` is told what a holder left unfinished.
    """

    def __init__(
        self,
        serial: str,
        queue: LockQueue,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        connection: Callable[[], TseConnection],
        unsettled: set[asyncio.Task[None]],
        abort: Callable[[Unfinished], None],
    ) -> None:
        self._serial = serial
        self._queue = queue
        self._metrics = metrics
        self._clock = clock
        self._connection = connection
        self._unsettled = unsettled
        self._abort = abort
        self._changed = asyncio.Event()
        self._refusing = False

    async def acquire(self, holder: Holder, wait: float) -> Lease:
        """The lock for `holder`, after at most `wait` seconds in the queue.

        Raises:
            LockRefused: others held it all the time.
            DeviceGone: the TSE failed (at once, or while waiting).
        """
        return await self._wait_for(self._queue.join(holder, self._clock()), wait)

    async def regain(self, session: int, holder: Holder, wait: float) -> None:
        """Get the lock back if the lease of `session` stepped aside; else nothing is to be done.

        Raises:
            LockRefused: others held it for `wait` seconds.
        """
        if self._queue.is_aside(session):
            with self.use(session, holder, reading=True) as lease:
                await self._wait_for(self._queue.join(holder, self._clock(), lease), wait)

    def release(self, session: int) -> None:
        """Give the lock back; what the holder left unfinished is aborted.

        A holder that has lost its lock already gets no error: the vendor's library would take
        it for the result of the command before, which may have signed.

        Raises:
            InvalidSession: by anyone who never held the lock.
        """
        if self._queue.ended(session):
            return
        lease = self._queue.release(session)
        self._metrics.locks.released(self._serial, held=self._clock() - lease.granted)
        self._clear_up(lease)

    @contextmanager
    def use(self, session: int, holder: Holder, *, reading: bool = False) -> Iterator[Lease]:
        """A request of the holder is being done; its lease cannot lapse meanwhile. `reading` changes nothing.

        Raises:
            DeviceGone: the TSE failed and is not back yet.
            InvalidSession: `session` does not hold the lock.
        """
        self._refuse_if_gone()
        lease = self._queue.enter(session, holder, self._clock(), reading=reading)
        try:
            yield lease
        finally:
            self._queue.exit(lease, self._clock())

    def has_ended(self, session: int) -> bool:
        """Did `session` hold the lock once, and does no longer?"""
        return self._queue.ended(session)

    def sweep(self) -> None:
        """End a lease whose holder is silent or gone."""
        lapsed = self._queue.lapse(self._clock())
        if lapsed is None:
            return
        lease, reason = lapsed
        expired = event(Event.LOCK_EXPIRED, self._serial, reason=reason.value)
        log.warning("lock of TSE %s taken back: its holder is %s", self._serial, reason, extra=expired)
        self._metrics.locks.expired(self._serial, reason)
        self._metrics.locks.released(self._serial, held=self._clock() - lease.granted)
        self._clear_up(lease)

    async def drain(self) -> None:
        """Lend the lock to nobody who asks from now on; returns when all who had asked before are done with it."""
        self._queue.close()
        while self._queue.wanted and not self._connection().over.is_set():
            self.sweep()
            await self._change()

    def refuse_waiting(self) -> None:
        """Nobody who waits for the lock gets it any more, now or later."""
        self._refusing = True
        self._wake()

    @property
    def lease(self) -> Lease | None:
        """Who holds the lock now."""
        return self._queue.lease

    async def wait_for_sale(self, mine: Lease | None = None) -> None:
        """Wait until whoever else holds the lock has finished a sale, but only a moment: for readers in no hurry."""
        present = self._queue.lease
        with suppress(TimeoutError):
            async with asyncio.timeout(_COURTESY):
                while present is not None and self._queue.lease is present is not mine:
                    if not present.under_way(self._clock()):
                        return
                    await self._change()

    @property
    def held_seconds(self) -> float | None:
        """For how long somebody holds the lock; `None` when it is free."""
        lease = self._queue.lease
        return None if lease is None else round(self._clock() - lease.granted, 1)

    @property
    def waiting_clients(self) -> int:
        """How many wait for the lock."""
        return self._queue.waiting

    @property
    def free(self) -> bool:
        """Nobody has it, not even aside, and nobody waits for it."""
        return not (self._queue.held or self._queue.waiting)

    def revoke(self) -> None:
        """End every lease: the TSE is given up."""
        self._ended(self._queue.revoke())
        self._wake()

    def end_aside(self) -> None:
        """End the leases that stepped aside: the store that they read is about to be emptied."""
        self._ended(self._queue.end_aside())

    async def _wait_for(self, ticket: Ticket, wait: float) -> Lease:
        try:
            with self._metrics.locks.waiting(self._serial):
                async with asyncio.timeout(wait):
                    lease = await self._granted(ticket)
        except TimeoutError:
            self._metrics.locks.refused(self._serial)
            raise LockRefused(f"another client held the TSE for {wait:g} s: try again") from None
        finally:
            self._queue.leave(ticket)
            self._wake()
        self._metrics.locks.granted(self._serial, waited=lease.granted - ticket.since)
        return lease

    async def _granted(self, ticket: Ticket) -> Lease:
        while True:
            self._refuse_if_gone()
            if self._refusing:
                raise LockRefused("the gateway stops: try again when it is back")
            self.sweep()
            if self._unsettled:  # what the last holder left unfinished is aborted before the next one comes
                await asyncio.wait(self._unsettled)
                continue
            lease = self._queue.grant(ticket, self._clock())
            if lease is not None:
                return lease
            await self._change()

    async def _change(self) -> None:
        """Something changed, or it is time to look at broken connections."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN):
                await changed.wait()

    def _ended(self, leases: list[Lease]) -> None:
        for lease in leases:
            self._metrics.locks.released(self._serial, held=self._clock() - lease.granted)

    def _clear_up(self, lease: Lease) -> None:
        for what in sorted(lease.unfinished):
            log.info("aborting the %s that a client of TSE %s left unfinished", what, self._serial)
            self._abort(what)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _refuse_if_gone(self) -> None:
        connection = self._connection()
        if connection.over.is_set():
            raise DeviceGone(connection.reason)
