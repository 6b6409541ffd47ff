"""One TSE of the fleet: the facade through which everything above reaches it.

attached   somebody could open it once         (the registry knows)
held       a client holds the lock             (`lock`)
failed     given up, with the reason           (`failed`, `reason`); the registry opens it afresh
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from gateway.driver.protocols import TseDriver
from gateway.driver.usb.block import SLOW_OPCODES
from gateway.errors import CommandRejected, DeviceError, GatewayError, ProtocolError
from gateway.fleet.commands.connection import T, TseConnection
from gateway.fleet.commands.known_transactions import KnownTransactions
from gateway.fleet.commands.lost_signatures import AnnouncedStep, SignatureTracker
from gateway.fleet.commands.observer import CommandObserver, FlashHealthReading
from gateway.fleet.commands.pipeline import CommandPipeline
from gateway.fleet.lock.lock import TseLock, new_session
from gateway.fleet.lock.queue import Lease, LockQueue
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory, PinRecord
from gateway.fleet.pins.retry_guard import RetryGuard
from gateway.i18n.remedies import NOT_SIGNING
from gateway.i18n.text import Text
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import DeleteStoredData, FactoryReset, OpenImport, User
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.results import explain
from gateway.tse.self_test import outcome
from gateway.tse.unfinished import Unfinished

log = logging.getLogger(__name__)

UNPLUGGED = "unplugged"
_SLOW = 60.0  # seconds; a self test takes up to a minute (vendor's documentation)
_EMPTY_THE_STORE = frozenset({DeleteStoredData.opcode, FactoryReset.opcode})
_SETTLED_BEFORE = _EMPTY_THE_STORE | {OpenImport.opcode}

BeforeSigning = Callable[["Device", Lease], Awaitable[None]]


async def nothing_unclear(_device: "Device", _lease: Lease) -> None:
    """Settle nothing."""


class Device:
    """One TSE, known by its serial (64 upper-case hex digits). Times are in seconds.

    A lease lapses after `lock_idle` of silence, or `lock_orphaned` after its connection broke; a lost signature is
    waited for `settle_wait` at most. `before_signing` is awaited under the lease of whoever announces a signature or
    empties the store; its error refuses that. `pin` is the TimeAdmin PIN of the settings; `info` is the last reading.
    """

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
        lock_longest: float = math.inf,
        settle_wait: float = 20.0,
        late_after: float = 5.0,
        memory: PinMemory | None = None,
        pin: bytes | None = None,
        known: KnownTransactions | None = None,
        before_signing: BeforeSigning = nothing_unclear,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serial = serial
        self.place = place
        self.attached = True
        self._metrics = metrics
        self._before_signing = before_signing
        self._clock, self._late_after = clock, late_after
        self._connection, self._opened = TseConnection(driver, clock), clock()
        self._memory = memory or PinMemory()
        generation = info.generation
        self._login_guard = LoginGuard(self._memory, pin, generation)
        self._retry_guard = RetryGuard(self._memory, generation)
        guards = (self._login_guard, self._retry_guard)
        self._observer = CommandObserver(serial, self._memory, *guards, metrics, generation=generation)
        self._known_transactions = known or KnownTransactions(serial, metrics)
        self._signatures = SignatureTracker(serial, metrics)
        self._pipeline = CommandPipeline(
            serial, self._memory, self._observer, self._signatures, metrics, settle_wait=settle_wait, clock=clock
        )
        queue = LockQueue(idle=lock_idle, orphaned=lock_orphaned, longest=lock_longest, new_session=new_session)
        self.lock = TseLock(serial, queue, metrics, send=self.command, clock=clock)
        metrics.adopt(serial)
        metrics.tses.opened(serial)
        self._take(info)
        self._abort_import(info)

    # ---- work, when its turn comes ------------------------------------------

    async def run(self, work: Callable[[TseDriver], Awaitable[T]], *, slow: bool = False) -> T:
        """Do `work`, which may be `slow`, when its turn comes and return its result; once begun it is finished.

        Raises:
            DeviceGone: the TSE failed meanwhile; nobody waits for one that hangs.
        """
        connection = self._connection
        if connection.busy:
            with self._metrics.tses.waiting(self.serial):
                await connection.take_turn()
        else:
            await connection.take_turn()
            self._metrics.tses.found_free(self.serial)
        expected = max(_SLOW, self._late_after) if slow else self._late_after
        return await connection.run(lambda driver: self._watched(connection, work(driver)), expected)

    async def read_info(self) -> bytes:
        """Return the 512 bytes of the info sector, read now; `info` follows it."""
        sector = await self.run(lambda driver: driver.read_info())
        self._learn(sector)
        return sector

    async def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of 512 bytes of the store, from `block` on."""
        return await self.run(lambda driver: driver.read_store(block, count))

    def waive_lost_signature(self) -> None:
        """Answer those who wait for a lost signature: the TSE cannot tell before a till has run its self test."""
        self._signatures.waive()

    async def write_store(self, block: int, data: bytes, lease: Lease | None = None) -> None:
        """Write whole blocks of process data to the store, from `block` on; `lease` as of `command`."""
        if lease is not None:
            self.lock.check(lease)
        await self.run(lambda driver: driver.write_store(block, data))

    async def command(self, command: bytes, lease: Lease | None = None) -> bytes:
        """Carry out one command and return the data of its response; what it leaves unfinished belongs to `lease`.

        When the answer to a signature is lost, this waits until the TSE was opened afresh and
        tells what became of it; if it did not sign, or cannot tell soon, the error stands.

        Raises:
            CommandRejected: the TSE refused the command.
            DeviceError, ProtocolError: the TSE failed.
            DeviceGone: `lease` does not hold the lock any more; nothing was sent.
        """
        if lease is not None:
            self.lock.check(lease)
            lease.sends(command)
            if command[0] in _SETTLED_BEFORE:
                await self._before_signing(self, lease)
                self.lock.check(lease)
        if command[0] in _EMPTY_THE_STORE:
            self.lock.end_aside()
        reply = await self._pipeline.run(partial(self.run, slow=command[0] in SLOW_OPCODES), command, lease)
        if lease is not None:
            self.lock.carried_out(lease, command)
        return reply

    async def carry_out(self, command: Command, lease: Lease | None = None) -> bytes:
        """Carry out a command as the generation of the TSE spells it; `lease` and errors as of `command`.

        Raises:
            CommandRejected: also for a self test of generation 2 that did not pass.
        """
        data = command.encode(self.info.generation)
        reply = await self.command(data, lease)
        if result := outcome(data, reply):
            raise CommandRejected(result, explain(result))
        return reply

    async def send_pin(self, command: Command, lease: Lease, *, risk: bool) -> bytes:
        """Carry out a command that shows a PIN or PUK, unless that may block it; with `risk` in any case.

        Raises:
            PinWithheld: it may block the PIN or the TSE; nothing was sent.
            CommandRejected: the TSE refused the command.
        """
        return await self._retry_guard.send(command, lambda it: self.carry_out(it, lease), risk=risk)

    # ---- the lock -----------------------------------------------------------

    def sweep(self) -> None:
        """End a lease whose holder is silent or gone, and keep the last transaction."""
        self.lock.sweep()
        self._keep_transactions()

    # ---- PINs and logins ----------------------------------------------------

    @property
    def pin_record(self) -> PinRecord:
        """What is remembered of PINs and logins."""
        return self._memory.record

    @property
    def has_pin(self) -> bool:
        """True if the gateway has a TimeAdmin PIN for this TSE."""
        return self._login_guard.has_pin

    async def take_pin(self, pin: bytes) -> None:
        """Log in as TimeAdmin with this PIN from now on, which the TSE has just accepted."""
        await self._login_guard.take(pin)

    def login_objection(self) -> Text:
        """Return why the gateway must not log in now, for any reason; empty if it may."""
        return self._login_guard.objection()

    async def check_pin_memory(self, *, again: bool = False) -> None:
        """Find out whether logins can be recorded; see `PinMemory.check`."""
        await self._memory.check(again=again)

    async def log_in(self) -> None:
        """Log in as TimeAdmin with the PIN of the settings, once; errors as of `LoginGuard.log_in`."""
        await self._login_guard.log_in(self.command)

    def is_logged_in(self, *users: User) -> bool:
        """Return whether one of `users` has logged in through the gateway, and not out, since the last opening."""
        return not self._observer.logged_in.isdisjoint(users)

    def forget_logins(self) -> None:
        """Take nobody for logged in any more."""
        self._observer.logged_in.clear()

    @property
    def client_id(self) -> str:
        """A client id that the TSE knows, learned from what tills send; empty while none is known."""
        return self._memory.record.client_id

    async def forget_client(self, client_id: bytes) -> None:
        """Forget `client_id`, which the TSE does not know any more."""
        await self._observer.forget_client(client_id)

    # ---- what is known of it ------------------------------------------------

    @property
    def idle(self) -> bool:
        """True while nobody holds it or waits for it, and nothing runs."""
        return self.lock.free and not self._connection.busy

    @property
    def quiet_for(self) -> float:
        """Seconds since the last command; infinite after an opening."""
        return self._clock() - self._pipeline.last

    @property
    def open_seconds(self) -> float:
        """Seconds since the TSE was last opened."""
        return self._clock() - self._opened

    @property
    def info_age(self) -> float:
        """Seconds since `info` was read."""
        return self._clock() - self._info_read

    @property
    def info_outdated(self) -> bool:
        """True if a command has shown that the TSE can sign, or cannot, unlike when `info` was read."""
        return self._pipeline.changed_readiness

    @property
    def flash_health(self) -> FlashHealthReading | None:
        """The last reading of the flash health; `None` while the TSE was not asked."""
        return self._observer.flash_health

    @property
    def found_ahead(self) -> int:
        """When the TSE last held transactions that this gateway does not know, in Unix seconds; 0: never."""
        return self._known_transactions.found_ahead

    @property
    def announced(self) -> AnnouncedStep | None:
        """The step that would be signed now; `None` if there is none, or the signature counter is not known."""
        return self._signatures.announced

    @property
    def oldest_transaction_seconds(self) -> float:
        """Age of the oldest open transaction, as far as seen; 0 if none is open."""
        return self._signatures.open.oldest_age

    @property
    def failed(self) -> asyncio.Event:
        """Set while the TSE is given up; `reason` tells why."""
        return self._connection.over

    @property
    def late(self) -> bool:
        """True while a command, or a reading, has taken longer than the setting `late_after` allows."""
        return self._connection.late

    @property
    def reason(self) -> Text:
        """Why the TSE is given up; empty while it works."""
        return self._connection.reason

    @property
    def failure(self) -> str:
        """The class of `reason`: the code of an error, or `unplugged`; empty while the TSE works."""
        return self._connection.code

    # ---- its life -----------------------------------------------------------

    async def renew(self, driver: TseDriver, info: TseInfo, place: str) -> None:
        """Unfinished again, by a driver that was opened afresh; sessions of before stay refused."""
        self._metrics.tses.opened(self.serial, self.failure)
        self._connection, self.place, self.attached = TseConnection(driver, self._clock), place, True
        self._opened = self._clock()
        self._keep_transactions()
        self._pipeline.reopened()
        self._take(info)
        if self._signatures.lost is not None:
            self.lock.clean_up(self._settle_signature())
        self._abort_import(info)
        self.lock.reopened()

    async def let_go(self, reason: Text) -> None:
        """Give the driver back: the TSE has failed before, or fails now for `reason`."""
        connection = self._connection
        if not connection.over.is_set():
            self._fail(reason, UNPLUGGED)
        await connection.driver.close()

    async def close(self) -> None:
        """End for good; a command that runs is waited for."""
        connection = self._connection
        if not connection.over.is_set():
            await connection.drain()
        if not connection.over.is_set():
            self._end(NOT_SIGNING["stopped"].text, "stopped")
        self._signatures.give_up()
        await connection.driver.close()
        await self.lock.cleaned_up()
        self._keep_transactions()
        await self._known_transactions.close()

    # ---- below: how ---------------------------------------------------------

    def _keep_transactions(self) -> None:
        """Keep the last transaction; what the TSE told after its opening is compared before."""
        signatures, known = self._signatures, self._known_transactions
        if signatures.told is not None:
            known.compare(signatures.told)
        if signatures.seen is not None:
            known.saw(signatures.seen)
        signatures.told = signatures.seen = None

    def _abort_import(self, info: TseInfo) -> None:
        """Abort an import that was begun before the opening: whoever closed it would sign what others announced."""
        if info.import_in_progress:
            self.lock.abort(Unfinished.IMPORT)

    async def _watched(self, connection: TseConnection, work: Awaitable[T]) -> T:
        try:
            return await work
        except (DeviceError, ProtocolError) as error:
            if not connection.over.is_set():
                self._fail(error.text, error.code)
            raise

    def _fail(self, reason: Text, code: str) -> None:
        if not self.failed.is_set():
            log.error("TSE %s failed: %s", self.serial, reason, extra=event(Event.FAILED, self.serial, reason=code))
            self._end(reason, code)

    def _end(self, reason: Text, code: str) -> None:
        self._connection.end(reason, code)
        self._metrics.tses.lost(self.serial, code)
        self.lock.revoke(reason)

    def _learn(self, sector: bytes) -> None:
        try:
            self._take(TseInfo.decode(sector))
        except ProtocolError as error:
            self._fail(error.text, error.code)
            raise

    def _take(self, info: TseInfo) -> None:
        self.info, self.info_read_at, self._info_read = info, datetime.now(UTC), self._clock()
        self._pipeline.changed_readiness = False
        self._observer.told(info)
        self._metrics.signatures.counted(self.serial, info.created_signatures)
        if info.ctss_active:  # else it says that none is open, which may not be so
            self._signatures.open.told(info.open_transactions)

    async def _settle_signature(self) -> None:
        try:
            await self.run(self._signatures.settle)
        except GatewayError as error:
            log.debug("TSE %s did not tell whether it signed: %s", self.serial, error)
