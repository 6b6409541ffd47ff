"""Did the signature happen? When the answer to `95` is lost, the TSE is asked for its last transaction.

Three numbers tell: the signature counter before, that of the client's last transaction now, and
the number of the transaction. The counter before is learned from answers that pass through, and
asked for once after each opening, at the first announced step.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from gateway.driver.protocols import TseDriver
from gateway.errors import CommandRejected, ProtocolError
from gateway.telemetry import events
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.metrics.signatures import Outcome
from gateway.tse.commands import CloseImport, LastTransaction, OpenImport, TransactionReply, TransactionStep
from gateway.tse.results import Result

log = logging.getLogger(__name__)


_ANY_CLIENT = b""
_NOTHING_YET = TransactionReply(0, bytes(32), 0, 0, b"")
_MOST_QUESTIONS = 5  # a TSE that fails whenever it is asked must become usable again


@dataclass(eq=False, slots=True)
class LostSignature:
    """A step that was sent to be signed; `verdict` is to be the reply, or `None`: not signed, or never known."""

    step: OpenImport
    counter_before: int
    number_before: int  # highest transaction number seen
    asked: int = 0
    verdict: "asyncio.Future[bytes | None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_answered_by(self, last: TransactionReply) -> bool:
        """Is this the reply that was lost?"""
        if (
            self.step.event == TransactionStep.START
        ):  # another till under the same client id, past this gateway, may have signed
            same = last.transaction_number > self.number_before
        else:
            same = last.transaction_number == self.step.transaction_number
        return same and last.signature_counter > self.counter_before

    def end(self, reply: bytes | None) -> None:
        """Tell whoever waits."""
        if not self.verdict.done():
            self.verdict.set_result(reply)


class OpenTransactionAges:
    """Of one TSE. One that nobody saw begin counts from when it was first known of: it is at least as old."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._began: dict[int, float] = {}
        self._unseen: list[float] = []  # when more were first told of than had passed through

    def signed(self, event: int, number: int) -> None:
        """A step of transaction `number` was signed."""
        if event == TransactionStep.START:
            self._began[number] = self._now()
        elif event == TransactionStep.FINISH and self._began.pop(number, None) is None and self._unseen:
            self._unseen.pop()

    def told(self, count: int) -> None:
        """The TSE says how many are open now."""
        if count == 0:
            self._began.clear()
            self._unseen.clear()
        unseen = max(0, count - len(self._began))
        del self._unseen[unseen:]
        self._unseen.extend([self._now()] * (unseen - len(self._unseen)))

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest began, as far as it is known; 0 when none is open."""
        now = self._now()
        return max(0.0, now - min((*self._began.values(), *self._unseen), default=now))


class SignatureTracker:
    """The signatures of one TSE as they pass through."""

    def __init__(self, serial: str, metrics: Metrics) -> None:
        self._serial = serial
        self._metrics = metrics
        self._counter: int | None = None
        self._number = 0
        self.open = OpenTransactionAges()
        self._announced: OpenImport | None = None
        self.lost: LostSignature | None = None

    async def before(self, driver: TseDriver, command: bytes) -> LostSignature | None:
        """To be called before a command is sent; what to `lose` if the answer does not come."""
        if command[0] == OpenImport.opcode and self._counter is None:
            last = await _last_reply(driver)
            self._counter = None if last is None else last.signature_counter
            self._number = 0 if last is None else max(self._number, last.transaction_number)
        if command[0] != CloseImport.opcode or self._announced is None or self._counter is None:
            return None
        return LostSignature(self._announced, self._counter, self._number)

    def after(self, command: bytes, reply: bytes, attempt: LostSignature | None) -> None:
        """To be called after the TSE carried a command out; `attempt` is what `before` gave."""
        if command[0] == OpenImport.opcode:
            self._announced = _understood(command)
        elif command[0] == CloseImport.opcode:
            announced, self._announced = self._announced, None
            last = self._count(announced, reply)
            if last is not None:
                self._metrics.signatures.dated(self._serial, last.log_time)
            if attempt is not None:
                attempt.end(reply)  # it came after all, when it was given up already
            self.give_up()  # whoever signs anew no longer asks for the one before
            self._counter = None if last is None else last.signature_counter
            self._number = self._number if last is None else max(self._number, last.transaction_number)

    def lose(self, attempt: LostSignature) -> None:
        """The answer did not come."""
        if self.lost is not attempt and not attempt.verdict.done():
            self._announced = None
            self.give_up()
            self.lost = attempt

    def reopened(self) -> None:
        """The TSE may have been elsewhere meanwhile; what was lost is still to be asked for."""
        self._counter = self._announced = None

    async def settle(self, driver: TseDriver) -> None:
        """Ask the TSE; if it cannot tell before its self test, this is to be called again after it."""
        lost = self.lost
        if lost is None:
            return
        lost.asked += 1
        if lost.asked > _MOST_QUESTIONS:
            self._settled(lost, "unknown", None)
            return
        try:
            reply = await driver.send_command(LastTransaction(lost.step.client_id).encode())
        except CommandRejected as refused:
            if refused.result != Result.NO_LAST_TRANSACTION:
                log.info("TSE %s cannot tell yet whether it signed: %s", self._serial, refused)
                lost.asked -= 1  # it will after its self test, whenever that is
                return
            self._settled(lost, "not_signed", None)
            return
        last = _understood_reply(reply)
        if last is None:
            self._settled(lost, "unknown", None)
        elif lost.is_answered_by(last):
            self._settled(lost, "signed", reply)
        else:
            self._settled(lost, "not_signed", None)

    def _settled(self, lost: LostSignature, outcome: Outcome, reply: bytes | None) -> None:
        self.lost = None
        if reply is not None:
            self._count(lost.step, reply)
        self._metrics.signatures.settled(self._serial, outcome)
        words, told = (
            outcome.replace("_", " "),
            events.event(events.Event.SIGNATURE_SETTLED, self._serial, outcome=outcome),
        )
        log.warning("the lost answer of TSE %s to a signature: %s", self._serial, words, extra=told)
        lost.end(reply)

    def _count(self, step: OpenImport | None, reply: bytes) -> TransactionReply | None:
        """A step was signed."""
        signed = _understood_reply(reply)
        self._metrics.signatures.sold(self._serial)
        if step is not None:
            self._metrics.clients.signed(self._serial, step.client_id, finished=step.event == TransactionStep.FINISH)
            if signed is not None:
                self.open.signed(step.event, signed.transaction_number)
        return signed

    def give_up(self) -> None:
        """Nobody will know; whoever waits is told so."""
        lost, self.lost = self.lost, None
        if lost is not None:
            lost.end(None)


async def _last_reply(driver: TseDriver) -> TransactionReply | None:
    try:
        return _understood_reply(await driver.send_command(LastTransaction(_ANY_CLIENT).encode()))
    except CommandRejected as refused:
        return _NOTHING_YET if refused.result == Result.NO_LAST_TRANSACTION else None


def _understood_reply(reply: bytes) -> TransactionReply | None:
    """What cannot be understood goes to the till as it is; here it only means not to know."""
    try:
        return TransactionReply.decode(reply)
    except ProtocolError:
        return None


def _understood(command: bytes) -> OpenImport | None:
    try:
        return OpenImport.decode(command)
    except ProtocolError:
        return None
