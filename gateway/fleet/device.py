"""One TSE of the fleet: its queue, its lock, what is known of it, and whether it works.

attached   somebody could open it once         (the registry knows)
held       a client holds the lock             (`lock`)
failed     given up, with the reason           (`failed`, `reason`); the registry opens it afresh
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime

from gateway.driver.protocols import TseDriver
from gateway.errors import CommandRejected, DeviceError, GatewayError, ProtocolError
from gateway.fleet.commands.connection import T, TseConnection
from gateway.fleet.commands.observer import CommandObserver
from gateway.fleet.commands.pipeline import CommandCall, CommandPipeline
from gateway.fleet.lock.lock import TseLock, new_session
from gateway.fleet.lock.queue import Lease, LockQueue
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.pins.retry_guard import RetryGuard
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import DeleteStoredData, FactoryReset
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.unfinished import UNDO, Unfinished

log = logging.getLogger(__name__)


UNPLUGGED = "unplugged"
_EMPTY_THE_STORE = {bytes([command.opcode]) for command in (DeleteStoredData, FactoryReset)}


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
        memory: PinMemory | None = None,
        pin: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serial = serial
        self.place = place
        self.attached = True
        self.memory = memory or PinMemory()
        self.login_guard = LoginGuard(self.memory, pin)
        self.retry_guard = RetryGuard(self.memory)
        self.observer = CommandObserver(serial, self.memory, self.login_guard, self.retry_guard, metrics)
        self._connection = TseConnection(driver)
        self._metrics = metrics
        self._clock = clock
        self._pipeline = CommandPipeline(serial, self.observer, metrics, settle_wait=settle_wait, clock=clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self.lock = TseLock(
            serial,
            LockQueue(idle=lock_idle, orphaned=lock_orphaned, new_session=new_session),
            metrics,
            clock=clock,
            connection=lambda: self._connection,
            unsettled=self._tasks,
            abort=lambda work: self._start(self._undo(UNDO[work])),
        )
        metrics.adopt(serial)
        metrics.tses.opened(serial)
        self._take(info)

    # ---- the queue: their turn ----------------------------------------------

    async def run(self, work: Callable[[TseDriver], Awaitable[T]]) -> T:
        """Do `work` when its turn comes; once begun it is finished, whoever hangs up.

        Raises:
            DeviceGone: the TSE failed meanwhile; nobody waits for one that hangs.
        """
        connection = self._connection
        with self._metrics.tses.queued(self.serial):
            await connection.queue()
        return await connection.do(lambda driver: self._watched(connection, work(driver)))

    async def read_info(self) -> bytes:
        """A fresh info sector; the snapshot `info` follows it."""
        sector = await self.run(lambda driver: driver.read_info())
        self._learn(sector)
        return sector

    async def read_store(self, block: int, count: int) -> bytes:
        """`count` blocks of the store."""
        return await self.run(lambda driver: driver.read_store(block, count))

    async def write_store(self, block: int, data: bytes) -> None:
        """Whole blocks of process data."""
        await self.run(lambda driver: driver.write_store(block, data))

    async def command(self, command: bytes, lease: Lease | None = None) -> bytes:
        """One command; what it leaves unfinished is remembered with `lease`.

        When the answer to a signature is lost, this waits until the TSE was opened afresh and
        tells what became of it; if it did not sign, or cannot tell soon, the error stands.
        """
        call = CommandCall(command, lease, self._clock())
        if command[:1] in _EMPTY_THE_STORE:
            self.lock.end_aside()
        try:
            return await self.run(lambda driver: self._pipeline.through(driver, call))
        except (DeviceError, ProtocolError):
            signed = await self._pipeline.recovered(call)
            if signed is None:
                raise
            return signed

    @property
    def idle(self) -> bool:
        """Nobody holds it or waits for it, and nothing runs."""
        return self.lock.free and not (self._tasks or self._connection.busy)

    @property
    def quiet_for(self) -> float:
        """Seconds since the last command; endless after an opening."""
        return self._clock() - self._pipeline.last

    @property
    def info_age(self) -> float:
        """Seconds since `info` was read."""
        return self._clock() - self._info_read

    @property
    def failed(self) -> asyncio.Event:
        """Set while the TSE is given up; `reason` tells why."""
        return self._connection.over

    # ---- its life -----------------------------------------------------------

    async def renew(self, driver: TseDriver, info: TseInfo, place: str) -> None:
        """Work again, by a driver that was opened afresh; earlier sessions stay refused."""
        self._metrics.tses.opened(self.serial, self.failure)
        self._connection, self.place, self.attached = TseConnection(driver), place, True
        self._pipeline.reopened()
        self._take(info)
        if self._pipeline.owes_answer:
            self._start(self._ask())
        if info.import_in_progress:
            self._start(self._undo(UNDO[Unfinished.IMPORT]))

    async def let_go(self, reason: str) -> None:
        """Give the driver back: the TSE failed (then that is the reason) or is there no more."""
        connection = self._connection
        if not connection.over.is_set():
            self._fail(reason, UNPLUGGED)
        await connection.driver.close()

    async def close(self) -> None:
        """End for good; a command that runs is waited for."""
        connection = self._connection
        if not connection.over.is_set():
            await connection.drain()
            self._end("the gateway stops", "stopped")
        self._pipeline.give_up()
        await connection.driver.close()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def max_clients(self) -> int:
        """How many clients the TSE lets register."""
        return self.info.max_registered_clients

    @property
    def reason(self) -> str:
        """Why the TSE is given up; empty while it works."""
        return self._connection.reason

    @property
    def failure(self) -> str:
        """The class of `reason`: the code of an error, or `unplugged`; empty while the TSE works."""
        return self._connection.code

    @property
    def oldest_transaction_seconds(self) -> float:
        """For how long the oldest open transaction is open, as far as seen; 0 if none is."""
        return self._pipeline.open_transactions.oldest_age

    # ---- below: how ---------------------------------------------------------

    async def _watched(self, connection: TseConnection, work: Awaitable[T]) -> T:
        try:
            return await work
        except (DeviceError, ProtocolError) as error:
            if not connection.over.is_set():
                self._fail(str(error), error.code)
            raise

    def _fail(self, reason: str, code: str) -> None:
        if not self.failed.is_set():
            log.error("TSE %s failed: %s", self.serial, reason, extra=event(Event.FAILED, self.serial, reason=code))
            self._end(reason, code)

    def _end(self, reason: str, code: str) -> None:
        self._connection.end(reason, code)
        self._metrics.tses.lost(self.serial, code)
        self.lock.revoke()

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
            self._pipeline.open_transactions.told(info.open_transactions)

    async def _ask(self) -> None:
        try:
            await self.run(self._pipeline.ask)
        except GatewayError as error:
            log.debug("TSE %s did not tell whether it signed: %s", self.serial, error)

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
