"""Which TSE of a pool serves, in time that the test makes."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.fleet.device import Device
from gateway.fleet.maintenance.schedule import Night
from gateway.fleet.outages.log import LOG, OutageLog
from gateway.fleet.outages.monitor import OutageMonitor
from gateway.fleet.pool import CannotServe, NoPool, Pool, PoolRole
from gateway.fleet.registry import Attachment, Registry
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import Decommission, RegisterClient
from tests.fleet.test_device import until
from tests.support import make_ready, set_up
from tests.texts import said

NOON = datetime(2026, 11, 25, 12).astimezone().timestamp()
AFTER = 30.0
NIGHT = time(3, 5)
HOUR = 3600.0


class Shop:
    """Two TSEs that are ready, a pool of them, and its clock."""

    def __init__(self, tses: list[SimulatedTse], directory: Path) -> None:
        self.tses = tses
        self.directory = directory
        self.now = NOON
        self.registry = Registry(Metrics())
        self.primary, self.standby = (tse.serial.hex().upper() for tse in tses)
        self.restart(self.primary, self.standby)

    def restart(self, *order: str) -> None:
        """Begin anew with what is on the disk, and with these TSEs in the pool."""
        outages = OutageLog(self.directory)
        self.monitor = OutageMonitor(self.registry, outages, now=lambda: self.now)
        beginnings = [serial[:8].lower() for serial in order]
        night = Night(NIGHT, 0)
        self.pool = Pool(beginnings, self.registry, outages, after=AFTER, night=night, now=lambda: self.now)

    def device(self, serial: str) -> Device:
        return self.registry.find(serial)

    def look(self, later: float = 0.0) -> str:
        """Return who serves after so many seconds."""
        self.now += later
        self.monitor.check()
        self.pool.check()
        self.monitor.outages.save()
        return self.pool.serving

    async def fail(self, number: int) -> None:
        self.tses[number].faults.set("unplugged")
        await self.device(self.tses[number].serial.hex()).let_go(said("pulled"))

    async def recover(self, number: int) -> None:
        self.tses[number].faults.clear()
        device = self.device(self.tses[number].serial.hex())
        await until(lambda: not device.failed.is_set())
        await make_ready(device.command)
        await device.read_info()

    def lines(self) -> list[tuple[str, str, str]]:
        """Return the changes that the outage log tells: begin or end, who was replaced, and by whom."""
        told = [json.loads(line) for line in (self.directory / LOG).read_text().splitlines()]
        return [(line["event"], line["serial"], line["served_by"]) for line in told if "served_by" in line]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    tses = [SimulatedTse.create(tmp_path / f"tse-{number}", durable=False) for number in (1, 2)]
    made = Shop(tses, tmp_path)

    def attached(tse: SimulatedTse) -> Attachment:
        place = tse.serial.hex()
        return Attachment(place, lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name=place))

    await made.registry.reconcile(map(attached, tses))
    for tse in tses:
        device = made.device(tse.serial.hex())
        await set_up(device.command, tse.serial)
        await device.read_info()
    yield made
    await made.registry.close()
    for tse in tses:
        tse.close()


async def test_a_standby_serves_when_the_primary_has_failed_for_the_set_time_and_not_before(shop: Shop) -> None:
    assert shop.look() == shop.primary
    assert (shop.pool.hides(shop.primary), shop.pool.hides(shop.standby)) == (False, True)
    await shop.fail(0)
    assert shop.look() == shop.primary
    assert shop.look(AFTER - 0.1) == shop.primary
    assert shop.pool.hides(shop.standby)
    assert shop.look(0.1) == shop.standby
    assert (shop.pool.hides(shop.primary), shop.pool.hides(shop.standby)) == (True, False)
    assert shop.pool.standby_since == shop.now
    assert shop.lines() == [("begin", shop.primary, shop.standby)]


async def test_the_standby_goes_on_when_the_primary_is_well_until_an_operator_goes_back(shop: Shop) -> None:
    shop.look()
    await shop.fail(0)
    shop.look()
    assert shop.look(AFTER) == shop.standby
    with pytest.raises(CannotServe, match="cannot sign"):
        await shop.pool.use(shop.primary)
    await shop.recover(0)
    assert shop.look(6 * HOUR) == shop.standby
    await shop.pool.use(shop.primary)
    assert shop.look() == shop.primary
    assert shop.lines() == [("begin", shop.primary, shop.standby), ("end", shop.primary, shop.standby)]
    assert shop.monitor.outages.all()[-1].served_by == shop.standby


async def test_the_next_night_goes_back_to_a_primary_that_is_well(shop: Shop) -> None:
    shop.look()
    await shop.fail(0)
    shop.look()
    assert shop.look(AFTER) == shop.standby
    until_night = timedelta(hours=15, minutes=5).total_seconds()
    assert shop.look(until_night) == shop.standby  # the primary is not back
    await shop.recover(0)
    device = shop.device(shop.standby)
    async with device.lock.hold(Holder(), 1):
        assert shop.look(10) == shop.standby  # a till uses the standby
    assert shop.look() == shop.primary
    await shop.pool.use(shop.standby)
    assert shop.look(HOUR) == shop.standby  # what an operator wanted this night lasts until the next
    assert shop.look(24 * HOUR) == shop.primary


class Holder:
    alive = True
    peer = token = client_id = ""


async def test_the_primary_serves_again_when_its_standby_fails(shop: Shop) -> None:
    shop.look()
    await shop.fail(0)
    shop.look()
    assert shop.look(AFTER) == shop.standby
    await shop.recover(0)
    shop.look()
    await shop.fail(1)
    assert shop.look(1) == shop.standby
    assert shop.look(AFTER) == shop.primary


async def test_nobody_changes_to_a_tse_that_cannot_sign(shop: Shop) -> None:
    shop.look()
    await shop.fail(0)
    await shop.fail(1)
    shop.look()
    assert shop.look(24 * HOUR) == shop.primary
    await shop.recover(1)
    assert shop.look() == shop.standby


async def test_who_serves_outlives_the_gateway_and_ends_with_another_order(shop: Shop) -> None:
    shop.look()
    await shop.fail(0)
    shop.look()
    shop.look(AFTER)
    await shop.recover(0)
    shop.restart(shop.primary, shop.standby)
    assert shop.look() == shop.standby
    shop.restart(shop.standby, shop.primary)
    assert shop.look() == shop.standby
    assert shop.pool.standby_since is None
    shop.restart(shop.primary, shop.standby)
    assert shop.look() == shop.primary


async def test_a_primary_that_is_taken_out_of_service_leaves_the_pool_to_its_standby(shop: Shop) -> None:
    shop.look()
    device = shop.device(shop.primary)
    await device.carry_out(Decommission())
    await device.read_info()
    assert shop.look() == shop.standby
    assert [member.role for member in shop.pool.members] == [PoolRole.PRIMARY]


async def test_a_standby_that_lacks_clients_is_told(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.look()
    device = shop.device(shop.primary)
    await device.carry_out(RegisterClient(b"POS-2"))
    await device.read_info()
    shop.look()
    shop.look()
    told = [record for record in caplog.records if getattr(record, "event", "") == "standby_unready"]
    assert [(vars(record)["serial"], vars(record)["missing"]) for record in told] == [(shop.standby, 1)]
    assert [member.missing_clients for member in shop.pool.members] == [0, 1]


async def test_without_a_pool_nothing_is_hidden_and_nobody_serves(shop: Shop) -> None:
    shop.restart()
    shop.monitor.check()
    shop.pool.check()
    assert not shop.pool.hides(shop.primary)
    assert shop.pool.members == []
    with pytest.raises(NoPool):
        _ = shop.pool.serving


async def test_a_tse_of_no_pool_is_never_hidden(shop: Shop) -> None:
    shop.restart(shop.primary, "0000" * 16)
    assert shop.look() == shop.primary
    assert not shop.pool.hides(shop.standby)
    with pytest.raises(CannotServe, match="not in the pool"):
        await shop.pool.use(shop.standby)
