"""What of an outage is written down, and what of that outlives crashes."""

import asyncio
import errno
import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.errors import CommandRejected, DeviceGone, GatewayError
from gateway.fleet.device import Device
from gateway.fleet.outages.log import ALIVE, CRASHED, GATEWAY, LOG, STOPPED, Outage, OutageLog, Total
from gateway.fleet.outages.monitor import OutageMonitor
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import lack
from gateway.i18n.text import NOTHING
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import Decommission, FlashHealth, Login, SelfTest, SetTime, User
from gateway.tse.info import TseInfo
from tests.fleet.test_device import until
from tests.support import ADMIN_PIN, CLIENT, NOW, TIME_ADMIN_PIN
from tests.texts import said

SERIAL, OTHER = "AB" * 32, "CD" * 32
T = 1_790_000_000.0


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / LOG).read_text().splitlines()]


def saved(directory: Path) -> OutageLog:
    """A log with one outage that is over and one that lasts."""
    log = OutageLog(directory)
    log.seen(SERIAL, T)
    log.begin(SERIAL, "unplugged", T + 10, refused=1)
    assert log.refused(SERIAL)
    log.end(SERIAL, T + 70.5)
    log.begin(SERIAL, "device_timeout", T + 100)
    log.save()
    return log


def test_an_outage_is_written_down_with_its_length_and_what_it_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    seen, begin, end, again = lines(tmp_path)
    assert (seen["event"], seen["serial"]) == ("seen", SERIAL)
    assert (begin["event"], begin["reason"], begin["at"]) == ("begin", "unplugged", "2026-09-21T14:13:30.000Z")
    assert (end["event"], end["seconds"], end["refused"], end["began"]) == ("end", 60.5, 2, begin["at"])
    assert (again["event"], again["reason"]) == ("begin", "device_timeout")
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600


def test_after_a_restart_everything_is_known_again(tmp_path: Path) -> None:
    before, after = saved(tmp_path), OutageLog(tmp_path)
    assert after.known == before.known == {SERIAL}
    assert after.open == {SERIAL: Outage(SERIAL, "device_timeout", T + 100)}
    assert list(after.past) == list(before.past)
    expected = {(SERIAL, "unplugged"): Total(1, 60.5, 2), (SERIAL, "device_timeout"): Total(1, 20.0, 0)}
    assert after.totals(T + 120) == before.totals(T + 120) == expected


def test_a_line_that_a_power_cut_tore_costs_no_other(tmp_path: Path) -> None:
    whole = saved(tmp_path)
    content = (tmp_path / LOG).read_bytes()
    start = content[:-1].rindex(b"\n") + 1
    for length in range(start + 1, len(content)):
        (tmp_path / LOG).write_bytes(content[:length])
        log = OutageLog(tmp_path)
        log.begin(OTHER, "device_gone", T + 200)
        log.save()
        again = OutageLog(tmp_path)
        assert list(again.past) == list(whole.past)
        assert again.open[OTHER] == Outage(OTHER, "device_gone", T + 200)


def test_nonsense_in_the_file_is_left_out(tmp_path: Path) -> None:
    saved(tmp_path)
    with (tmp_path / LOG).open("a") as file:
        file.write('[]\n{"event": "begin"}\n{"at": "x", "event": "end"}\n{"at": 7}\n\x00\xff\n')
    assert list(OutageLog(tmp_path).open) == [SERIAL]


