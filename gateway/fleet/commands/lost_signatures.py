"""The signatures of one TSE as they pass through, and those whose answer was lost.

When the answer to `CloseImport` is lost, the TSE is asked for the last transaction of the client. Three numbers
tell whether it signed: the signature counter before, the counter of that last transaction, and its number. The
counter before is learned from answers that pass through, and asked for once after each opening, at the first
announced step. (LAN-TSE protocol, commands 0x84, 0x90, 0x95.)
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

SIGNING = frozenset({OpenImport.opcode, CloseImport.opcode})  # the commands that the tracker wants to see
_ANY_CLIENT = b""
_NOTHING_YET = TransactionReply(0, bytes(32), 0, 0, b"")
_MOST_QUESTIONS = 5  # a TSE that fails whenever it is asked must become usable again


@dataclass(frozen=True, slots=True)
class AnnouncedStep:
    """A step that is announced to a TSE, with the signature counter and the highest transaction number seen before."""

    step: OpenImport
    counter_before: int
    number_before: int

    def is_answered_by(self, last: TransactionReply) -> bool:
        """Return whether `last`, the client's last transaction, is the reply to the signature of this step."""
        if self.step.event == TransactionStep.START:
            # Another till under the same client id may have signed, past this gateway.
            same = last.transaction_number > self.number_before
        else:
            same = last.transaction_number == self.step.transaction_number
        return same and last.signature_counter > self.counter_before


@dataclass(eq=False, slots=True)
class LostSignature:
    """A step that was sent to be signed and may get no answer.

    `verdict` becomes the reply to the signature, or `None` if the TSE did not sign or nobody will know. `waived`
    becomes done when nobody should wait for it any more.
    """

    announced: AnnouncedStep
    asked: int = 0
    verdict: "asyncio.Future[bytes | None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    waived: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def end(self, reply: bytes | None) -> None:
        """Set the verdict, unless there is one."""
        if not self.verdict.done():
            self.verdict.set_result(reply)


