"""The lock of one TSE: it waits, tells metrics and log, and aborts what a holder left unfinished.

free --acquire--> held --release, lapse, revoke--> cleaning up (abort, ask for a lost signature) --> free

Nobody gets the lock while anything is being cleaned up. The rules of who holds it and who is next are in `queue`.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from gateway.errors import CommandRejected, DeviceGone, GatewayError, LockRefused
from gateway.fleet.lock.queue import Holder, Lapse, Lease, LockQueue, Ticket
from gateway.fleet.lock.tills import Tills, TillState, TillStatus
from gateway.i18n.text import Text
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport
from gateway.tse.unfinished import UNDO, Unfinished

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.1  # seconds between looks at broken connections, only while somebody waits
_COURTESY = 1.0  # seconds; a receipt takes about half of that


def new_session() -> int:
    """Return an unguessable session id, a non-zero u64."""
    return secrets.randbelow(2**64 - 1) + 1


@dataclass(frozen=True, slots=True)
class LockStatus:
    """Who holds a lock: `peer` is address and port, empty for the gateway itself; durations are in seconds.

    `client_id` and `last_command` are empty while none was seen under this lock. `token` is the name of its token.
    """

    peer: str
    client_id: str
    seconds: float
    last_command: str
    last_request_seconds: float
    token: str = ""

    def __str__(self) -> str:
        who = self.peer or "the gateway"
        return f"{who} ({self.client_id})" if self.client_id else who


def _status(lease: Lease, now: float) -> LockStatus:
    held, silent = round(now - lease.granted, 1), 0.0 if lease.running else round(now - lease.touched, 1)
    client_id = lease.client_id or lease.holder.client_id
    return LockStatus(lease.holder.peer, client_id, held, lease.last_command, silent, lease.holder.token)


class TseLock:
    """The lock of one TSE. `send` carries out a command without a lease; times are seconds of `clock`."""

    def __init__(
        self,
        serial: str,
        queue: LockQueue,
        metrics: Metrics,
        *,
        send: Callable[[bytes], Awaitable[bytes]],
        clock: Callable[[], float],
    ) -> None:
        self._serial = serial
        self._queue = queue
        self._tills = Tills(queue)
        self._metrics = metrics
        self._send = send
        self._clock = clock
        self._changed = asyncio.Event()
        self._clean_up: set[asyncio.Task[None]] = set()
        self._gone: Text | None = None  # why the TSE is given up, while it is
        self._refusing = False

    # ---- for holders --------------------------------------------------------

    async def acquire(self, holder: Holder, wait: float) -> Lease:
        """Return the lease of `holder`, after at most `wait` seconds in the queue.

        Raises:
            LockRefused: others held the lock all the time, or the gateway stops.
            DeviceGone: the TSE failed, before or while waiting.
        """
        return await self._wait_for(self._queue.join(holder, self._clock()), wait)

    async def regain(self, session: int, holder: Holder, wait: float) -> None:
        """Get the lock back if the lease of `session` stepped aside.

        Raises:
            LockRefused: others held it for `wait` seconds.
        """
        if self._queue.is_aside(session):
            with self.use(session, holder, reading=True) as lease:
                await self._wait_for(self._queue.join(holder, self._clock(), lease), wait)

    @contextmanager
    def use(self, session: int, holder: Holder, *, reading: bool = False) -> Iterator[Lease]:
        """Keep the lease of `session` from lapsing while a request is carried out; `reading` changes nothing.

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

    def check_session(self, session: int) -> None:
        """Raise what `use` would, and change nothing."""
        self._refuse_if_gone()
        self._queue.find(session)

    @asynccontextmanager
    async def hold(self, holder: Holder, wait: float) -> AsyncIterator[Lease]:
        """Acquire the lock, keep it from lapsing, and release it at the end; errors as of `acquire`."""
        lease = await self.acquire(holder, wait)
        try:
            with self.use(lease.session, holder):
                yield lease
        finally:
            self.release(lease.session)

    def release(self, session: int) -> None:
        """Give the lock back; what the holder left unfinished is aborted.

        A holder that has lost its lock already gets no error: the vendor's library would take
        it for the result of the command before, which may have signed.

        Raises:
            InvalidSession: `session` never held the lock.
        """
        if not self._queue.ended(session):
            self._end(self._queue.release(session))

    def check(self, lease: Lease) -> None:
        """Raise `DeviceGone` unless `lease` holds the lock.

        A TSE that failed and was opened afresh may be in other hands: a command of before would hit their work.
        """
        if self._queue.lease is not lease:
            raise DeviceGone(
                Text(
                    "the TSE failed and was opened afresh meanwhile: ask again",
                    "die TSE ist ausgefallen und wurde inzwischen neu geöffnet: noch einmal fragen",
                )
            )

    def has_ended(self, session: int) -> bool:
        """Return whether `session` held the lock once, and does no longer."""
        return self._queue.ended(session)

    async def wait_for_sale(self, mine: Lease | None = None) -> None:
        """Wait until the holder, unless it is `mine`, has finished a sale; for at most a second."""
        present = self._queue.lease
        with suppress(TimeoutError):
            async with asyncio.timeout(_COURTESY):
                while present is not None and self._queue.lease is present is not mine:
                    if not present.under_way(self._clock()):
                        return
                    await self._change()

    # ---- what is known of it ------------------------------------------------

    @property
    def lease(self) -> Lease | None:
        """The lease that holds the lock now; `None` when it is free."""
        return self._queue.lease

    @property
    def status(self) -> LockStatus | None:
        """Who holds the lock; `None` when it is free."""
        lease, now = self._queue.lease, self._clock()
        return None if lease is None else _status(lease, now)

    @property
    def tills(self) -> list[TillStatus]:
        """Who holds the lock, who waits for it, and who sold before."""
        return self._tills.all(self._clock())

    def carried_out(self, lease: Lease, command: bytes) -> None:
        """Note a command of the holder that the TSE has carried out."""
        if lease.finishes and CloseImport.begins(command):
            lease.receipt = self._clock()

    @property
    def waiting_clients(self) -> int:
        """Number of those who wait for the lock."""
        return self._queue.waiting

    @property
    def free(self) -> bool:
        """True while nobody has it, not even aside, nobody waits for it, and nothing is being cleaned up."""
        return not (self._queue.held or self._queue.waiting or self._clean_up)

    # ---- for the device -----------------------------------------------------

    def sweep(self) -> None:
        """End a lease whose holder is silent or gone."""
        lapsed = self._queue.lapse(self._clock())
        if lapsed is None:
            return
        lease, reason = lapsed
        holder = _status(lease, self._clock())
        which = Event.LOCK_BROKEN if reason is Lapse.BROKEN else Event.LOCK_EXPIRED
        told = event(which, self._serial, reason=reason.value, peer=holder.peer, client=holder.client_id)
        log.warning(
            "lock of TSE %s taken back from %s after %g s: %s", self._serial, holder, holder.seconds, reason, extra=told
        )
        self._metrics.locks.expired(self._serial, reason)
        self._end(lease)

    def break_lease(self) -> LockStatus | None:
        """Take the lock from its holder as an operator wants it, and return who that was, `None` if it was free.

        A request of the holder that runs is finished first; what it leaves unfinished is aborted.
        """
        status = self.status
        if self._queue.lease is not None:
            self._queue.lease.broken = True
            self.sweep()
        return status

    def revoke(self, reason: Text) -> None:
        """End every lease: the TSE is given up for `reason`, until `reopened`. Nothing can be aborted."""
        self._gone = reason
        ended = self._queue.revoke()
        for lease in ended:
            self._tills.saw(lease, self._clock())
        self._count_released(ended)
        self._wake()

    def reopened(self) -> None:
        """Grant the lock again."""
        self._gone = None

    def end_aside(self) -> None:
        """End the leases that stepped aside: the store that they read is about to be emptied."""
        self._count_released(self._queue.end_aside())

    def abort(self, what: Unfinished) -> None:
        """Abort unfinished work on the TSE before anybody gets the lock."""
        self.clean_up(self._abort(what))

    def clean_up(self, work: Coroutine[object, object, None]) -> None:
        """Start `work`; nobody gets the lock before it is done."""
        task = asyncio.create_task(work)
        self._clean_up.add(task)
        task.add_done_callback(self._clean_up.discard)

    async def cleaned_up(self) -> None:
        """Wait until nothing is being cleaned up."""
        await asyncio.gather(*self._clean_up, return_exceptions=True)

    async def drain(self) -> None:
        """Grant the lock to nobody who asks from now on; return when all who had asked before are done with it."""
        self._queue.close()
        while self._queue.wanted and self._gone is None:
            self.sweep()
            await self._change()

    def refuse_waiting(self) -> None:
        """Refuse the lock to everybody who waits for it, now or later."""
        self._refusing = True
        self._wake()

    # ---- below: how ---------------------------------------------------------

    async def _wait_for(self, ticket: Ticket, wait: float) -> Lease:
        try:
            lease = self._granted_now(ticket)
            if lease is None:
                with self._metrics.locks.waiting(self._serial):
                    async with asyncio.timeout(wait):
                        lease = await self._granted(ticket)
        except TimeoutError:
            self._metrics.locks.refused(self._serial)
            self._tell_refusal(ticket, wait)
            raise LockRefused(
                Text(
                    "another client held the TSE for {wait:g} s: try again",
                    "ein anderer Client hielt die TSE {wait:g} s lang: noch einmal versuchen",
                ),
                wait=wait,
            ) from None
        finally:
            self._queue.leave(ticket)
            self._wake()
        self._metrics.locks.granted(self._serial, waited=lease.granted - ticket.since)
        return lease

    def _tell_refusal(self, ticket: Ticket, wait: float) -> None:
        """Log who waited in vain, and for whom: whoever looks after the tills has to know which one to look at."""
        tills = self._tills.all(self._clock())
        refused = next((till for till in tills if till.place and till.peer == ticket.holder.peer), None)
        held = tills[0] if tills and tills[0].state is TillState.HOLDS else None
        if refused is None:
            return
        told = event(
            Event.LOCK_REFUSED,
            self._serial,
            peer=refused.peer,
            client=refused.client_id,
            token=refused.token,
            place=refused.place,
            **({} if held is None else {"holder": held.peer, "holder_client": held.client_id}),
        )
        log.warning("%s waited %g s in vain for TSE %s, held by %s", refused, wait, self._serial, held, extra=told)

    async def _granted(self, ticket: Ticket) -> Lease:
        while (lease := self._granted_now(ticket)) is None:
            if self._clean_up:
                await asyncio.wait(self._clean_up)
            else:
                await self._change()
        return lease

    def _granted_now(self, ticket: Ticket) -> Lease | None:
        """Return the lease if it is free and the turn of `ticket`; the errors of `acquire` that know no waiting."""
        self._refuse_if_gone()
        if self._refusing:
            raise LockRefused(
                Text(
                    "the gateway stops: try again when it is back",
                    "das Gateway wird beendet: noch einmal versuchen, wenn es wieder da ist",
                )
            )
        self.sweep()
        return None if self._clean_up else self._queue.grant(ticket, self._clock())

    async def _change(self) -> None:
        """Return when something changed, or when it is time to look at broken connections."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN):
                await changed.wait()

    def _end(self, lease: Lease) -> None:
        self._tills.saw(lease, self._clock())
        self._count_released([lease])
        for what in sorted(lease.unfinished):
            log.info("aborting the %s that a client of TSE %s left unfinished", what, self._serial)
            self.abort(what)
        self._wake()

    async def _abort(self, what: Unfinished) -> None:
        try:
            await self._send(UNDO[what].encode())
        except CommandRejected:
            log.debug("nothing to abort on TSE %s", self._serial)
        except GatewayError as error:
            log.warning("could not abort on TSE %s: %s", self._serial, error)

    def _count_released(self, leases: list[Lease]) -> None:
        for lease in leases:
            self._metrics.locks.released(self._serial, held=self._clock() - lease.granted)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _refuse_if_gone(self) -> None:
        if self._gone is not None:
            raise DeviceGone(self._gone)
