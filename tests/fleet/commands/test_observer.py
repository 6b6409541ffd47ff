"""What is told of what was done to a TSE, and what is not."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from gateway.fleet.commands.observer import CommandObserver, log_command
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory, PinRecord
from gateway.fleet.pins.retry_guard import KnownWrong, RetryGuard
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    DeregisterClient,
    FlashHealth,
    HealthReply,
    Login,
    Logout,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionStep,
    UnblockPin,
    User,
)
from gateway.tse.fields import Command, Generation
from gateway.tse.info import TseInfo
from gateway.tse.pins import PinOwner
from gateway.tse.results import Result
from tests.support import TIME_ADMIN_PIN

SERIAL = "AB" * 32


def told(
    caplog: pytest.LogCaptureFixture, command: Command, result: int, owner: PinOwner | None = None
) -> list[dict[str, Any]]:
    caplog.set_level(logging.DEBUG)
    log_command(SERIAL, command, result, owner)
    return [vars(record) for record in caplog.records]


def test_a_self_test_that_finds_the_tse_broken_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told(caplog, SelfTest(b"POS-1"), Result.SELF_TEST_CSP)
    assert (line["event"], line["levelname"], line["result"]) == ("self_test_failed", "ERROR", "SELF_TEST_CSP")
    assert line["serial"] == SERIAL


def test_a_refused_pin_is_told_with_what_is_left_and_without_the_pin(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told(caplog, Login(User.ADMIN, b"31337"), Result.AUTHENTICATION_FAILED + 2, PinOwner.ADMIN)
    assert (line["event"], line["tries_left"], line["user"]) == ("pin_refused", 2, "admin")
    assert line["serial"] == SERIAL
    assert "31337" not in str(line)


def test_a_refused_puk_of_generation_2_has_no_tries_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    command = UnblockPin(User.LOGGER, b"313370", b"31337")
    (line,) = told(caplog, command, Result.AUTHENTICATION_FAILED + 3, PinOwner.LOGGER_PUK)
    assert (line["event"], line["tries_left"], line["user"]) == ("pin_refused", None, "logger_puk")
    assert "during the pause" in caplog.text


def test_an_unblocked_pin_is_told_by_its_user_and_not_by_the_puk(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told(caplog, UnblockPin(User.TIME_ADMIN, b"123456", b"31337"), Result.OK, PinOwner.PUK)
    assert (line["event"], line["user"]) == ("pin_changed", "time_admin")
    assert "31337" not in str(line)


def test_a_changed_pin_and_a_till_that_left_are_told(caplog: pytest.LogCaptureFixture) -> None:
    told(caplog, ChangePin(User.ADMIN, b"11111", b"31337"), Result.OK, PinOwner.ADMIN)
    told(caplog, DeregisterClient(b"POS-9"), Result.OK)
    events = [(line["event"], line.get("user"), line.get("client")) for line in map(vars, caplog.records)]
    assert events == [("pin_changed", "admin", None), ("client_deregistered", None, "POS-9")]
    assert "31337" not in caplog.text


def test_who_did_something_is_told_only_if_that_is_known(caplog: pytest.LogCaptureFixture) -> None:
    told(caplog, SetTime(1), Result.OK)
    told(caplog, UnblockPin(7, b"123456", b"31337"), Result.OK, PinOwner.PUK)
    assert [line.get("user", "nobody") for line in map(vars, caplog.records)] == ["nobody", ""]


def test_what_happens_all_day_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, Login(User.ADMIN, b"31337"), Result.OK, PinOwner.ADMIN) == []
    assert told(caplog, SelfTest(b"POS-1"), Result.CLIENT_NOT_REGISTERED) == []


class Observed:
    """An observer and all that learns from it, without a TSE."""

    def __init__(self, generation: Generation = Generation.ONE) -> None:
        self.metrics, self.memory = Metrics(clients=True), PinMemory()
        self.guard = RetryGuard(self.memory, generation)
        self.login = LoginGuard(self.memory, TIME_ADMIN_PIN, generation)
        self.observer = CommandObserver(
            SERIAL, self.memory, self.login, self.guard, self.metrics, generation=generation
        )
        self._generation = generation

    async def saw(self, command: Command, result: int = Result.OK, reply: bytes = b"") -> None:
        await self.observer.saw(command.encode(self._generation), result, reply)

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"serial": SERIAL, **labels})

    def left(self, owner: PinOwner) -> float | None:
        return self.gauge("tse_pin_tries_left", user=owner)

    async def is_withheld(self, command: Command) -> bool:
        """Whether the guard takes what `command` shows for wrong."""

        async def send(_: Command) -> bytes:
            return b""

        before = self.memory.record.tries
        await self.memory.write(tries={})
        try:
            await self.guard.send(command, send, risk=False)
        except KnownWrong:
            return True
        finally:
            await self.memory.write(tries=before)
        return False


@pytest.fixture
def observed() -> Observed:
    return Observed()


LOGIN = Login(User.ADMIN, b"31337")


async def test_a_wrong_pin_is_known_with_the_tries_that_are_left_of_it(
    observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    await observed.memory.write(tries={PinOwner.ADMIN: 3, PinOwner.PUK: 1})
    await observed.saw(LOGIN, Result.AUTHENTICATION_FAILED + 2)
    assert [vars(record)["user"] for record in caplog.records] == ["admin"]
    assert observed.memory.record.tries == {PinOwner.ADMIN: 2, PinOwner.PUK: 1}
    assert observed.left(PinOwner.ADMIN) == 2
    assert await observed.is_withheld(LOGIN)
    await observed.saw(LOGIN)
    assert observed.memory.record.tries == {PinOwner.PUK: 1}
    assert observed.left(PinOwner.ADMIN) is None
    assert not await observed.is_withheld(LOGIN)


async def test_a_blocked_pin_says_nothing_of_the_one_that_was_shown(observed: Observed) -> None:
    await observed.saw(LOGIN, Result.PIN_BLOCKED)
    assert observed.memory.record.tries == {PinOwner.ADMIN: 0}
    assert (observed.left(PinOwner.ADMIN), observed.gauge("tse_pin_blocked", user="admin")) == (0, 1)
    assert not await observed.is_withheld(LOGIN)


async def test_a_refusal_for_another_reason_says_nothing_of_the_pin(observed: Observed) -> None:
    await observed.memory.write(tries={PinOwner.ADMIN: 1})
    await observed.saw(LOGIN, Result.NEEDS_PUK_CHANGE)
    assert observed.memory.record.tries == {PinOwner.ADMIN: 1}
    assert observed.left(PinOwner.ADMIN) is None
    assert not await observed.is_withheld(LOGIN)


@pytest.mark.parametrize("blocked", [{PinOwner.TIME_ADMIN: 0}, {}])
async def test_who_unblocks_a_pin_has_all_tries_again(observed: Observed, blocked: dict[PinOwner, int]) -> None:
    observed.metrics.maintenance.pin_tries(SERIAL, PinOwner.TIME_ADMIN, 0)
    await observed.memory.write(tries={PinOwner.PUK: 1, PinOwner.ADMIN: 2, **blocked})
    await observed.saw(UnblockPin(User.TIME_ADMIN, b"123456", b"31337"))
    assert observed.memory.record.tries == {PinOwner.ADMIN: 2}
    assert observed.left(PinOwner.TIME_ADMIN) is None


async def test_of_a_puk_that_has_no_end_of_tries_none_is_counted() -> None:
    observed = Observed(Generation.TWO)
    wrong = ChangePuk(User.ADMIN, b"000000", b"123456")
    await observed.saw(wrong, Result.AUTHENTICATION_FAILED + 2)
    assert (observed.memory.record.tries, observed.left(PinOwner.PUK)) == ({}, None)
    assert observed.gauge("tse_pin_blocked", user="puk") is None
    assert await observed.is_withheld(wrong)


async def test_tries_of_an_earlier_process_are_shown(observed: Observed) -> None:
    await observed.memory.write(tries={PinOwner.ADMIN: 1})
    CommandObserver(
        SERIAL, observed.memory, observed.login, observed.guard, observed.metrics, generation=Generation.ONE
    )
    assert observed.left(PinOwner.ADMIN) == 1


async def test_another_pin_of_the_time_admin_forbids_the_login_of_the_gateway(observed: Observed) -> None:
    await observed.saw(Login(User.TIME_ADMIN, b"11111"))
    assert "another one" in str(observed.login.objection())


async def test_several_users_are_logged_in_at_a_time_in_generation_1(observed: Observed) -> None:
    for user in (User.ADMIN, User.TIME_ADMIN):
        await observed.saw(Login(user, b"31337"))
    assert observed.observer.logged_in == {User.ADMIN, User.TIME_ADMIN}
    await observed.saw(Logout(User.ADMIN), Result.UNKNOWN)
    assert observed.observer.logged_in == {User.ADMIN, User.TIME_ADMIN}
    await observed.saw(Logout(User.ADMIN), Result.USER_NOT_LOGGED_IN)
    assert observed.observer.logged_in == {User.TIME_ADMIN}
    await observed.saw(Logout(User.TIME_ADMIN))
    assert observed.observer.logged_in == set()
    observed.observer.told(TseInfo(serial=bytes(32), public_key=b"", logged_in_user=User.ADMIN))
    assert observed.observer.logged_in == set()  # only generation 2 tells


async def test_only_one_user_is_logged_in_at_a_time_in_generation_2() -> None:
    observed = Observed(Generation.TWO)
    for user in (User.ADMIN, User.TIME_ADMIN):
        await observed.saw(Login(user, b"31337"))
    assert observed.observer.logged_in == {User.TIME_ADMIN}
    await observed.saw(Logout())
    assert observed.observer.logged_in == set()
    info = TseInfo(serial=bytes(32), public_key=b"", software_version=0x20000, logged_in_user=User.LOGGER)
    observed.observer.told(info)
    assert observed.observer.logged_in == {User.LOGGER}
    observed.observer.told(replace(info, logged_in_user=User.NONE))
    assert observed.observer.logged_in == set()


async def test_the_first_client_id_that_the_tse_accepts_is_remembered_until_it_is_gone(observed: Observed) -> None:
    def known() -> str:
        return observed.memory.record.client_id

    await observed.saw(SelfTest("Käse".encode("latin-1")), Result.CLIENT_NOT_REGISTERED)
    assert known() == ""
    await observed.saw(OpenImport(TransactionStep.START, "Käse".encode("latin-1"), 0, 0, b""))
    await observed.saw(SelfTest(b"POS-2"))
    assert known() == "Käse"
    await observed.saw(DeregisterClient(b"POS-2"))
    assert known() == "Käse"
    await observed.saw(DeregisterClient("Käse".encode("latin-1")))
    assert known() == ""
    await observed.saw(SelfTest(b"POS-2"))
    assert known() == "POS-2"


async def test_a_till_that_was_deregistered_is_shown_no_more() -> None:
    observed = Observed()
    observed.metrics.clients.signed(SERIAL, b"POS-1", finished=True)
    await observed.saw(DeregisterClient(b"POS-1"))
    assert observed.gauge("tse_client_receipts_total", client="POS-1") is None


@pytest.mark.parametrize(
    ("command", "name"),
    [(SetTime(1), "tse_time_set_timestamp_seconds"), (SelfTest(b"POS-1"), "tse_self_test_timestamp_seconds")],
)
async def test_it_is_shown_when_the_tse_was_made_ready(observed: Observed, command: Command, name: str) -> None:
    await observed.saw(command, Result.UNKNOWN)
    assert not observed.gauge(name)
    await observed.saw(command)
    assert (observed.gauge(name) or 0) > 1_700_000_000


async def test_the_health_of_the_flash_memory_is_kept_and_nonsense_is_not(observed: Observed) -> None:
    health = HealthReply(50, 0, 1000, 3000)
    await observed.saw(FlashHealth(), reply=health.encode())
    await observed.saw(FlashHealth(), reply=b"nonsense")
    reading = observed.observer.flash_health
    assert reading is not None
    assert reading.health == health


async def test_a_command_that_nobody_understands_teaches_nothing(observed: Observed) -> None:
    for raw in (b"\x99\0", b"\x20", b"\x20\0\1"):
        await observed.observer.saw(raw, Result.OK)
    assert observed.memory.record == PinRecord()
