"""What is told of what was done to a TSE, and what is not."""

import logging
from typing import Any

import pytest

from gateway.fleet.commands.observer import log_command
from gateway.tse.commands import ChangePin, DeregisterClient, Login, SelfTest, UnblockPin, User
from gateway.tse.fields import Command
from gateway.tse.pins import PinOwner
from gateway.tse.results import Result

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


def test_a_refused_pin_is_told_with_what_is_left_and_without_the_pin(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told(caplog, Login(User.ADMIN, b"31337"), Result.AUTHENTICATION_FAILED + 2, PinOwner.ADMIN)
    assert (line["event"], line["tries_left"], line["user"]) == ("pin_refused", 2, "admin")
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


def test_what_happens_all_day_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, Login(User.ADMIN, b"31337"), Result.OK, PinOwner.ADMIN) == []
    assert told(caplog, SelfTest(b"POS-1"), Result.CLIENT_NOT_REGISTERED) == []
