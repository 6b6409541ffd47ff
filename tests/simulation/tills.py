"""Tills of both protocols. Each sells one receipt after the other and does not rest before it knows what was signed."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.errors import CommandRejected, GatewayError
from gateway.operations.receipt import Action as ApiAction
from gateway.operations.receipt import Signed, SigningRequest
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.tse import lists
from gateway.tse.commands import Login, Logout, SelfTest, SetTime, TransactionStep, User
from gateway.tse.fields import Command, Generation
from gateway.tse.lists import Question
from gateway.tse.logmessage import LogMessage
from gateway.tse.results import Result
from tests.history.events import Action, History, Signature, Step
from tests.history.recorder import RecordedLan
from tests.lan_client import TIMEOUT, LanError, _Unanswered
from tests.simulation.clock import CLOCK
from tests.simulation.network import Line, Network, Unanswered
from tests.simulation.trace import Trace
from tests.support import TIME_ADMIN_PIN

KIND = b"Kassenbeleg-V1"
_NOT_READY = frozenset({Result.NEEDS_SELF_TEST, Result.NEEDS_ACTIVE_CTSS, Result.NO_TIME_SET})
_REST = 0.0, 3.0  # seconds before a till tries again


class Mixed(Exception):
    """Somebody else has finished the transaction of a till."""


@dataclass
class Till:
    """What all tills have.

    `shared` says that others use the same client id, `generation` for which TSEs its software was made. `trouble` is
    what no till should meet.
    """

    name: str
    client: bytes
    serial: str
    history: History
    network: Network
    chance: Random
    trace: Trace
    shared: bool = False
    generation: Generation = Generation.ONE
    line: Line = field(init=False)
    receipts: int = 0
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = Line(self.network, self.name)

    async def sell(self, name: str, data: bytes) -> None:
        """Have a receipt signed, however long it takes.

        Raises:
            Mixed: it was mixed up with that of another till.
        """
        raise NotImplementedError

    async def rest(self, error: Exception) -> None:
        """Wait after an error."""
        self.trace.add(self.name, f"{type(error).__name__} {error}")
        await asyncio.sleep(self.chance.uniform(*_REST))

    async def from_store(self, step: Step) -> Signature | None:
        """The signature of a finish, from an export of its transaction; none while it is open.

        Raises:
            Mixed: it has ended, but not with the data of this till.
        """
        found: list[LogMessage] = await self.line.ask(lambda it, _: it.steps_of(self.serial, step.number))
        ended = next((message for message in found if message.operation.lower() == "finishtransaction"), None)
        if ended is None:
            return None
        if ended.process_data != step.data:
            raise Mixed(f"{step.name}: transaction {step.number} was finished by somebody else")
        return Signature(step.number, ended.signature_counter, ended.log_time, ended.signature)


class _Lan(RecordedLan):
    """The client of the protocol over a simulated line."""

    line: Line

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        try:
            return await self.line.ask(lambda it, connection: it.asked(path, body, connection))
        except Unanswered:
            raise _Unanswered from None
        except TimeoutError:
            raise LanError(TIMEOUT) from None
        finally:
            self._stream = (Any, Any) if self.line.is_open else None  # type: ignore[assignment]

    async def close(self) -> None:
        self.line.close()


class LanTill(Till):
    """A till with the vendor's library: it asks the TSE whenever it does not know."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lan = _Lan(0, "", self.serial, history=self.history)
        self.lan.line = self.line

    async def sell(self, name: str, data: bytes) -> None:
        number = await self._start(name)
        if self.chance.random() < 0.2:
            await asyncio.sleep(self.chance.uniform(0.5, 20))
        await self._finish(Step(name, Action.FINISH, self.client, number, KIND, data))

    async def _start(self, name: str) -> int:
        step = Step(f"start of {name}", Action.START, self.client)
        asked = False
        while True:
            number = 0
            try:
                async with self.lan.locked():
                    if asked and self.shared:  # nobody can tell whose it would be
                        step, asked = Step(step.name + "'", Action.START, self.client), False
                    if asked:
                        number, asked = await self._found_start(step), False
                    if not number:
                        asked = True
                        reply = await self.lan.sign(TransactionStep.START, self.client, 0, b"", b"", step.name)
                        number = reply.transaction_number
            except LanError as error:
                if not number:
                    await self._help(error)
            if number:
                return number

    async def _found_start(self, step: Step) -> int:
        """The transaction that an earlier try has started; 0 if there is none."""
        open_ones = await self._ask(lists.open_transactions(self.generation, self.client))
        if not open_ones:
            return 0
        reply = await self.lan.last(self.client)
        self.history.told(step, Signature.of(reply))
        return open_ones[0]

    async def _finish(self, step: Step) -> None:
        asked = told = False
        while not told:
            try:
                async with self.lan.locked():
                    if asked:
                        found = await self._found_finish(step)
                        if found is not None:
                            self.history.told(step, found)
                            told = True
                    if not told:
                        asked = True
                        await self.lan.sign(
                            TransactionStep.FINISH, step.client, step.number, step.data, step.process_type, step.name
                        )
                        told = True
            except (LanError, Unanswered, TimeoutError, GatewayError) as error:
                if not told:
                    await self._help(error)

    async def _found_finish(self, step: Step) -> Signature | None:
        if step.number in await self._ask(lists.open_transactions(self.generation, self.client)):
            return None
        reply = await self.lan.last(self.client)
        if reply.transaction_number == step.number:
            return Signature.of(reply)
        return await self.from_store(step)

    async def _help(self, error: Exception) -> None:
        """Do what helps after an error."""
        if isinstance(error, LanError) and error.number in _NOT_READY:
            await self._make_ready()
        await self.rest(error)

    async def _make_ready(self) -> None:
        """Self test and time, as tills do when they open; others may be at it, too."""
        try:
            async with self.lan.locked():
                self.line.impatient = False
                await self._send(SelfTest(self.client))
                self.line.impatient = True
                await self._send(Login(User.TIME_ADMIN, TIME_ADMIN_PIN))
                await self._send(SetTime(int(CLOCK.unix())))
                await self._send(Logout(User.TIME_ADMIN))
        except LanError as error:
            self.line.impatient = True
            self.trace.add(self.name, f"not made ready: {error}")

    async def _send(self, command: Command) -> bytes:
        return await self.lan.send_command(command.encode(self.generation))

    async def _ask(self, question: Question[int]) -> list[int]:
        try:
            command = next(question)
            while True:
                command = question.send(await self._send(command))
        except StopIteration as found:
            answer: list[int] = found.value
            return answer