class OpenTransactionAges:
    """How long the transactions of one TSE have been open, in seconds of the clock `now`.

    A TSE tells how many are open; when they began is seen as they pass through. One that nobody saw begin counts
    from when it was first known of: it is at least as old.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._began: dict[int, float] = {}
        self._unseen: list[float] = []  # when more were first told of than had passed through

    def signed(self, event: int, number: int) -> None:
        """Count a signed step of transaction `number`."""
        if event == TransactionStep.START:
            self._began[number] = self._now()
        elif event == TransactionStep.FINISH and self._began.pop(number, None) is None and self._unseen:
            self._unseen.pop()

    def told(self, count: int) -> None:
        """Take over that `count` transactions are open now, as the TSE says."""
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
    """Follows the signatures of one TSE; `lost` is the one to be asked for, if any.

    `told` is the last transaction that the TSE told after its opening, `seen` the last signature that passed through.
    """

    def __init__(self, serial: str, metrics: Metrics) -> None:
        self._serial = serial
        self._metrics = metrics
        self._counter: int | None = None
        self._number = 0
        self._announced: OpenImport | None = None
        self.open = OpenTransactionAges()
        self.lost: LostSignature | None = None
        self.told: TransactionReply | None = None
        self.seen: TransactionReply | None = None

    @property
    def announced(self) -> AnnouncedStep | None:
        """The step that would be signed now; `None` if there is none, or the counter before is not known."""
        if self._announced is None or self._counter is None:
            return None
        return AnnouncedStep(self._announced, self._counter, self._number)

    async def before(self, driver: TseDriver, command: bytes) -> LostSignature | None:
        """Prepare for a command of `SIGNING` that is about to be sent; return what to `lose` if no answer comes."""
        if command[0] == OpenImport.opcode and self._counter is None:
            last = await _last_reply(driver)
            self._counter = None if last is None else last.signature_counter
            self._number = 0 if last is None else max(self._number, last.transaction_number)
            self.told = last
        announced = self.announced if command[0] == CloseImport.opcode else None
        return None if announced is None else LostSignature(announced)

    def after(self, command: bytes, reply: bytes, attempt: LostSignature | None) -> None:
        """Count a command of `SIGNING` that the TSE carried out; `attempt` is what `before` returned."""
        if command[0] == OpenImport.opcode:
            self._announced = _decoded_step(command)
            return
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
        """Keep `attempt`, whose answer did not come, to be asked for."""
        if self.lost is not attempt and not attempt.verdict.done():
            self._announced = None
            self.give_up()
            self.lost = attempt

    def reopened(self) -> None:
        """Forget the counter and what was announced: the TSE may have been elsewhere. What was lost stays lost."""
        self._counter = self._announced = None

    async def settle(self, driver: TseDriver) -> None:
        """Ask the TSE for the lost signature; if it cannot tell before its self test, it stays to be asked for."""
        lost = self.lost
        if lost is None:
            return
        lost.asked += 1
        if lost.asked > _MOST_QUESTIONS:
            self._settled(lost, "unknown", None)
            return
        try:
            reply = await driver.send_command(LastTransaction(lost.announced.step.client_id).encode())
        except CommandRejected as refused:
            if refused.result != Result.NO_LAST_TRANSACTION:
                log.info("TSE %s cannot tell yet whether it signed: %s", self._serial, refused)
                lost.asked -= 1  # it will after its self test, whenever that is
                return
            self._settled(lost, "not_signed", None)
            return
        last = _decoded_reply(reply)
        if last is None:
            self._settled(lost, "unknown", None)
        elif lost.announced.is_answered_by(last):
            self._settled(lost, "signed", reply)
        else:
            self._settled(lost, "not_signed", None)

    def waive(self) -> None:
        """Let nobody wait for the lost signature; the TSE is asked for it when it can tell."""
        if self.lost is not None and not self.lost.waived.done():
            self.lost.waived.set_result(None)

    def give_up(self) -> None:
        """End the lost signature, if any, as one that nobody will know of."""
        lost, self.lost = self.lost, None
        if lost is not None:
            lost.end(None)

    def _settled(self, lost: LostSignature, outcome: Outcome, reply: bytes | None) -> None:
        self.lost = None
        if reply is not None:
            self._count(lost.announced.step, reply)
        self._metrics.signatures.settled(self._serial, outcome)
        settled = events.event(events.Event.SIGNATURE_SETTLED, self._serial, outcome=outcome)
        text = outcome.replace("_", " ")
        log.warning("the lost answer of TSE %s to a signature: %s", self._serial, text, extra=settled)
        lost.end(reply)

    def _count(self, step: OpenImport | None, reply: bytes) -> TransactionReply | None:
        """Count a signed step, and return its reply if it can be decoded."""
        signed = _decoded_reply(reply)
        self._metrics.signatures.sold(self._serial)
        if step is not None:
            self._metrics.clients.signed(self._serial, step.client_id, finished=step.event == TransactionStep.FINISH)
            if signed is not None:
                self.open.signed(step.event, signed.transaction_number)
        self.seen = signed or self.seen
        return signed


async def _last_reply(driver: TseDriver) -> TransactionReply | None:
    try:
        return _decoded_reply(await driver.send_command(LastTransaction(_ANY_CLIENT).encode()))
    except CommandRejected as refused:
        return _NOTHING_YET if refused.result == Result.NO_LAST_TRANSACTION else None


def _decoded_reply(reply: bytes) -> TransactionReply | None:
    """Return `None` for a reply that cannot be decoded; the till gets it as it is."""
    try:
        return TransactionReply.decode(reply)
    except ProtocolError:
        return None


def _decoded_step(command: bytes) -> OpenImport | None:
    try:
        return OpenImport.decode(command)
    except ProtocolError:
        return None
