"""One command on its way to a TSE: counted, learned from, and asked after when its answer is lost."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from gateway.driver.protocols import TseDriver
from gateway.errors import CommandRejected, DeviceError, ProtocolError
from gateway.fleet.commands.lost_signatures import LostSignature, OpenTransactionAges, SignatureTracker
from gateway.fleet.commands.observer import CommandObserver
from gateway.fleet.lock.queue import Lease
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse import unfinished
from gateway.tse.commands import FlashHealth, SelfTest, title_of

log = logging.getLogger(__name__)

_LONGEST = 55.0  # for one command with everything that befalls it: then a till has its answer before it gives up at 60


@dataclass(eq=False, slots=True)
class CommandCall:
    """A command of whoever holds `lease`; `attempt` is there once it may have made the TSE sign."""

    command: bytes
    lease: Lease | None
    began: float
    attempt: LostSignature | None = None


class CommandPipeline:
    """To one TSE. `last` is when a command last ended, on the caller's clock."""

    def __init__(
        self,
        serial: str,
        observer: CommandObserver,
        metrics: Metrics,
        *,
        settle_wait: float,
        clock: Callable[[], float],
    ) -> None:
        self._serial = serial
        self._observer = observer
        self._metrics = metrics
        self._settle_wait = settle_wait
        self._clock = clock
        self._signatures = SignatureTracker(serial, metrics)
        self.last = -math.inf

    def reopened(self) -> None:
        """The TSE may have been elsewhere meanwhile."""
        self.last = -math.inf
        self._observer.logged_in.clear()
        self._signatures.reopened()

    async def through(self, driver: TseDriver, call: CommandCall) -> bytes:
        """Carry it out, when it has its turn."""
        call.attempt = await self._signatures.before(driver, call.command)
        try:
            reply = await self._sent(driver, call)
        except (DeviceError, ProtocolError):
            if call.attempt is not None:
                self._signatures.lose(call.attempt)
            raise
        if call.command[0] == SelfTest.opcode:  # from now on the TSE can tell, and nobody has signed since
            await self._signatures.settle(driver)
        return reply

    async def recovered(self, call: CommandCall) -> bytes | None:
        """After a failure: the reply to a signature, if the TSE tells in time that it made it."""
        if call.attempt is None:
            return None
        self._signatures.lose(call.attempt)  # when its work still hangs, nobody has done so yet
        lost = event(Event.SIGNATURE_LOST, self._serial)
        log.warning("TSE %s has not answered to a signature: it will be asked for it", self._serial, extra=lost)
        gone_by = self._clock() - call.began
        await asyncio.wait({call.attempt.verdict}, timeout=max(0.0, min(self._settle_wait, _LONGEST - gone_by)))
        return call.attempt.verdict.result() if call.attempt.verdict.done() else None

    @property
    def open_transactions(self) -> OpenTransactionAges:
        """What is known of them."""
        return self._signatures.open

    @property
    def owes_answer(self) -> bool:
        """Is the TSE to be asked for a signature?"""
        return self._signatures.lost is not None

    async def ask(self, driver: TseDriver) -> None:
        """Ask for it."""
        await self._signatures.settle(driver)

    def give_up(self) -> None:
        """Nobody will ask any more."""
        self._signatures.give_up()

    async def _sent(self, driver: TseDriver, call: CommandCall) -> bytes:
        command = call.command
        try:
            with self._metrics.tses.command(self._serial, title_of(command)):
                reply = await driver.send_command(command)
        except CommandRejected as refused:
            self.last = self._clock()
            await self._observer.saw(command, refused.result)
            raise
        self.last = self._clock()
        if call.lease is not None:
            unfinished.done(call.lease.unfinished, command, reply)
        self._signatures.after(command, reply, call.attempt)
        await self._observer.saw(command, 0)
        if command[0] == FlashHealth.opcode:
            self._observer.saw_health(reply)
        return reply
