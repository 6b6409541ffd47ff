"""Attachments come, fail and come back; nobody restarts anything."""

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.errors import DeviceError, DeviceGone, UnknownDevice
from gateway.fleet import registry as registry_module
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.registry import Attachment, DeviceTimes, Registry
from gateway.server.api.tses import tse_summary
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import FlashHealth
from tests.fleet.maintenance.shop_time import ShopTime
from tests.fleet.test_device import until
from tests.texts import said


def attachment(tse: SimulatedTse, place: str = "simulator") -> Attachment:
    return Attachment(place, lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name=place))


async def changed(registry: Registry) -> None:
    async with asyncio.timeout(10):
        await registry.changed.wait()
    registry.changed.clear()


async def test_a_tse_is_found_by_its_serial_in_any_case(tse: SimulatedTse, metrics: Metrics) -> None:
    registry = Registry(metrics)
    await registry.reconcile([attachment(tse)])
    serial = tse.serial.hex()
    assert registry.find(serial) is registry.find(serial.upper()) is registry.devices()[0]
    assert registry.find(serial).place == "simulator"
    with pytest.raises(UnknownDevice):
        registry.find("")
    await registry.close()


async def test_a_tse_that_fails_comes_back_by_itself(tse: SimulatedTse, metrics: Metrics) -> None:
    registry = Registry(metrics)
    await registry.reconcile([attachment(tse)])
    await changed(registry)
    device = registry.devices()[0]
    tse.faults.set("unplugged")
    with pytest.raises(DeviceGone):
        await device.read_info()
    await changed(registry)
    assert (tse_summary(device).state, tse_summary(device).attached) == ("failed", True)
    tse.faults.clear()
    await changed(registry)
    assert tse_summary(device).state == "not_ready"  # nobody has set it up
    assert (await device.read_info())[:4] == b"GMIS"
    assert registry.devices() == [device]
    await registry.close()


async def test_an_idle_tse_that_is_pulled_is_noticed(tse: SimulatedTse, metrics: Metrics) -> None:
    registry = Registry(metrics, DeviceTimes(refresh=0.05))
    await registry.reconcile([attachment(tse)])
    await changed(registry)
    tse.faults.set("unplugged")
    await changed(registry)
    assert registry.devices()[0].failed.is_set()
    await registry.close()


async def test_a_tse_that_comes_late_is_found(
    tse: SimulatedTse, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry_module, "_FIRST_WAIT", 0.01)
    tse.faults.set("io_error", 6)  # each try to open it reads twice
    registry = Registry(metrics)
    await registry.reconcile([attachment(tse)])
    assert registry.devices() == []
    await changed(registry)
    assert [device.serial for device in registry.devices()] == [tse.serial.hex().upper()]
    assert len([record for record in caplog.records if "no TSE at simulator" in record.message]) == 1
    await registry.close()


async def test_the_same_tse_twice_is_refused_loudly(
    tse: SimulatedTse, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(metrics)
    await registry.reconcile([attachment(tse, "first"), attachment(tse, "second")])
    assert len(registry.devices()) == 1
    assert "a second time" in caplog.text
    await registry.close()


async def test_a_tse_that_opens_well_and_fails_in_use_is_opened_with_growing_pauses(
    tse: SimulatedTse, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = ShopTime()
    registry = Registry(Metrics(), options=MaintenanceOptions(monotonic=shop))
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def passes(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        await sleep(0)

    async def fails_after(lasting: float) -> None:
        device = registry.devices()[0]
        await until(lambda: not device.failed.is_set())
        shop.now += lasting
        tse.faults.set("lost_response", 1)
        with pytest.raises(DeviceError):
            await device.command(FlashHealth().encode())

    await registry.reconcile([attachment(tse)])
    monkeypatch.setattr(asyncio, "sleep", passes)
    for lasting in (60, 9, 0, 0, 0, 0, 0, 0, 60, 1):
        await fails_after(lasting)
    await until(lambda: not registry.devices()[0].failed.is_set())
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 10, 0.25]
    await registry.close()


async def test_two_tses_side_by_side(tse: SimulatedTse, tmp_path: Path, metrics: Metrics) -> None:
    other = SimulatedTse.create(tmp_path / "other", durable=False)
    registry = Registry(metrics)
    await registry.reconcile([attachment(tse, "a"), attachment(other, "b")])
    assert {device.place for device in registry.devices()} == {"a", "b"}
    tse.faults.set("hung")
    assert (await registry.find(other.serial.hex()).read_info())[:4] == b"GMIS"
    tse.faults.clear()
    await registry.close()
    other.close()


async def test_an_opener_that_fails_leaks_nothing(metrics: Metrics) -> None:
    closed = asyncio.Event()

    class Nonsense:
        async def read_info(self) -> bytes:
            return bytes(512)

        async def send_command(self, command: bytes) -> bytes:
            raise DeviceError(said("never asked"))

        async def read_store(self, block: int, count: int) -> bytes:
            raise DeviceError(said("never asked"))

        async def write_store(self, block: int, data: bytes) -> None:
            raise DeviceError(said("never asked"))

        async def close(self) -> None:
            closed.set()

    async def opened() -> Nonsense:
        return Nonsense()

    registry = Registry(metrics)
    await registry.reconcile([Attachment("foreign", opened)])
    assert registry.devices() == []
    assert closed.is_set()
    await registry.close()


async def test_a_tse_that_vanished_is_gone_at_once_and_comes_back(tse: SimulatedTse, metrics: Metrics) -> None:
    registry = Registry(metrics)
    plugged = attachment(tse)
    await registry.reconcile([plugged])
    device = registry.devices()[0]
    await registry.reconcile([])
    assert (tse_summary(device).state, tse_summary(device).reason) == ("failed", "the TSE was unplugged")
    assert tse_summary(device).attached is False
    with pytest.raises(DeviceGone, match="unplugged"):
        await device.read_info()
    await registry.reconcile([attachment(tse, "another socket")])
    assert (tse_summary(device).code, device.place) == ("not_set_up", "another socket")
    assert tse_summary(device).attached is True
    await registry.close()


async def test_the_same_place_with_another_plug_is_opened_afresh(tse: SimulatedTse, metrics: Metrics) -> None:
    opened = 0

    async def count() -> BlockDriver:
        nonlocal opened
        opened += 1
        return await BlockDriver.open(lambda: SimulatedTransport(tse), name="x")

    registry = Registry(metrics)
    for plug in ("1", "1", "2"):
        await registry.reconcile([Attachment("sda", count, plug)])
    assert opened == 2
    assert tse_summary(registry.devices()[0]).state == "not_ready"
    await registry.close()


async def test_an_opening_that_is_given_up_leaves_nothing_open(tse: SimulatedTse, metrics: Metrics) -> None:
    entered, release, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(SimulatedTransport):
        def close(self) -> None:
            closed.set()

    def slowly() -> Slow:
        entered.set()
        release.wait(5)
        return Slow(tse)

    registry = Registry(metrics)
    task = asyncio.create_task(registry.reconcile([Attachment("slow", lambda: BlockDriver.open(slowly, name="slow"))]))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    await registry.close()
    release.set()
    assert await asyncio.to_thread(closed.wait, 5)
    assert registry.devices() == []
