"""The way of one command through the gateway to a TSE and back.

before    ask the TSE for its signature counter, if it is not known and a signature is announced
send      once; timed, and counted by title and result
after     the lease's unfinished work, the signature tracker, the observer (PIN memory, events, flash health)
recover   when the answer to a signature is lost, wait for what the TSE tells after it was opened afresh
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.driver.protocols import TseDriver
from gateway.errors import CommandRejected, DeviceError, ProtocolError
from gateway.fleet.commands.lost_signatures import SIGNING, LostSignature, SignatureTracker
from gateway.fleet.commands.observer import OBSERVED, CommandObserver
from gateway.fleet.lock.queue import Lease
from gateway.fleet.pins.memory import PinMemory
from gateway.i18n.text import Text
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse import unfinished
from gateway.tse.commands import OpenImport, SelfTest, SetTime, title_of
from gateway.tse.results import Result
from gateway.tse.self_test import outcome

log = logging.getLogger(__name__)

_MAKE_READY = frozenset({*SelfTest.opcodes.values(), SetTime.opcode})
_NOT_READY = frozenset({Result.NEEDS_SELF_TEST, Result.NEEDS_PASSED_SELF_TEST, Result.NO_TIME_SET})
_LONGEST = 55.0  # seconds for one command with all that befalls it: a till gives up at 60 (LAN-TSE protocol)

Turn = Callable[[Callable[[TseDriver], Awaitable[bytes]]], Awaitable[bytes]]


@dataclass(eq=False, slots=True)
class _Command:
    """One command on its way; `attempt` is set once it may have made the TSE sign. `began` on the caller's clock."""

    data: bytes
    lease: Lease | None
    began: float
    attempt: LostSignature | None = None


class CommandPipeline:
    """The pipeline to one TSE. `last` is when the last command ended, on `clock`; -inf after a reopening.

    A lost signature is waited for `settle_wait` seconds at most. `changed_readiness` becomes true when a command shows
    that the TSE can sign, or cannot; whoever reads its state resets it.
    """

    def __init__(
        self,
        serial: str,
        memory: PinMemory,
        observer: CommandObserver,
        signatures: SignatureTracker,
        metrics: Metrics,
        *,
        settle_wait: float,
        clock: Callable[[], float],
    ) -> None:
        self._serial = serial
        self._memory = memory
        self._observer = observer
        self._signatures = signatures
        self._metrics = metrics
        self._settle_wait = settle_wait
        self._clock = clock
        self.last = -math.inf
        self.changed_readiness = False

    async def run(self, turn: Turn, data: bytes, lease: Lease | None) -> bytes:
        """Carry out the command `data` and return the data of the response; `turn` runs work when its turn comes.

        Raises:
            CommandRejected: the TSE refused the command.
            DeviceError, ProtocolError: the TSE failed, and is not known to have signed.
        """
        command = _Command(data, lease, self._clock())
        try:
            return await turn(lambda driver: self._carry_out(driver, command))
        except (DeviceError, ProtocolError):
            reply = await self._recover(command)
            if reply is None:
                raise
            return reply

    def reopened(self) -> None:
        """Forget what holds for one opening only: the TSE may have been elsewhere meanwhile."""
        self.last = -math.inf
        self._observer.logged_in.clear()
        self._signatures.reopened()

    async def _carry_out(self, driver: TseDriver, command: _Command) -> bytes:
        await self._before(driver, command)
        try:
            reply = await self._send(driver, command.data)
        except CommandRejected as refused:
            await self._observe(command.data, refused.result)
            raise
        except (DeviceError, ProtocolError):
            if command.attempt is not None:
                self._signatures.lose(command.attempt)
            raise
        await self._after(driver, command, reply)
        return reply

    async def _before(self, driver: TseDriver, command: _Command) -> None:
        if command.data[0] in SIGNING:
            command.attempt = await self._signatures.before(driver, command.data)

    async def _send(self, driver: TseDriver, data: bytes) -> bytes:
        try:
            with self._metrics.tses.command(self._serial, title_of(data)):
                reply = await driver.send_command(data)
                _check_reply(data, reply)
        except CommandRejected as refused:
            self.last = self._clock()
            if refused.result in _NOT_READY:
                self.changed_readiness = True
            raise
        self.last = self._clock()
        if data[0] in _MAKE_READY:
            self.changed_readiness = True
        return reply

    async def _after(self, driver: TseDriver, command: _Command, reply: bytes) -> None:
        if command.lease is not None:
            unfinished.done(command.lease.unfinished, command.data, reply)
        if command.data[0] in SIGNING:
            self._signatures.after(command.data, reply, command.attempt)
        await self._observe(command.data, outcome(command.data, reply), reply)
        if SelfTest.begins(command.data) and self._signatures.lost is not None:
            await self._signatures.settle(driver)  # from now on the TSE can tell, and nobody has signed since

    async def _observe(self, data: bytes, result: int, reply: bytes = b"") -> None:
        wants_client = data[0] == OpenImport.opcode and not self._memory.record.client_id
        if wants_client or data[0] in OBSERVED:
            await self._observer.saw(data, result, reply)

    async def _recover(self, command: _Command) -> bytes | None:
        attempt = command.attempt
        if attempt is None:
            return None
        self._signatures.lose(attempt)  # when its work still hangs, nobody has done so yet
        lost = event(Event.SIGNATURE_LOST, self._serial)
        log.warning("TSE %s has not answered to a signature: it will be asked for it", self._serial, extra=lost)
        left = min(self._settle_wait, _LONGEST - (self._clock() - command.began))
        told: set[asyncio.Future[Any]] = {attempt.verdict, attempt.waived}
        await asyncio.wait(told, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
        return attempt.verdict.result() if attempt.verdict.done() else None


def _check_reply(command: bytes, reply: bytes) -> None:
    """Refuse in the place of the TSE a reply that would end the process of the till that gets it."""
    try:
        outcome(command, reply)
    except ProtocolError as error:
        log.warning("a TSE answered nonsense to its self test: %s", error)
        raise CommandRejected(
            Result.UNKNOWN,
            Text(
                "the reply to the self test is none: {error}", "die Antwort auf den Selbsttest ist keine: {error}"
            ).filled(error=error),
        ) from None
