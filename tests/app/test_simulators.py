"""Simulated TSEs sign as soon as the gateway serves, and for ever; those of a POS that set them up are left to it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app import simulators
from gateway.app.gateway import Gateway, running
from gateway.config.settings import Settings
from gateway.driver.usb.block import BlockDriver
from gateway.fleet.device import Device
from gateway.fleet.maintenance.scheduler import MaintenanceOptions, MaintenanceScheduler
from gateway.simulator.device import SimulatedTransport
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import parse
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle, TseInfo
from tests.fleet.maintenance.shop_time import HOUR, ShopTime
from tests.server.api.client import RECEIPT, api_of
from tests.server.shop import Served, settings_for
from tests.support import receipt, set_up


def ready_settings(tmp_path: Path, **given: Any) -> Settings:
    return settings_for(tmp_path, simulator_fresh=False, **given)


async def signed(gateway: Gateway) -> Any:
    served = Served(
        gateway.settings, gateway.registry, gateway.metrics, gateway.tokens, gateway.simulators[0], gateway.port
    )
    async with api_of(served) as api:
        return await api.post("/sign", RECEIPT)


async def signs(gateway: Gateway) -> None:
    """Wait until the maintenance of the gateway has made the TSE ready."""
    device = gateway.registry.devices()[0]
    async with asyncio.timeout(10):
        while not device.info.valid_time:  # noqa: ASYNC110 (the maintenance has no event of its own)
            await asyncio.sleep(0.01)
    answer = await signed(gateway)
    assert (answer.status, answer.json["certified"]) == (200, False)


@pytest.mark.parametrize("generation", Generation)
async def test_a_simulated_tse_signs_at_once_and_after_each_start(tmp_path: Path, generation: Generation) -> None:
    settings = ready_settings(tmp_path, simulator_generation=int(generation))
    for _ in range(2):
        async with running(settings) as gateway:
            await signs(gateway)
            assert gateway.registry.devices()[0].info.generation is generation


async def test_one_that_is_to_stay_fresh_is_as_from_the_factory(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as gateway:
        assert gateway.registry.devices()[0].info.lifecycle == Lifecycle.UNINITIALIZED


async def test_one_that_a_pos_set_up_is_left_to_its_pins(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as gateway:
        await set_up(gateway.registry.devices()[0].command, gateway.simulators[0].serial)
    async with running(ready_settings(tmp_path)) as gateway:
        device = gateway.registry.devices()[0]
        assert (device.info.lifecycle, device.has_pin) == (Lifecycle.INITIALIZED, False)


async def test_a_set_up_that_others_began_does_not_stop_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ready_settings(tmp_path)
    async with simulators.opened(settings_for(tmp_path)) as (tse,):
        tse.faults.set("unplugged")
    async with running(settings):
        assert "could not be set up" in caplog.text


@pytest.mark.parametrize("generation", Generation)
async def test_it_still_signs_a_day_later(tmp_path: Path, generation: Generation) -> None:
    clock, metrics = ShopTime(), Metrics()
    settings = ready_settings(tmp_path, simulator_generation=int(generation))
    async with simulators.opened(settings, clock) as (tse,):
        options = simulators.maintenance_of(tse, MaintenanceOptions(monotonic=clock))
        assert options is not None
        driver = BlockDriver(SimulatedTransport(tse))
        info = TseInfo.decode(await driver.read_info())
        pin = options.pins.of(info.serial_hex)
        device = Device(info.serial_hex, "simulator", driver, info, metrics=metrics, pin=pin, clock=clock)
        scheduler = MaintenanceScheduler(device, options, metrics, refresh=5.0)
        while clock.now < 24 * HOUR:
            clock.now += 20
            await scheduler.check()
            assert device.info.valid_time
        await receipt(_spelled(device), device, b"POS-1")
        await device.close()


def _spelled(device: Device) -> Any:
    """Commands as the generation of the TSE spells them."""

    async def send(command: bytes) -> bytes:
        return await device.command(parse(command).encode(device.info.generation))

    return send
