"""What the gateway does by itself: self test and time, before they are due and at once when they are gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest

from gateway.errors import CommandRejected, DeviceError
from gateway.fleet.maintenance.schedule import Night
from gateway.fleet.status.readiness import lack
from gateway.tse.commands import (
    CloseImport,
    DeregisterClient,
    FlashHealth,
    Login,
    Logout,
    OpenImport,
    RegisterClient,
    SelfTest,
    SetTime,
    TransactionStep,
    UnblockPin,
    User,
)
from gateway.tse.fields import Generation
from gateway.tse.pins import PinOwner
from tests.fleet.maintenance.shop_time import HOUR, NOON, Shop, Till
from tests.fleet.test_device import until
from tests.support import ADMIN_PIN, CLIENT, NOW, PUK, TIME_ADMIN_PIN, receipt, step

Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def shop_of(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Shop] = []

    async def open_shop(**care: object) -> Shop:
        opened.append(await Shop.open(tmp_path / str(len(opened)), **care))  # type: ignore[arg-type]
        return opened[-1]

    yield open_shop
    for shop in opened:
        await shop.close()


async def test_a_tse_that_comes_is_ready_before_the_first_till(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    assert not shop.info.self_test_passed
    await shop.scheduler.check()
    assert (shop.info.self_test_passed, shop.info.valid_time, shop.device.lock.lease) == (True, True, None)
    assert (await shop.operations())[-2:] == ["UpdateTime", "LogOut"]
    await receipt(shop.device.command, shop.device)
    with pytest.raises(CommandRejected, match="0x100f"):
        await shop.device.command(SetTime(NOW).encode())  # nobody is left logged in


async def test_without_a_pin_nothing_but_reads_reaches_the_tse(shop_of: Open) -> None:
    shop = await shop_of(pin="", client_id="POS-1")
    before = shop.tse.read_window()
    await shop.pass_time(26 * HOUR, step=60)
    assert shop.tse.read_window() == before
    assert shop.device.info_age < 5


async def test_after_a_power_cycle_the_tse_is_made_ready_again(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    await shop.scheduler.check()
    shop.tse.power_cycle()
    await shop.pass_time(15)
    assert (shop.info.self_test_passed, shop.info.valid_time) == (True, True)


async def test_the_client_for_the_self_test_is_learned_from_tills_and_kept_over_a_restart(shop_of: Open) -> None:
    shop = await shop_of()
    await shop.pass_time(10)
    assert not shop.info.self_test_passed
    await shop.device.command(SelfTest(CLIENT).encode())
    shop.tse.power_cycle()
    await shop.device.close()
    await shop.restart_gateway()
    await shop.pass_time(10)
    assert shop.info.self_test_passed


async def test_a_client_that_is_deregistered_is_forgotten(shop_of: Open) -> None:
    shop = await shop_of()
    device = shop.device
    await device.command(SelfTest(CLIENT).encode())
    await device.command(Login(User.ADMIN, ADMIN_PIN).encode())
    await device.command(RegisterClient(b"POS-2").encode())
    await device.command(DeregisterClient(CLIENT).encode())
    assert device.client_id == ""
    await device.command(SelfTest(b"POS-2").encode())
    assert device.client_id == "POS-2"


async def test_a_client_that_the_tse_does_not_know_is_asked_for_again_only_after_a_while(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-9")
    await shop.pass_time(50)
    assert shop.runs("self_test", "command_rejected") == 1
    await shop.pass_time(12 * HOUR, step=10)
    assert 10 < shop.runs("self_test", "command_rejected") < 25


async def test_the_time_is_set_at_four_fifths_of_the_allowed_delay(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1", night=Night(time(20), 0))
    await shop.scheduler.check()
    await shop.pass_time(1435)
    assert shop.runs("set_time") == 1
    await shop.pass_time(10)
    assert shop.runs("set_time") == 2
    await shop.pass_time(HOUR)
    assert shop.runs("set_time") == 4
    signed = await step(shop.device.command, shop.device, TransactionStep.START)
    assert abs(signed.log_time - shop.clock.wall()) <= 1


async def test_the_time_comes_only_from_a_clock_that_is_right(shop_of: Open, caplog: pytest.LogCaptureFixture) -> None:
    shop = await shop_of(client_id="POS-1", fit=False)
    await shop.pass_time(100)
    assert (shop.info.self_test_passed, shop.info.valid_time) == (True, False)
    assert [r.message for r in caplog.records if "not synchronised" in r.message][1:] == []
    await shop.pass_time(24.5 * HOUR, step=60)
    assert (shop.runs("set_time"), shop.runs("self_test")) == (0, 1)
    await shop.pass_time(HOUR / 2, step=60)
    assert (shop.runs("set_time"), shop.runs("self_test")) == (0, 2)  # the second only because it was due


async def test_the_self_test_runs_at_night_and_only_once(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1", night=Night(time(3, 5), jitter=0), set_time=False)
    await shop.pass_time(15 * HOUR, step=60)
    assert shop.runs("self_test") == 1
    await shop.pass_time(HOUR / 6, step=60)
    assert shop.runs("self_test") == 2
    for _ in range(3):
        await shop.pass_time(24 * HOUR, step=60)
    assert shop.runs("self_test") == 5
    assert shop.info.self_test_due_seconds > 24 * HOUR


async def test_while_a_till_holds_the_lock_nothing_is_done(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    till = Till()
    lease = await shop.device.lock.acquire(till, 1)
    waiting = asyncio.create_task(shop.scheduler.check())
    await until(lambda: shop.device.lock.waiting_clients == 1)
    assert not shop.info.self_test_passed
    shop.device.lock.release(lease.session)
    await waiting
    assert shop.info.self_test_passed


async def test_right_after_a_command_of_a_till_what_is_only_due_waits(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1", night=Night(time(20), 0))
    await shop.scheduler.check()
    await shop.pass_time(1438)  # due at 1440
    await shop.device.command(FlashHealth().encode())
    await shop.pass_time(4)
    assert shop.runs("set_time") == 1
    await shop.pass_time(2)
    assert shop.runs("set_time") == 2


async def test_right_after_the_self_test_of_a_till_the_time_is_set(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    await shop.device.command(SelfTest(CLIENT).encode())
    await shop.pass_time(1)
    assert (shop.runs("self_test"), shop.runs("set_time"), lack(shop.device)) == (0, 1, "")


async def test_between_tills_that_never_pause_what_was_lost_is_done_at_once(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    await shop.scheduler.check()
    first, second = Till(), Till()
    lease = await shop.device.lock.acquire(first, 1)
    shop.tse.power_cycle()
    with pytest.raises(CommandRejected, match="0x1054"):
        await step(shop.device.command, shop.device, TransactionStep.START)
    looking = asyncio.create_task(shop.scheduler.check())
    await until(lambda: shop.device.lock.waiting_clients == 1)  # it reads first what the refusal has told
    waiting = asyncio.create_task(shop.device.lock.acquire(second, 5))
    shop.device.lock.release(lease.session)
    shop.device.lock.release((await waiting).session)
    await looking
    assert (shop.clock.now, lack(shop.device)) == (0, "")


@pytest.mark.parametrize(("pin", "waits"), [(TIME_ADMIN_PIN.decode(), True), ("", False)])
async def test_a_till_waits_for_a_lost_answer_only_if_the_gateway_runs_the_self_test(
    shop_of: Open, pin: str, waits: bool
) -> None:
    shop = await shop_of(pin=pin, client_id="POS-1")
    device, tse = shop.device, shop.tse
    for command in (SelfTest(CLIENT), Login(User.TIME_ADMIN, TIME_ADMIN_PIN), SetTime(NOW)):
        await device.command(command.encode())
    await device.command(OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode())
    tse.faults.set("unplugged")
    signing = asyncio.create_task(device.command(CloseImport().encode()))
    await until(device.failed.is_set)
    tse.faults.clear()
    await shop.reopen()
    assert lack(device) == "no_self_test"
    async with asyncio.timeout(5):
        await shop.scheduler.check()
        if waits:
            await until(lambda: device.info.valid_time)
        with pytest.raises(DeviceError):  # it was pulled before it signed
            await signing
    assert (device.info.self_test_passed, signing.done()) == (waits, True)


async def test_the_time_that_a_till_sets_shows_with_the_next_look(shop_of: Open) -> None:
    shop = await shop_of(pin="")
    device = shop.device
    for command in (SelfTest(CLIENT), Login(User.TIME_ADMIN, TIME_ADMIN_PIN), SetTime(NOW)):
        await device.command(command.encode())
    assert lack(device) == "no_self_test"
    lease = await device.lock.acquire(Till(), 1)  # the next till is there already
    await shop.pass_time(1)
    assert lack(device) == ""
    device.lock.release(lease.session)


async def test_a_till_that_is_logged_in_stays_logged_in(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    device = shop.device
    await device.command(SelfTest(CLIENT).encode())
    await device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    await shop.pass_time(10)
    assert shop.runs("set_time") == 1
    await device.command(SetTime(NOW + 10).encode())
    await device.command(Logout(User.TIME_ADMIN).encode())
    assert (await shop.operations())[-3:] == ["UpdateTime", "UpdateTime", "LogOut"]


async def test_a_login_of_a_till_that_the_tse_forgot_is_made_up_for(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    device = shop.device
    await device.command(SelfTest(CLIENT).encode())
    await device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    shop.tse.power_cycle()
    await shop.pass_time(20)
    assert (shop.info.valid_time, device.is_logged_in(User.TIME_ADMIN)) == (True, False)


async def test_a_busy_shop_gets_its_time_all_the_same(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    await shop.scheduler.check()
    till = Till()
    for _ in range(2 * 180):
        lease = await shop.device.lock.acquire(till, 1)
        shop.clock.now += 20
        await shop.scheduler.check()
        await shop.device.command(FlashHealth().encode())
        shop.device.lock.release(lease.session)
        await shop.scheduler.check()  # idle, but never quiet
        assert shop.info.valid_time
    assert shop.runs("set_time") == 5


async def test_what_is_urgent_queues_up_behind_tills_that_take_turns(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1", night=Night(time(20), 0))
    await shop.scheduler.check()
    shop.clock.now = 1800 - 30  # of the 1800 seconds for which the time is trusted, less than 5 % are left
    first, second = Till(), Till()
    lease = await shop.device.lock.acquire(first, 1)
    waiting = asyncio.create_task(shop.device.lock.acquire(second, 5))
    await asyncio.sleep(0)
    await shop.scheduler.check()
    shop.clock.now += 15
    looking = asyncio.create_task(shop.scheduler.check())
    await asyncio.sleep(0)
    assert shop.device.lock.waiting_clients == 2
    shop.device.lock.release(lease.session)
    shop.device.lock.release((await waiting).session)
    await looking
    assert shop.runs("set_time") == 2


async def test_a_failed_self_test_is_tried_again_later_and_told(
    shop_of: Open, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await shop_of(client_id="POS-1")
    shop.tse.faults.set("failed_self_test", 2)
    await shop.pass_time(59)
    assert shop.runs("self_test", "command_rejected") == 1
    assert "0x1310" in caplog.text
    await shop.pass_time(200)
    assert (shop.runs("self_test", "command_rejected"), shop.runs("self_test")) == (2, 1)
    assert shop.info.valid_time


@pytest.mark.parametrize("off", [{"set_time": False}, {"self_test": False}])
async def test_each_duty_can_be_switched_off(shop_of: Open, off: dict[str, bool]) -> None:
    shop = await shop_of(client_id="POS-1", **off)
    await shop.pass_time(30)
    assert shop.runs("set_time") == 0
    assert shop.runs("self_test") == ("self_test" not in off)


async def test_a_tse_that_is_not_set_up_is_only_read(tmp_path: Path, shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    device = shop.device
    device.info = replace(device.info, lifecycle=0)
    before = shop.tse.read_window()
    for _ in range(4):
        await shop.scheduler.check()  # within the time that this snapshot lasts
    assert shop.tse.read_window() == before


async def test_a_tse_that_is_pulled_during_the_upkeep_does_not_stop_the_gateway(shop_of: Open) -> None:
    shop = await shop_of(client_id="POS-1")
    shop.tse.faults.set("unplugged")
    await shop.scheduler.check()
    assert shop.device.failed.is_set()
    shop.tse.faults.clear()
    await shop.reopen()
    await shop.scheduler.check()
    assert shop.info.valid_time


def test_the_nights_of_several_tses_are_spread_and_24_hours_apart() -> None:
    night = Night(time(3, 5), jitter=1800)
    first, last = night.began("0" * 64, NOON), night.began("F" * 64, NOON)
    assert first == timedelta(hours=8, minutes=55)
    assert timedelta(minutes=29, seconds=59) < first - last <= timedelta(minutes=30)
    assert night.began("0" * 64, NOON + timedelta(days=1)) == first
    assert night.began("0" * 64, NOON - timedelta(hours=9)) == timedelta(hours=23, minutes=55)


async def test_generation_2_is_made_ready_without_a_client_and_kept_so_over_the_night(shop_of: Open) -> None:
    shop = await shop_of(generation=Generation.TWO)
    await shop.scheduler.check()
    assert (shop.info.self_test_passed, shop.info.valid_time, shop.info.logged_in_user) == (True, True, User.NONE)
    await shop.pass_time(26 * HOUR, step=30)
    assert (shop.info.self_test_passed, shop.info.valid_time, lack(shop.device)) == (True, True, "")
    assert shop.runs("self_test") == 2
    await receipt(shop.device.command, shop.device)


async def test_a_self_test_of_generation_2_that_fails_is_told_and_tried_again_later(shop_of: Open) -> None:
    shop = await shop_of(generation=Generation.TWO)
    shop.tse.faults.set("failed_self_test")
    await shop.pass_time(50)
    assert shop.runs("self_test", "command_rejected") == 1
    shop.tse.faults.clear()
    await shop.pass_time(60)
    assert shop.info.self_test_passed


async def test_the_login_of_a_till_with_generation_2_serves_and_stays(shop_of: Open) -> None:
    shop = await shop_of(generation=Generation.TWO)
    await shop.device.carry_out(SelfTest())
    await shop.device.carry_out(Login(User.ADMIN, ADMIN_PIN))
    await shop.pass_time(10)
    assert (shop.info.valid_time, shop.info.logged_in_user) == (True, User.ADMIN)
    assert shop.device.is_logged_in(User.ADMIN)
    await shop.pass_time(400)  # the TSE has logged it out meanwhile
    assert not shop.device.is_logged_in(User.ADMIN)


async def test_a_wrong_pin_of_the_settings_costs_generation_2_one_try(shop_of: Open) -> None:
    shop = await shop_of(pin="11111", generation=Generation.TWO)
    await shop.pass_time(26 * HOUR, step=60)
    assert shop.device.pin_record.tries == {PinOwner.TIME_ADMIN: 2}
    assert not shop.info.valid_time
    await shop.device.carry_out(UnblockPin(User.TIME_ADMIN, PUK, b"11111"))
    assert shop.device.pin_record.tries == {}
    (shop.options.directory / f"{shop.serial}.json").unlink()  # type: ignore[operator]  # the operator allows it
    await shop.pass_time(2 * HOUR, step=60)
    assert shop.info.valid_time
