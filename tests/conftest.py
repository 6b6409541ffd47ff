"""Fixtures of all tests: simulated TSEs, and the fleet around one."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.fleet.device import Device
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.info import TseInfo
from tests.support import set_up

_LONGEST = (  # files and folders that take more than a few seconds; those that measure times come with short ones
    "simulation",
    "verify/test_tampering.py",
    "simulator/test_kill.py",
    "chaos",
    "cli/test_examples.py",
    "monitoring/test_rules.py",
    "app/test_process.py",
    "verify/test_large.py",
    "history",
    "deploy/test_backup.py",
    "server/api/test_conformance.py",
    "app/test_watchdog.py",
    "contract",
    "docs/test_commands.py",
    "cli",
    "server/test_lan_protocol.py",
    "archive",
    "pool",
    "hostile",
    "large",
    "server/monitoring",
    "server/http",
)


def pytest_configure(config: pytest.Config) -> None:
    """Compile what tests start once, also where Python is told to write no bytecode: 0.3 s for each gateway."""
    if sys.dont_write_bytecode:
        folder = TemporaryDirectory(prefix="pycache-")
        config.add_cleanup(folder.cleanup)
        os.environ["PYTHONPYCACHEPREFIX"] = folder.name
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`, one process more than there are cores: many tests wait for processes and deadlines."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, or else one process ends long after the others."""
    here, last = Path(__file__).parent, len(_LONGEST)

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(here).as_posix()
        return next((number for number, name in enumerate(_LONGEST) if f"{path}/".startswith(f"{name}/")), last)

    items.sort(key=rank)


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