class ApiTill(Till):
    """A till of the JSON API, with a key for each receipt or, `in_steps`, for start and finish."""

    in_steps = False

    async def sell(self, name: str, data: bytes) -> None:
        if not self.in_steps:
            await self._insist(Step(name, Action.SIGN, self.client, 0, KIND, data))
            return
        started = await self._insist(Step(f"start of {name}", Action.START, self.client))
        if self.chance.random() < 0.2:
            await asyncio.sleep(self.chance.uniform(0.5, 20))
        await self._insist(Step(name, Action.FINISH, self.client, started.number, KIND, data))

    async def _insist(self, step: Step) -> Signed:
        while True:
            try:
                return await self._try(step, step.name)
            except (GatewayError, Unanswered, TimeoutError) as error:
                if isinstance(error, OutcomeUnknown | EndedOtherwise) or _is_not_open(error):
                    raise Mixed(f"{step.name}: {error}") from None
                await self.rest(error)

    async def _try(self, step: Step, key: str | None) -> Signed:
        request = SigningRequest(
            ApiAction(step.action), self.serial, step.client, step.number, step.process_type, step.data
        )
        with self.history.asking(step, lambda error: isinstance(error, CommandRejected)) as answered:
            result = await self.line.ask(lambda it, _: it.sign(request, key))
            signed = result.signed
            answered(Signature(signed.number, signed.counter, signed.log_time, signed.signature))
        return signed


class SteppingTill(ApiTill):
    """It has a key for the start and one for the finish."""

    in_steps = True


class KeylessTill(ApiTill):
    """It uses no keys, so it asks what became of a request before it repeats it."""

    in_steps = True

    async def _insist(self, step: Step) -> Signed:
        tried = False
        while True:
            try:
                if tried and step.action is Action.FINISH:
                    found = await self.from_store(step)
                    if found is not None:
                        self.history.told(step, found)
                        return Signed(found.number, found.counter, found.log_time, found.signature)
                if tried and step.action is Action.START:  # nobody can tell whose it would be
                    step = Step(step.name + "'", Action.START, self.client)
                tried = True
                return await self._try(step, None)
            except (GatewayError, Unanswered, TimeoutError) as error:
                await self.rest(error)


def _is_not_open(error: Exception) -> bool:
    return isinstance(error, CommandRejected) and error.result == Result.TRANSACTION_NOT_STARTED
