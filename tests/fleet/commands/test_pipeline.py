"""The way of one command: what is learnt on it, and what a till gets when its answer is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from gateway.driver.protocols import TseDriver
from gateway.errors import CommandRejected, DeviceTimeout
from gateway.fleet.commands.lost_signatures import SignatureTracker
from gateway.fleet.commands.observer import CommandObserver
from gateway.fleet.commands.pipeline import CommandPipeline
from gateway.fleet.lock.queue import Lease
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.pins.retry_guard import RetryGuard
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import (
    CloseImport,
    FlashHealth,
    HealthReply,
    LastTransaction,
    Login,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionStep,
    User,
)
from gateway.tse.fields import Generation
from gateway.tse.results import Result
from gateway.tse.self_test import CSP, SelfTestReply
from gateway.tse.unfinished import Unfinished
from tests.fleet.commands.test_lost_signatures import reply
from tests.texts import said

SERIAL = "AB" * 32
START, SIGN = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode(), CloseImport().encode()


async def idle() -> None:
    """Let everybody do what they can do now."""
    for _ in range(10):
        await asyncio.sleep(0)


class Till:
    alive = True
    peer = token = client_id = ""


class Scripted:
    """The driver of a TSE that answers to each command as the test says; to others with nothing."""

    def __init__(self) -> None:
        self.answers: dict[int, bytes | Exception] = {LastTransaction.opcode: reply(6, 10)}
        self.sent: list[int] = []

    async def send_command(self, command: bytes) -> bytes:
        self.sent.append(command[0])
        answer = self.answers.get(command[0], b"")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Way:
    """A pipeline to one TSE, with the parts it needs."""

    def __init__(self, generation: Generation = Generation.ONE, settle_wait: float = 20.0) -> None:
        self.now = 100.0
        self.tse, self.metrics, self.memory = Scripted(), Metrics(), PinMemory()
        guards = LoginGuard(self.memory, None, generation), RetryGuard(self.memory, generation)
        self.observer = CommandObserver(SERIAL, self.memory, *guards, self.metrics, generation=generation)
        self.signatures = SignatureTracker(SERIAL, self.metrics)
        self.lease = Lease(1, Till(), 100, 100)
        self.pipeline = CommandPipeline(
            SERIAL,
            self.memory,
            self.observer,
            self.signatures,
            self.metrics,
            settle_wait=settle_wait,
            clock=lambda: self.now,
        )

    async def run(self, command: bytes) -> bytes:
        async def turn(work: Callable[[TseDriver], Awaitable[bytes]]) -> bytes:
            return await work(cast("TseDriver", self.tse))

        return await self.pipeline.run(turn, command, self.lease)

    async def lose_signature(self) -> "asyncio.Task[bytes]":
        """A start whose answer is lost; the till waits for it."""
        await self.run(START)
        self.tse.answers[CloseImport.opcode] = DeviceTimeout(said("no answer"))
        waiting = asyncio.create_task(self.run(SIGN))
        await idle()
        return waiting


@pytest.fixture
def way() -> Way:
    return Way()


async def test_a_command_is_sent_once_and_its_end_is_noted(way: Way) -> None:
    assert way.pipeline.last < 0
    health = HealthReply(50, 0, 1000, 3000)
    way.tse.answers[FlashHealth.opcode] = health.encode()
    assert await way.run(FlashHealth().encode()) == health.encode()
    assert way.observer.flash_health is not None
    assert way.observer.flash_health.health == health
    assert (way.tse.sent, way.pipeline.last) == ([FlashHealth.opcode], 100)
    way.now = 107
    way.tse.answers[FlashHealth.opcode] = CommandRejected(Result.UNKNOWN, said("no"))
    with pytest.raises(CommandRejected):
        await way.run(FlashHealth().encode())
    assert way.pipeline.last == 107
    counted = way.metrics.registry.get_sample_value(
        "tse_commands_total", {"serial": SERIAL, "command": "flash health", "result": "ok"}
    )
    assert counted == 1
    way.pipeline.reopened()
    assert way.pipeline.last < 0


async def test_what_a_till_began_and_did_not_end_stands_in_its_lease(way: Way) -> None:
    await way.run(START)
    assert way.lease.unfinished == {Unfinished.IMPORT}
    way.tse.answers[CloseImport.opcode] = reply(7, 11)
    assert await way.run(SIGN) == reply(7, 11)
    assert way.lease.unfinished == set()


async def test_the_counter_is_known_before_anything_is_announced(way: Way) -> None:
    await way.run(START)
    assert way.tse.sent == [LastTransaction.opcode, OpenImport.opcode]
    await way.run(LastTransaction(b"").encode())
    assert way.signatures.announced is not None


async def test_what_is_announced_teaches_a_client_id_only_while_none_is_known(way: Way) -> None:
    await way.run(START)
    assert way.memory.record.client_id == "POS-1"
    await way.run(OpenImport(TransactionStep.START, b"POS-2", 0, 0, b"").encode())
    assert way.memory.record.client_id == "POS-1"


@pytest.mark.parametrize(
    ("command", "answer", "changed"),
    [
        (SelfTest(b"POS-1").encode(), b"", True),
        (SetTime(1).encode(), b"", True),
        (FlashHealth().encode(), b"", False),
        (SetTime(1).encode(), CommandRejected(Result.NOT_AUTHORIZED, said("no")), False),
        (START, CommandRejected(Result.NEEDS_SELF_TEST, said("no")), True),
        (START, CommandRejected(Result.NO_TIME_SET, said("no")), True),
        (START, CommandRejected(Result.CLIENT_NOT_REGISTERED, said("no")), False),
    ],
)
async def test_a_command_shows_whether_the_tse_can_sign(
    way: Way, command: bytes, answer: bytes | Exception, changed: bool
) -> None:
    way.tse.answers[command[0]] = answer
    if isinstance(answer, Exception):
        with pytest.raises(CommandRejected):
            await way.run(command)
    else:
        await way.run(command)
    assert way.pipeline.changed_readiness is changed


async def test_a_refusal_is_learnt_from(way: Way) -> None:
    login = Login(User.ADMIN, b"31337")
    way.tse.answers[Login.opcode] = CommandRejected(Result.AUTHENTICATION_FAILED + 2, said("wrong"))
    with pytest.raises(CommandRejected):
        await way.run(login.encode())
    assert list(way.memory.record.tries.values()) == [2]
    del way.tse.answers[Login.opcode]
    await way.run(login.encode())
    assert way.observer.logged_in == {User.ADMIN}
    way.pipeline.reopened()
    assert way.observer.logged_in == set()


async def test_a_self_test_that_did_not_pass_is_no_success(caplog: pytest.LogCaptureFixture) -> None:
    way = Way(Generation.TWO)
    test = SelfTest().encode(Generation.TWO)
    way.tse.answers[test[0]] = SelfTestReply(frozenset({CSP}), 1).encode()
    await way.run(test)
    assert [getattr(record, "event", "") for record in caplog.records] == ["self_test_failed"]
    way.tse.answers[test[0]] = b"nonsense"  # it would end the process of the till
    with pytest.raises(CommandRejected, match="the reply to the self test is none"):
        await way.run(test)


async def test_a_lost_answer_is_waited_for_until_the_tse_tells(way: Way) -> None:
    waiting = await way.lose_signature()
    assert not waiting.done()
    way.pipeline.reopened()
    way.tse.answers[LastTransaction.opcode] = reply(7, 11)
    await way.signatures.settle(cast("TseDriver", way.tse))
    assert await waiting == reply(7, 11)


async def test_a_lost_answer_is_told_of(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    waiting = await way.lose_signature()
    (record,) = map(vars, caplog.records)
    assert (record["event"], record["serial"]) == ("signature_lost", SERIAL)
    waiting.cancel()


async def test_an_answer_that_comes_when_its_turn_was_given_up_is_the_answer(way: Way) -> None:
    await way.run(START)
    late, began = asyncio.Event(), []

    async def slow(command: bytes) -> bytes:
        await late.wait()
        return reply(7, 11)

    async def turn(work: Callable[[TseDriver], Awaitable[bytes]]) -> bytes:
        began.append(asyncio.ensure_future(work(cast("TseDriver", way.tse))))
        await idle()
        raise DeviceTimeout(said("no answer"))

    way.tse.send_command = slow  # type: ignore[method-assign]
    waiting = asyncio.create_task(way.pipeline.run(turn, SIGN, way.lease))
    await idle()
    late.set()
    await idle()
    assert waiting.done()
    assert await waiting == await began[0] == reply(7, 11)


@pytest.mark.parametrize("last", [reply(6, 10), CommandRejected(Result.NO_LAST_TRANSACTION, said("none"))])
async def test_a_signature_that_was_not_made_ends_in_the_error_that_came(way: Way, last: bytes | Exception) -> None:
    waiting = await way.lose_signature()
    way.tse.answers[LastTransaction.opcode] = last
    await way.signatures.settle(cast("TseDriver", way.tse))
    with pytest.raises(DeviceTimeout, match="no answer"):
        await waiting


async def test_nobody_waits_longer_for_a_lost_answer_than_it_may(way: Way) -> None:
    impatient = Way(settle_wait=0.0)
    async with asyncio.timeout(10):
        with pytest.raises(DeviceTimeout):
            await (await impatient.lose_signature())
    waiting = await way.lose_signature()
    way.signatures.waive()
    with pytest.raises(DeviceTimeout):
        await waiting
    assert way.signatures.lost is not None  # it is asked for nevertheless


async def test_with_all_that_befalls_it_a_command_ends_before_a_till_gives_up(way: Way) -> None:
    await way.run(START)

    async def slow(command: bytes) -> bytes:
        way.now += 55
        raise DeviceTimeout(said("no answer"))

    way.tse.send_command = slow  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        with pytest.raises(DeviceTimeout):
            await way.run(SIGN)


async def test_the_self_test_of_a_till_brings_the_answer_that_was_lost(way: Way) -> None:
    waiting = await way.lose_signature()
    way.pipeline.reopened()
    way.tse.answers[LastTransaction.opcode] = reply(7, 11)
    await way.run(FlashHealth().encode())
    assert way.tse.sent[-1] == FlashHealth.opcode
    await way.run(SelfTest(b"POS-1").encode())
    assert await waiting == reply(7, 11)


async def test_an_error_before_anything_is_signed_is_no_lost_signature(way: Way) -> None:
    way.tse.answers[OpenImport.opcode] = DeviceTimeout(said("no answer"))
    with pytest.raises(DeviceTimeout):
        await way.run(START)
    assert way.signatures.lost is None
