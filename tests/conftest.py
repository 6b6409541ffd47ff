"""Fixtures of all tests: simulated TSEs, and the fleet around one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.fleet.device import Device
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.info import TseInfo
from tests.support import set_up


@pytest.fixture
def tse(tmp_path: Path) -> Iterator[SimulatedTse]:
    """A fresh simulated TSE."""
    made = SimulatedTse.create(tmp_path / "tse", durable=False)
    yield made
    made.close()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def device(tse: SimulatedTse, metrics: Metrics) -> AsyncIterator[Device]:
    """The fresh TSE as a device of the fleet."""
    driver = BlockDriver(SimulatedTransport(tse))
    info = TseInfo.decode(await driver.read_info())
    made = Device(info.serial_hex, "simulator", driver, info, metrics=metrics)
    yield made
    await made.close()


@pytest.fixture
async def ready(device: Device, tse: SimulatedTse) -> Device:
    """The same, ready for sales of client POS-1."""
    await set_up(device.command, tse.serial)
    return device
