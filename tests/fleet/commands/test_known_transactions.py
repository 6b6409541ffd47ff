"""A TSE that is ahead of the state is told of; a crash and a lost answer are no reason to."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.fleet.commands.known_transactions import KnownTransactions
from gateway.fleet.device import Device
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.registry import Attachment, Registry
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import TransactionReply
from tests.support import NOW, receipt, set_up

SERIAL = "AB" * 32


def reply(number: int, log_time: int) -> TransactionReply:
    return TransactionReply(number, bytes(32), log_time, 2 * number, b"s" * 96)


def known(path: Path, metrics: Metrics | None = None) -> KnownTransactions:
    return KnownTransactions(SERIAL, metrics or Metrics(), path, now=lambda: float(NOW))


async def left_at(path: Path, number: int, log_time: int) -> None:
    """What a process leaves behind."""
    before = known(path)
    before.saw(reply(number, log_time))
    await before.close()


async def test_a_tse_that_is_ahead_is_told_of_once_with_both_explanations(
    tmp_path: Path, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tse.json"
    await left_at(path, 10, NOW)
    after = known(path, metrics)
    after.compare(reply(15, NOW + 3600))
    after.compare(reply(15, NOW + 3600))
    (told,) = caplog.records
    assert (told.levelno, getattr(told, "event", "")) == (logging.WARNING, "found_ahead")
    for word in ("begun 5 transactions", "used elsewhere", "older backup"):
        assert word in told.getMessage()
    assert metrics.registry.get_sample_value("tse_found_ahead_timestamp_seconds", {"serial": SERIAL}) == NOW
    await after.close()
    assert known(path).found_ahead == NOW  # a restart does not forget it


@pytest.mark.parametrize(
    ("number", "later"),
    [
        (10, 0),  # nothing happened
        (10, 7200),  # a finish whose answer was lost with the process
        (11, 7200),  # a start whose answer was lost
        (60, 100),  # a busy minute that a crash kept from the disk
        (60, 180),
    ],
)
async def test_what_a_crash_explains_is_not_told(
    tmp_path: Path, number: int, later: int, caplog: pytest.LogCaptureFixture
) -> None:
    await left_at(tmp_path / "tse.json", 10, NOW)
    known(tmp_path / "tse.json").compare(reply(number, NOW + later))
    assert caplog.records == []


@pytest.mark.parametrize(("number", "later"), [(12, 7200), (60, 181)])
async def test_what_a_crash_does_not_explain_is_told(tmp_path: Path, number: int, later: int) -> None:
    await left_at(tmp_path / "tse.json", 10, NOW)
    after = known(tmp_path / "tse.json")
    after.compare(reply(number, NOW + later))
    assert after.found_ahead == NOW
    await after.close()


async def test_it_is_saved_when_a_minute_has_passed_since_the_last_time(tmp_path: Path) -> None:
    path, now = tmp_path / "tse.json", 0.0
    following = KnownTransactions(SERIAL, Metrics(), path, clock=lambda: now)
    for moment, number, saved in ((0.0, 1, 1), (59.0, 2, 1), (60.0, 3, 3)):
        now = moment
        following.saw(reply(number, NOW))
        assert following._saving is not None
        await following._saving
        assert f'"number": {saved},' in path.read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"number": "x"}', b'{"number": 1, "log_time": 1}', b"\xff"])
async def test_of_a_damaged_or_first_file_nothing_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tse.json").write_bytes(content)
    following = known(tmp_path / "tse.json")
    following.compare(reply(2, NOW))
    assert following.found_ahead == 0
    await following.close()


async def test_a_disk_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "tse.json").symlink_to("/proc/nowhere/tse.json")
    following = known(tmp_path / "tse.json" / "below")
    following.saw(reply(1, NOW))
    await following.close()


@asynccontextmanager
async def gateway_with(tse: SimulatedTse, state: Path, *, shared: bool = False) -> AsyncIterator[Device]:
    registry = Registry(Metrics(), options=MaintenanceOptions(directory=state))
    opened = Attachment("usb", lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name="tse"), shared=shared)
    await registry.reconcile([opened])
    yield registry.devices()[0]
    await registry.close()


async def sell(device: Device, tse: SimulatedTse, receipts: int) -> None:
    for _ in range(receipts):
        await receipt(device.command, device)


@pytest.mark.parametrize("shared", [False, True])
async def test_a_restored_backup_is_noticed_with_the_first_signature(
    tse: SimulatedTse, tmp_path: Path, shared: bool
) -> None:
    state = tmp_path / "state"
    driver = BlockDriver(SimulatedTransport(tse))
    await set_up(driver.send_command, tse.serial)
    async with gateway_with(tse, state, shared=shared) as device:
        await sell(device, tse, 1)
    backup = {path: path.read_bytes() for path in state.glob("*.json")}
    async with gateway_with(tse, state, shared=shared) as device:
        await sell(device, tse, 3)
        device.sweep()
        assert device.found_ahead == 0
    for path, content in backup.items():
        path.write_bytes(content.replace(b'"log_time": 17', b'"log_time": 16'))  # it was made long before
    async with gateway_with(tse, state, shared=shared) as device:
        await sell(device, tse, 1)
        device.sweep()
        assert (device.found_ahead > 0) is not shared