def test_a_full_disk_loses_nothing_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = saved(tmp_path)
    log.end(SERIAL, T + 110)
    write, before = os.write, (tmp_path / LOG).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[: len(data) // 2]))
        log.save()
    assert (tmp_path / LOG).read_bytes() == before
    assert log.unsaved
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", _fails)
        log.save()
    log.save()
    assert not log.unsaved
    assert OutageLog(tmp_path).totals(T + 200)[SERIAL, "device_timeout"] == Total(1, 10.0, 0)
    assert len(lines(tmp_path)) == 5


def _fails(_: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_another_reason_is_another_outage_and_the_same_is_not(tmp_path: Path) -> None:
    log = OutageLog(tmp_path)
    for at, reason in enumerate(("device_timeout", "device_timeout", "unplugged")):
        log.begin(SERIAL, reason, T + at)
    log.end(SERIAL, T + 5)
    log.end(SERIAL, T + 6)
    assert [(outage.reason, outage.seconds(T)) for outage in log.past] == [("device_timeout", 2.0), ("unplugged", 3.0)]


def test_a_clock_that_was_set_back_makes_no_negative_outage(tmp_path: Path) -> None:
    log = OutageLog(tmp_path)
    log.begin(SERIAL, "unplugged", T)
    log.end(SERIAL, T - 3600)
    assert log.totals(T)[SERIAL, "unplugged"].seconds == 0


def test_the_time_in_which_the_gateway_did_not_run_is_an_outage_of_its_own(tmp_path: Path) -> None:
    log = OutageLog(tmp_path)
    log.started(T)
    assert not log.past  # it never ran before
    log.stopped(T + 10)
    log.save()
    stopped = OutageLog(tmp_path)
    stopped.started(T + 40)
    assert list(stopped.past) == [Outage(GATEWAY, STOPPED, T + 10, T + 40)]
    stopped.save()
    os.utime(tmp_path / ALIVE, (T + 100, T + 100))
    crashed = OutageLog(tmp_path)
    crashed.started(T + 160)
    assert crashed.past[-1] == Outage(GATEWAY, CRASHED, T + 100, T + 160)


def test_a_tse_that_is_gone_for_good_can_be_retired(tmp_path: Path) -> None:
    log = saved(tmp_path)
    log.stopped(T + 200)
    log.save()
    with (tmp_path / LOG).open("a") as file:
        file.write(f'{{"at": "2026-11-23T09:00:00Z", "event": "retired", "serial": "{SERIAL}"}}\n')
    again = OutageLog(tmp_path)
    assert not again.known
    assert not again.open
    again.started(T + 300)
    assert again.past[-1].reason == STOPPED


class Shop:
    """A watch over a registry with one device, by a clock that tests set."""

    def __init__(self, device: Device, directory: Path) -> None:
        self.now = T
        self.registry = Registry(Metrics())
        self.registry._devices[device.serial] = device
        self.log = OutageLog(directory)
        self.monitor = OutageMonitor(self.registry, self.log, now=lambda: self.now)

    def look(self, at: float) -> None:
        self.now = T + at
        self.monitor.check()


async def test_a_tse_that_fails_and_comes_back_had_an_outage(ready: Device, tse: SimulatedTse, tmp_path: Path) -> None:
    await ready.read_info()
    shop = Shop(ready, tmp_path)
    shop.look(0)
    assert not shop.log.open
    tse.faults.set("unplugged")
    with pytest.raises(DeviceGone) as gone:
        await ready.read_info()
    shop.monitor.refused(ready.serial, gone.value)  # which the till is told before anybody looks
    shop.look(1)
    shop.monitor.refused(ready.serial, DeviceGone(NOTHING), "10.0.0.7")
    assert shop.log.open[ready.serial] == Outage(ready.serial, "device_gone", T + 1, refused=2, tills=1)
    shop.look(2)
    assert shop.log.open[ready.serial].began == T + 1


async def test_an_outage_ends_when_the_tse_can_sign(ready: Device, tse: SimulatedTse, tmp_path: Path) -> None:
    await ready.read_info()
    shop = Shop(ready, tmp_path)
    tse.faults.set("unplugged")
    with pytest.raises(DeviceGone):
        await ready.read_info()
    shop.look(1)
    tse.faults.clear()
    await ready.let_go(said("it failed"))
    await ready.renew(BlockDriver(SimulatedTransport(tse)), TseInfo.decode(tse.read_info()), "simulator")
    shop.look(2)
    assert lack(ready) == "no_self_test"
    await ready.command(SelfTest(CLIENT).encode())
    await ready.read_info()
    shop.look(3)
    assert (lack(ready), shop.log.open[ready.serial].began) == ("no_time", T + 1)
    for command in (Login(User.TIME_ADMIN, TIME_ADMIN_PIN), SetTime(NOW)):
        await ready.command(command.encode())
    await ready.read_info()
    shop.look(4)
    assert list(shop.log.past) == [Outage(ready.serial, "device_gone", T + 1, T + 4)]


async def test_the_outage_of_a_tse_that_hangs_began_when_its_answer_was_late(
    ready: Device, tse: SimulatedTse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready.read_info()
    shop = Shop(ready, tmp_path)
    monkeypatch.setattr(ready._connection, "_clock", lambda: shop.now)
    tse.faults.set("hung")
    asked = asyncio.create_task(ready.read_info())
    await until(lambda: ready._connection._late_at == T + 5)
    shop.look(6)
    seen = lack(ready), shop.log.open.copy()
    tse.faults.clear()
    await ready.let_go(said("it hangs"))
    shop.look(51)
    assert (seen, shop.log.open[ready.serial].began) == (("answer_late", {}), T + 6)
    with suppress(DeviceGone):  # if it came too late
        await asked


@pytest.mark.parametrize("answers", [False, True])
async def test_a_tse_that_opens_well_and_fails_in_use_has_one_outage(
    ready: Device, tse: SimulatedTse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    await ready.read_info()
    shop = Shop(ready, tmp_path)
    monkeypatch.setattr(ready, "_clock", lambda: shop.now)
    for second in range(0, 100, 5):
        tse.faults.set("io_error" if second % 10 else "lost_response", None if second % 10 else 1)
        with pytest.raises(GatewayError):
            await ready.command(FlashHealth().encode())
        shop.look(second + 1)
        tse.faults.clear()
        await ready.let_go(said("it failed"))
        await ready.renew(BlockDriver(SimulatedTransport(tse)), TseInfo.decode(tse.read_info()), "simulator")
        shop.look(second + 2)
        if answers:
            await ready.command(FlashHealth().encode())
            shop.look(second + 3)
    shop.look(100)
    assert (lack(ready), len(shop.log.open)) == ("", 1)
    shop.look(127)
    seen = [(outage.began - T, outage.ended - T) for outage in shop.log.past if outage.ended]
    assert seen == ([(1, 2), (6, 97)] if answers else [(1, 97)])
    assert shop.log.open == {}


async def test_a_tse_that_is_not_set_up_has_no_outage(device: Device, tse: SimulatedTse, tmp_path: Path) -> None:
    shop = Shop(device, tmp_path)
    shop.look(0)
    shop.monitor.refused(device.serial, CommandRejected(0x1002, NOTHING))
    await device.let_go(said("the TSE was unplugged"))
    shop.look(1)
    assert (shop.log.known, shop.log.open) == (set(), {})  # nobody misses a spare


async def test_a_tse_that_waits_for_self_test_and_time_has_no_outage(
    ready: Device, tse: SimulatedTse, tmp_path: Path
) -> None:
    await ready.read_info()
    ready.info = replace(ready.info, valid_time=False, self_test_passed=False, ctss_active=False)
    shop = Shop(ready, tmp_path)
    shop.look(0)
    assert (shop.log.known, shop.log.open) == ({ready.serial}, {})


async def test_a_tse_of_yesterday_that_is_not_there_today_is_absent(ready: Device, tmp_path: Path) -> None:
    yesterday = OutageLog(tmp_path)
    yesterday.seen(OTHER, T - 86_400)
    yesterday.save()
    shop = Shop(ready, tmp_path)
    shop.look(0)
    assert shop.log.open == {OTHER: Outage(OTHER, "absent", T)}


async def test_a_tse_whose_service_is_over_is_not_missed(ready: Device, tmp_path: Path) -> None:
    shop = Shop(ready, tmp_path)
    await ready.read_info()
    shop.look(0)
    assert shop.log.known == {ready.serial}
    await ready.command(Login(User.ADMIN, ADMIN_PIN).encode())
    await ready.command(Decommission().encode())
    await ready.read_info()
    shop.look(1)
    await ready.let_go(said("the TSE was unplugged"))
    shop.look(2)
    shop.log.save()
    for log in (shop.log, OutageLog(tmp_path)):
        assert (log.known, log.open) == (set(), {})
    assert [line["event"] for line in lines(tmp_path)] == ["seen", "retired"]
