"""Simulated TSEs whose clock the test moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from tests.simulator.host import Clock, Host


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tse(tmp_path: Path, clock: Clock) -> Iterator[SimulatedTse]:
    """Fresh from the factory."""
    made = SimulatedTse.create(tmp_path / "tse", monotonic=clock, durable=False)
    yield made
    made.close()


@pytest.fixture
def fresh(tse: SimulatedTse) -> Host:
    return Host(tse)


@pytest.fixture
def host(fresh: Host) -> Host:
    """Set up, both users logged in, time set: ready to sign."""
    fresh.set_up()
    fresh.start_day()
    return fresh
