"""A confirmation is good once, for one TSE and one action, for a minute."""

import pytest

from gateway.operations.confirmations import Confirmations, Irreversible, NotConfirmed

SETUP, DECOMMISSION = Irreversible.SETUP, Irreversible.DECOMMISSION


class Watch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def confirmations(watch: Watch) -> Confirmations:
    return Confirmations(clock=watch)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_confirmation_is_good_once(confirmations: Confirmations, watch: Watch, seconds: float) -> None:
    asked = confirmations.ask("A", SETUP)
    assert asked.consequence("en").startswith("TSE A gets the PINs")
    assert asked.consequence("de").startswith("TSE A bekommt die PINs")
    assert asked.until == 1060
    watch.now += seconds
    confirmations.use("A", SETUP, asked.token)
    with pytest.raises(NotConfirmed, match="ask for a confirmation"):
        confirmations.use("A", SETUP, asked.token)


def test_after_a_minute_it_is_asked_for_again(confirmations: Confirmations, watch: Watch) -> None:
    asked = confirmations.ask("A", SETUP)
    watch.now += 60.1
    with pytest.raises(NotConfirmed, match="valid for 60 s"):
        confirmations.use("A", SETUP, asked.token)


@pytest.mark.parametrize(
    ("serial", "action", "right"), [("B", SETUP, True), ("A", DECOMMISSION, True), ("A", SETUP, False)]
)
def test_it_is_good_for_nothing_else(
    confirmations: Confirmations, serial: str, action: Irreversible, right: bool
) -> None:
    asked = confirmations.ask("A", SETUP)
    with pytest.raises(NotConfirmed):
        confirmations.use(serial, action, asked.token if right else "ü" + asked.token)
    confirmations.use("A", SETUP, asked.token)


def test_a_new_one_makes_the_earlier_void(confirmations: Confirmations) -> None:
    first, second = confirmations.ask("A", SETUP), confirmations.ask("A", SETUP)
    assert first.token != second.token
    with pytest.raises(NotConfirmed):
        confirmations.use("A", SETUP, first.token)
    confirmations.use("A", SETUP, second.token)
