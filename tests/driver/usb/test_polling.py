"""When it is looked whether a TSE is done, in a time that passes only between looks."""

import random
import statistics
from collections.abc import Iterable

import pytest

from gateway.driver.usb.polling import Polling

SIGN, OTHER = 0x82, 0x90


def late(polling: Polling, takes: float, opcode: int = SIGN) -> tuple[float, int]:
    """By how much of its time a command that takes so long is found done too late, and how often it was looked."""
    elapsed, looks = 0.0, 1
    while elapsed < takes:
        elapsed += polling.pause(opcode, elapsed)
        looks += 1
    polling.took(opcode, elapsed)
    return (elapsed - takes) / takes, looks


def after(durations: Iterable[float]) -> Polling:
    polling = Polling()
    for takes in durations:
        late(polling, takes)
    return polling


@pytest.mark.parametrize("takes", [0.02, 0.1, 0.25, 1.0, 30.0])
@pytest.mark.parametrize("strays", [0.0, 0.02, 0.1])
def test_a_command_that_takes_its_usual_time_is_found_done_within_a_percent(takes: float, strays: float) -> None:
    dice = random.Random(1)
    polling = Polling()
    found = [late(polling, takes * dice.uniform(1 - strays, 1 + strays)) for _ in range(60)][20:]
    assert statistics.mean(share for share, _ in found) < max(0.005, 0.0002 / takes)
    assert max(looks for _, looks in found) < 5 * late(Polling(), takes)[1]


@pytest.mark.parametrize("takes", [0.0, 0.001, 0.03, 0.12, 0.249, 0.251, 0.3, 2.0])
def test_a_tse_is_never_looked_at_later_than_one_of_unknown_length(takes: float) -> None:
    unknown, learned = Polling(), after([0.25] * 20)
    elapsed = 0.0
    while elapsed <= takes:
        assert learned.pause(SIGN, elapsed) <= unknown.pause(SIGN, elapsed)
        elapsed += learned.pause(SIGN, elapsed)


def test_each_kind_of_command_has_its_own_time() -> None:
    polling = after([0.25] * 20)
    assert polling.pause(OTHER, 0.249) == Polling().pause(OTHER, 0.249)
    assert polling.pause(SIGN, 0.249) < Polling().pause(SIGN, 0.249)


def test_a_tse_that_becomes_slower_is_known_again_after_some_commands() -> None:
    polling = after([0.25] * 20)
    shares = [late(polling, 0.4)[0] for _ in range(40)]
    assert statistics.mean(shares[30:]) < 0.005
