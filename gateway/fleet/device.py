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
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from gateway.driver.base import TseDriver
from gateway.errors import CommandRejected, DeviceError, DeviceGone, GatewayError, LockRefused, ProtocolError
from gateway.fleet.lease import Holder, Lease, LockQueue, Ticket
from gateway.metrics import Metrics
from gateway.tse.commands import (
    AbortExport,
    AbortImport,
    CloseImport,
    NextExportPart,
    OpenImport,
    Part,
    StartExport,
    title_of,
)
from gateway.tse.fields import Command
from gateway.tse.info import Lifecycle, TseInfo

log = logging.getLogger(__name__)
T = TypeVar("T")

_IMPORT, _EXPORT = "import", "export"
_LOOK_AGAIN = 0.25  # seconds between looks at broken connections, only while somebody waits
_UNDO: dict[str, Command] = {_IMPORT: AbortImport(), _EXPORT: AbortExport()}


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serial = serial
        self.place = place
        self.info = info
        self.info_read_at = datetime.now(UTC)
        self.failed = asyncio.Event()
        self.reason = ""
        self._driver: TseDriver = driver
        self._metrics = metrics
        self._clock = clock
        self._lock = LockQueue(idle=lock_idle, orphaned=lock_orphaned, new_session=new_session)
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.device_up(serial, True)

    # ---- the lock: may they -------------------------------------------------

    async def acquire(self, holder: Holder, wait: float) -> Lease:
        """The lock for `holder`, after at most `wait` seconds in the queue.

        Raises:
            LockRefused: others held it all the time.
            DeviceGone: the TSE failed (at once, or while waiting).
        """
        ticket = self._lock.join(holder, self._clock())
        try:
            with self._metrics.lock_waiting(self.serial):
                async with asyncio.timeout(wait):
                    lease = await self._granted(ticket)
        except TimeoutError:
            self._metrics.lock_refused(self.serial)
            raise LockRefused(f"another client held the TSE for {wait:g} s: try again") from None
        finally:
            self._lock.leave(ticket)
            self._wake()
        self._metrics.lock_granted(self.serial, waited=lease.granted - ticket.since)
        return lease

    def release(self, session: int) -> None:
        """Give the lock back; what the holder left unfinished is aborted.

        Raises:
            InvalidSession: by anyone but the holder.
        """
        lease = self._lock.release(session)
        self._metrics.lock_released(self.serial, held=self._clock() - lease.granted)
        self._clear_up(lease)

    @contextmanager
    def entered(self, session: int, holder: Holder) -> Iterator[Lease]:
        """A request of the holder is being done; its lease cannot lapse meanwhile.

        Raises:
            DeviceGone: the TSE failed and is not back yet.
            InvalidSession: `session` does not hold the lock.
        """
        if self.failed.is_set():
            raise DeviceGone(self.reason)
        lease = self._lock.enter(session, holder, self._clock())
        try:
            yield lease
        finally:
            self._lock.exit(lease, self._clock())

    def sweep(self) -> None:
        """End a lease whose holder is silent or gone."""
        lapsed = self._lock.lapse(self._clock())
        if lapsed is None:
            return
        lease, reason = lapsed
        log.warning("lock of TSE %s taken back: its holder is %s", self.serial, reason)
        self._metrics.lock_expired(self.serial, reason)
        self._metrics.lock_released(self.serial, held=self._clock() - lease.granted)
        self._clear_up(lease)

    @property
    def lease(self) -> Lease | None:
        """Who holds the lock now."""
        return self._lock.lease

    # ---- the queue: their turn ----------------------------------------------

    async def run(self, work: Callable[[TseDriver], Awaitable[T]]) -> T:
        """Do `work` when its turn comes; once begun it is finished, whoever hangs up."""
        with self._metrics.queued(self.serial):
            await self._turn.acquire()
        task = asyncio.ensure_future(self._perform(work))
        task.add_done_callback(self._next)
        return await asyncio.shield(task)

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
        """One command; what it leaves unfinished is remembered with `lease`."""

        async def work(driver: TseDriver) -> bytes:
            with self._metrics.command(self.serial, title_of(command)):
                reply = await driver.send_command(command)
            if lease is not None:
                _remember(lease.unfinished, command, reply)
            return reply

        return await self.run(work)

    @property
    def idle(self) -> bool:
        """Nobody holds it and nothing runs."""
        return self._lock.lease is None and not self._turn.locked()

    # ---- its life -----------------------------------------------------------

    async def renew(self, driver: TseDriver, info: TseInfo, place: str) -> None:
        """Work again, by a driver that was opened afresh; earlier sessions stay refused."""
        self._driver, self.place = driver, place
        self.failed.clear()
        self.reason = ""
        self._metrics.device_up(self.serial, True)
        self._learn(info.raw)
        if info.import_in_progress:
            self._start(self._undo(_UNDO[_IMPORT]))

    async def close(self) -> None:
        """End for good; waits for the command that runs."""
        self._end("the gateway stops")
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._driver.close()

    async def close_driver(self) -> None:
        """Let go of a failed TSE, so that it can be opened afresh."""
        async with self._turn:
            await self._driver.close()

    @property
    def max_clients(self) -> int:
        """How many clients the TSE lets register."""
        return self.info.max_registered_clients

    def summary(self) -> dict[str, object]:
        """What is known without asking the TSE."""
        info, lease = self.info, self._lock.lease
        return {
            "serial": self.serial,
            "place": self.place,
            "state": "failed" if self.failed.is_set() else "ready",
            "reason": self.reason,
            "held_seconds": None if lease is None else round(self._clock() - lease.granted, 1),
            "waiting_clients": self._lock.waiting,
            "read_at": self.info_read_at.isoformat(timespec="seconds"),
            "lifecycle": Lifecycle(info.lifecycle).name.lower() if info.lifecycle in set(Lifecycle) else "unknown",
            "description": info.description,
            "form_factor": info.form_factor,
            "software_version": info.software,
            "valid_time": info.valid_time,
            "self_test_passed": info.self_test_passed,
            "self_test_due_seconds": info.self_test_due_seconds,
            "ctss_active": info.ctss_active,
            "open_transactions": info.open_transactions,
            "registered_clients": info.registered_clients,
            "max_registered_clients": info.max_registered_clients,
            "created_signatures": info.created_signatures,
            "remaining_signatures": info.remaining_signatures,
            "used_blocks": info.used_blocks,
            "capacity_blocks": info.capacity_blocks,
            "certificate_expires": datetime.fromtimestamp(min(info.certificate_expires, 2**34), UTC).isoformat(),
        }

    # ---- below: how ---------------------------------------------------------

    async def _granted(self, ticket: Ticket) -> Lease:
        while True:
            if self.failed.is_set():
                raise DeviceGone(self.reason)
            self.sweep()
            if self._tasks:  # what the last holder left unfinished is aborted before the next one comes
                await asyncio.wait(self._tasks)
                continue
            lease = self._lock.grant(ticket, self._clock())
            if lease is not None:
                return lease
            changed = self._changed
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _perform(self, work: Callable[[TseDriver], Awaitable[T]]) -> T:
        if self.failed.is_set():
            raise DeviceGone(self.reason)
        try:
            return await work(self._driver)
        except (DeviceError, ProtocolError) as error:
            self._metrics.reopened(self.serial, error.code)
            self._fail(str(error))
            raise

    def _next(self, done: "asyncio.Future[T]") -> None:
        self._turn.release()
        if not done.cancelled():
            done.exception()  # whoever hung up does not fetch it; that is no news

    def _fail(self, reason: str) -> None:
        if not self.failed.is_set():
            log.error("TSE %s failed: %s", self.serial, reason)
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.reason = reason
        self.failed.set()
        self._metrics.device_up(self.serial, False)
        lease = self._lock.revoke()
        if lease is not None:
            self._metrics.lock_released(self.serial, held=self._clock() - lease.granted)
        self._wake()

    def _learn(self, sector: bytes) -> None:
        try:
            self.info = TseInfo.decode(sector)
        except ProtocolError as error:
            self._fail(str(error))
            raise
        self.info_read_at = datetime.now(UTC)

    def _clear_up(self, lease: Lease) -> None:
        for what in sorted(lease.unfinished):
            log.info("aborting the %s that a client of TSE %s left unfinished", what, self.serial)
            self._start(self._undo(_UNDO[what]))
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


def _remember(unfinished: set[str], command: bytes, reply: bytes) -> None:
    match command[0]:
        case OpenImport.opcode:
            unfinished.add(_IMPORT)
        case CloseImport.opcode | AbortImport.opcode:
            unfinished.discard(_IMPORT)
        case StartExport.opcode:
            unfinished.add(_EXPORT)
        case AbortExport.opcode:
            unfinished.discard(_EXPORT)
        case NextExportPart.opcode if reply == Part(b"").encode():
            unfinished.discard(_EXPORT)
        case _:
            pass
