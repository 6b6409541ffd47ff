"""One TSE of the fleet: its queue, its lock, what is known of it, and whether it works.

attached   somebody could open it once         (the registry knows)
held       a client holds the lock             (`lease`)
failed     given up, with the reason           (`failed`, `reason`); the registry opens it afresh
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from gateway.driver.base import TseDriver
from gateway.errors import CommandRejected, DeviceError, DeviceGone, GatewayError, LockRefused, ProtocolError
from gateway.events import Event, event
from gateway.fleet.credentials import LoginGuard
from gateway.fleet.lease import Holder, Lease, LockQueue, Ticket
from gateway.fleet.lockout import Lockout
from gateway.fleet.notes import Notes
from gateway.fleet.opening import Opening, T
from gateway.fleet.passage import Call, Passage
from gateway.fleet.witness import Witness
from gateway.metrics import Metrics
from gateway.tse.commands import DeleteStoredData, FactoryReset
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.unfinished import UNDO, Work

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.1  # seconds between looks at broken connections, only while somebody waits


_COURTESY = 1.0  # seconds; a receipt takes about half of that
UNPLUGGED = "unplugged"
_EMPTY_THE_STORE = {bytes([command.opcode]) for command in (DeleteStoredData, FactoryReset)}


def new_session() -> int:
    """An unguessable session id: a non-zero u64."""
    return secrets.randbelow(2**64 - 1) + 1


class Device:
    """Everything above it reaches one TSE through this, by serial (64 upper-case hex digits)."""

    def __init__(
        self,
        serial: str,
        place: str,
        driver: TseDriver,
        info: TseInfo,
        *,
        metrics: Metrics,
        lock_idle: float = 90.0,
        lock_orphaned: float = 10.0,
        settle_wait: float = 20.0,
        notes: Notes | None = None,
        pin: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serial = serial
        self.place = place
        self.attached = True
        self.notes = notes or Notes()
        self.guard = LoginGuard(self.notes, pin)
        self.lockout = Lockout(self.notes)
        self.witness = Witness(serial, self.notes, self.guard, self.lockout, metrics)
        self._opening = Opening(driver)
        self._metrics = metrics
        self._clock = clock
        self._passage = Passage(serial, self.witness, metrics, settle_wait=settle_wait, clock=clock)
        self._lock = LockQueue(idle=lock_idle, orphaned=lock_orphaned, new_session=new_session)
        self._changed = asyncio.Event()
        self._refusing = False
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.adopt(serial)
        metrics.tses.opened(serial)
        self._take(info)

    # ---- the lock: may they -------------------------------------------------

    async def acquire(self, holder: Holder, wait: float) -> Lease:
        """The lock for `holder`, after at most `wait` seconds in the queue.

        Raises:
            LockRefused: others held it all the time.
            DeviceGone: the TSE failed (at once, or while waiting).
        """
        return await self._lent(self._lock.join(holder, self._clock()), wait)

    async def regain(self, session: int, holder: Holder, wait: float) -> None:
        """Get the lock back if the lease of `session` stepped aside; else nothing is to be done.

        Raises:
            LockRefused: others held it for `wait` seconds.
        """
        if self._lock.is_aside(session):
            with self.entered(session, holder, reading=True) as lease:
                await self._lent(self._lock.join(holder, self._clock(), lease), wait)

    async def _lent(self, ticket: Ticket, wait: float) -> Lease:
        try:
            with self._metrics.locks.waiting(self.serial):
                async with asyncio.timeout(wait):
                    lease = await self._granted(ticket)
        except TimeoutError:
            self._metrics.locks.refused(self.serial)
            raise LockRefused(f"another client held the TSE for {wait:g} s: try again") from None
        finally:
            self._lock.leave(ticket)
            self._wake()
        self._metrics.locks.granted(self.serial, waited=lease.granted - ticket.since)
        return lease

    def release(self, session: int) -> None:
        """Give the lock back; what the holder left unfinished is aborted.

        A holder that has lost its lock already gets no error: the vendor's library would take
        it for the result of the command before, which may have signed.

        Raises:
            InvalidSession: by anyone who never held the lock.
        """
        if self._lock.ended(session):
            return
        lease = self._lock.release(session)
        self._metrics.locks.released(self.serial, held=self._clock() - lease.granted)
        self._clear_up(lease)

    @contextmanager
    def entered(self, session: int, holder: Holder, *, reading: bool = False) -> Iterator[Lease]:
        """A request of the holder is being done; its lease cannot lapse meanwhile. `reading` changes nothing.

        Raises:
            DeviceGone: the TSE failed and is not back yet.
            InvalidSession: `session` does not hold the lock.
        """
        if self.failed.is_set():
            raise DeviceGone(self.reason)
        lease = self._lock.enter(session, holder, self._clock(), reading=reading)
        try:
            yield lease
        finally:
            self._lock.exit(lease, self._clock())

    def has_ended(self, session: int) -> bool:
        """Did `session` hold the lock once, and does no longer?"""
        return self._lock.ended(session)

    def sweep(self) -> None:
        """End a lease whose holder is silent or gone."""
        lapsed = self._lock.lapse(self._clock())
        if lapsed is None:
            return
        lease, reason = lapsed
        expired = event(Event.LOCK_EXPIRED, self.serial, reason=reason.value)
        log.warning("lock of TSE %s taken back: its holder is %s", self.serial, reason, extra=expired)
        self._metrics.locks.expired(self.serial, reason)
        self._metrics.locks.released(self.serial, held=self._clock() - lease.granted)
        self._clear_up(lease)

    async def given_back(self) -> None:
        """Lend the lock to nobody who asks from now on; returns when all who had asked before are done with it."""
        self._lock.close()
        while self._lock.wanted and not self.failed.is_set():
            self.sweep()
            await self._woken()

    def refuse_waiting(self) -> None:
        """Nobody who waits for the lock gets it any more, now or later."""
        self._refusing = True
        self._wake()

    @property
    def lease(self) -> Lease | None:
        """Who holds the lock now."""
        return self._lock.lease

    # ---- the queue: their turn ----------------------------------------------

    async def run(self, work: Callable[[TseDriver], Awaitable[T]]) -> T:
        """Do `work` when its turn comes; once begun it is finished, whoever hangs up.

        Raises:
            DeviceGone: the TSE failed meanwhile; nobody waits for one that hangs.
        """
        opening = self._opening
        with self._metrics.tses.queued(self.serial):
            await opening.queue()
        return await opening.do(lambda driver: self._watched(opening, work(driver)))

    async def read_info(self) -> bytes:
        """A fresh info sector; the snapshot `info` follows it."""
        sector = await self.run(lambda driver: driver.read_info())
        self._learn(sector)
        return sector

    async def read_store(self, block: int, count: int) -> bytes:
        """`count` blocks of the store."""
        return await self.run(lambda driver: driver.read_store(block, count))

    async def let_finish(self, mine: Lease | None = None) -> None:
        """Wait until whoever else holds the lock has finished a sale, but only a moment: for readers in no hurry."""
        present = self._lock.lease
        with suppress(TimeoutError):
            async with asyncio.timeout(_COURTESY):
                while present is not None and self._lock.lease is present is not mine:
                    if not present.under_way(self._clock()):
                        return
                    await self._woken()

    async def write_store(self, block: int, data: bytes) -> None:
        """Whole blocks of process data."""
        await self.run(lambda driver: driver.write_store(block, data))

    async def command(self, command: bytes, lease: Lease | None = None) -> bytes:
        """One command; what it leaves unfinished is remembered with `lease`.

        When the answer to a signature is lost, this waits until the TSE was opened afresh and
        tells what became of it; if it did not sign, or cannot tell soon, the error stands.
        """
        call = Call(command, lease, self._clock())
        if command[:1] in _EMPTY_THE_STORE:
            self._ended(self._lock.end_aside())
        try:
            return await self.run(lambda driver: self._passage.through(driver, call))
        except (DeviceError, ProtocolError):
            signed = await self._passage.recovered(call)
            if signed is None:
                raise
            return signed

    @property
    def idle(self) -> bool:
        """Nobody holds it or waits for it, and nothing runs."""
        return not (self._lock.held or self._lock.waiting or self._tasks or self._opening.busy)

    @property
    def quiet_for(self) -> float:
        """Seconds since the last command; endless after an opening."""
        return self._clock() - self._passage.last

    @property
    def info_age(self) -> float:
        """Seconds since `info` was read."""
        return self._clock() - self._info_read

    @property
    def failed(self) -> asyncio.Event:
        """Set while the TSE is given up; `reason` tells why."""
        return self._opening.over

    # ---- its life -----------------------------------------------------------

    async def renew(self, driver: TseDriver, info: TseInfo, place: str) -> None:
        """Work again, by a driver that was opened afresh; earlier sessions stay refused."""
        self._metrics.tses.opened(self.serial, self.failure)
        self._opening, self.place, self.attached = Opening(driver), place, True
        self._passage.reopened()
        self._take(info)
        if self._passage.owes_answer:
            self._start(self._ask())
        if info.import_in_progress:
            self._start(self._undo(UNDO[Work.IMPORT]))

    async def let_go(self, reason: str) -> None:
        """Give the driver back: the TSE failed (then that is the reason) or is there no more."""
        opening = self._opening
        if not opening.over.is_set():
            self._fail(reason, UNPLUGGED)
        await opening.driver.close()

    async def close(self) -> None:
        """End for good; a command that runs is waited for."""
        opening = self._opening
        if not opening.over.is_set():
            await opening.drain()
            self._end("the gateway stops", "stopped")
        self._passage.give_up()
        await opening.driver.close()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def max_clients(self) -> int:
        """How many clients the TSE lets register."""
        return self.info.max_registered_clients

    @property
    def reason(self) -> str:
        """Why the TSE is given up; empty while it works."""
        return self._opening.reason

    @property
    def failure(self) -> str:
        """The class of `reason`: the code of an error, or `unplugged`; empty while the TSE works."""
        return self._opening.code

    @property
    def held_seconds(self) -> float | None:
        """For how long somebody holds the lock; `None` when it is free."""
        lease = self._lock.lease
        return None if lease is None else round(self._clock() - lease.granted, 1)

    @property
    def oldest_transaction_seconds(self) -> float:
        """For how long the oldest open transaction is open, as far as seen; 0 if none is."""
        return self._passage.open_transactions.oldest_age

    @property
    def waiting_clients(self) -> int:
        """How many wait for the lock."""
        return self._lock.waiting

    # ---- below: how ---------------------------------------------------------

    async def _granted(self, ticket: Ticket) -> Lease:
        while True:
            if self.failed.is_set():
                raise DeviceGone(self.reason)
            if self._refusing:
                raise LockRefused("the gateway stops: try again when it is back")
            self.sweep()
            if self._tasks:  # what the last holder left unfinished is aborted before the next one comes
                await asyncio.wait(self._tasks)
                continue
            lease = self._lock.grant(ticket, self._clock())
            if lease is not None:
                return lease
            await self._woken()

    async def _woken(self) -> None:
        """Something changed, or it is time to look at broken connections."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN):
                await changed.wait()

    async def _watched(self, opening: Opening, work: Awaitable[T]) -> T:
        try:
            return await work
        except (DeviceError, ProtocolError) as error:
            if not opening.over.is_set():
                self._fail(str(error), error.code)
            raise

    def _fail(self, reason: str, code: str) -> None:
        if not self.failed.is_set():
            log.error("TSE %s failed: %s", self.serial, reason, extra=event(Event.FAILED, self.serial, reason=code))
            self._end(reason, code)

    def _end(self, reason: str, code: str) -> None:
        self._opening.end(reason, code)
        self._metrics.tses.lost(self.serial, code)
        self._ended(self._lock.revoke())
        self._wake()

    def _ended(self, leases: list[Lease]) -> None:
        for lease in leases:
            self._metrics.locks.released(self.serial, held=self._clock() - lease.granted)

    def _learn(self, sector: bytes) -> None:
        try:
            self._take(TseInfo.decode(sector))
        except ProtocolError as error:
            self._fail(str(error), error.code)
            raise

    def _take(self, info: TseInfo) -> None:
        self.info, self.info_read_at, self._info_read = info, datetime.now(UTC), self._clock()
        self._metrics.signatures.counted(self.serial, info.created_signatures)
        if info.ctss_active:  # else it says that none is open, which may not be so
            self._passage.open_transactions.told(info.open_transactions)

    async def _ask(self) -> None:
        try:
            await self.run(self._passage.ask)
        except GatewayError as error:
            log.debug("TSE %s did not tell whether it signed: %s", self.serial, error)

    def _clear_up(self, lease: Lease) -> None:
        for what in sorted(lease.unfinished):
            log.info("aborting the %s that a client of TSE %s left unfinished", what, self.serial)
            self._start(self._undo(UNDO[what]))
        self._wake()

    async def _undo(self, command: Command) -> None:
        try:
            await self.command(command.encode())
        except CommandRejected:
            log.debug("nothing to abort on TSE %s", self.serial)
        except GatewayError as error:
            log.warning("could not abort on TSE %s: %s", self.serial, error)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
