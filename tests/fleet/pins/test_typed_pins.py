"""PINs and PUKs that operators type: what was wrong is not sent again, and the last try is kept."""

from collections.abc import Awaitable, Callable

import pytest

from gateway.errors import CommandRejected, DeviceTimeout
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.pins.retry_guard import KnownWrong, LastTry, RetryGuard
from gateway.tse.commands import ChangePin, ChangePuk, Login, SelfTest, UnblockPin, User
from gateway.tse.fields import Command, Generation
from gateway.tse.pins import PinOwner
from gateway.tse.results import Result
from tests.texts import said

PIN, PUK, NEW = b"11111", b"123456", b"22222"
LOGIN = Login(User.ADMIN, PIN)
UNBLOCK = UnblockPin(User.ADMIN, PUK, NEW)


@pytest.fixture
def memory() -> PinMemory:
    return PinMemory()


@pytest.fixture
def guard(memory: PinMemory) -> RetryGuard:
    return RetryGuard(memory)


def answering(
    answer: Exception | None = None, look: Callable[[], None] = lambda: None
) -> Callable[..., Awaitable[bytes]]:
    """A TSE that answers so; before, the test looks."""

    async def send(_: Command) -> bytes:
        look()
        if answer is not None:
            raise answer
        return b"done"

    return send


async def test_what_shows_no_pin_passes(guard: RetryGuard, memory: PinMemory) -> None:
    assert await guard.send(SelfTest(b"POS-1"), answering(), risk=False) == b"done"
    assert memory.record.tries == {}


@pytest.mark.parametrize(("before", "noted"), [({}, 2), ({PinOwner.ADMIN: 2}, 1), ({PinOwner.ADMIN: 0}, 0)])
async def test_a_try_is_noted_as_failed_before_it_is_made(
    guard: RetryGuard, memory: PinMemory, before: dict[PinOwner, int], noted: int
) -> None:
    await memory.write(tries=before | {PinOwner.PUK: 3})
    seen = []
    with pytest.raises(DeviceTimeout):
        await guard.send(
            LOGIN, answering(DeviceTimeout(said("lost")), lambda: seen.append(memory.record.tries)), risk=True
        )
    assert seen == [{PinOwner.ADMIN: noted, PinOwner.PUK: 3}]
    assert memory.record.tries == seen[0]  # it may have cost a try: nobody knows


@pytest.mark.parametrize(
    ("result", "left"), [(Result.NEEDS_PUK_CHANGE, 2), (Result.AUTHENTICATION_FAILED + 1, 1), (Result.PIN_BLOCKED, 1)]
)
async def test_a_refusal_for_another_reason_costs_no_try(
    guard: RetryGuard, memory: PinMemory, result: int, left: int
) -> None:
    await memory.write(tries={PinOwner.ADMIN: 2})
    with pytest.raises(CommandRejected):
        await guard.send(LOGIN, answering(CommandRejected(result, said("no"))), risk=False)
    assert memory.record.tries == {PinOwner.ADMIN: left}


@pytest.mark.parametrize(
    ("command", "owner", "then"),
    [(LOGIN, PinOwner.ADMIN, "blocked until the PUK"), (UNBLOCK, PinOwner.PUK, "nobody can ever administer")],
)
async def test_the_last_try_is_kept(
    guard: RetryGuard, memory: PinMemory, command: Command, owner: PinOwner, then: str
) -> None:
    await memory.write(tries={owner: 1})
    with pytest.raises(LastTry, match=then) as withheld:
        await guard.send(command, answering(AssertionError()), risk=False)
    assert withheld.value.tries_left == 1


@pytest.mark.parametrize("shown", [LOGIN, ChangePin(User.ADMIN, PIN, NEW)])
async def test_a_pin_that_was_wrong_is_not_sent_again(guard: RetryGuard, memory: PinMemory, shown: Command) -> None:
    guard.refused(LOGIN)
    with pytest.raises(KnownWrong):
        await guard.send(shown, answering(AssertionError()), risk=False)
    assert memory.record.tries == {}
    assert await guard.send(shown, answering(), risk=True) == b"done"


@pytest.mark.parametrize("other", [Login(User.ADMIN, NEW), Login(User.TIME_ADMIN, PIN)])
async def test_another_pin_and_that_of_another_user_are_sent(guard: RetryGuard, other: Command) -> None:
    guard.refused(LOGIN)
    guard.accepted(Login(User.ADMIN, NEW))
    assert await guard.send(other, answering(), risk=False) == b"done"
    with pytest.raises(KnownWrong):
        await guard.send(LOGIN, answering(AssertionError()), risk=False)


@pytest.mark.parametrize(
    ("wrong", "change"),
    [
        (LOGIN, LOGIN),
        (LOGIN, ChangePin(User.ADMIN, NEW, PIN)),
        (LOGIN, UnblockPin(User.ADMIN, b"654321", PIN)),
        (UNBLOCK, ChangePuk(User.ADMIN, b"654321", PUK)),
    ],
)
async def test_what_was_wrong_is_sent_again_once_the_tse_accepted_it_or_its_owner_got_a_new_one(
    guard: RetryGuard, wrong: Command, change: Command
) -> None:
    guard.refused(wrong)
    guard.accepted(change)
    assert await guard.send(wrong, answering(), risk=False) == b"done"


async def test_of_a_puk_that_has_no_end_of_tries_none_is_noted(memory: PinMemory) -> None:
    assert await RetryGuard(memory, Generation.TWO).send(UNBLOCK, answering(), risk=False) == b"done"
    assert memory.record.tries == {}


@pytest.mark.parametrize(
    "command", [LOGIN, ChangePin(User.ADMIN, PIN, NEW), ChangePuk(User.ADMIN, PUK, b"654321"), UNBLOCK]
)
async def test_what_was_never_wrong_may_be_accepted(guard: RetryGuard, command: Command) -> None:
    guard.accepted(command)
    assert await guard.send(command, answering(), risk=False) == b"done"
