"""Sticks come and go: on a host made of files, under umockdev, and on a real mounted volume."""

import asyncio
import json
import logging
import os
import select
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from ctypes.util import find_library
from functools import partial
from pathlib import Path

import pytest

from gateway.driver.protocols import TseDriver
from gateway.driver.usb.block import BlockDriver
from gateway.driver.usb.block_devices import Roots
from gateway.driver.usb.discovery import Discovery, Sighting
from gateway.driver.usb.probe import ProbeVerdict
from gateway.driver.usb.transport import open_transport
from gateway.fleet.hotplug import BlockEvents, MountChanges, Source, Sources, attachments, sightings
from gateway.fleet.registry import Registry
from gateway.simulator.device import SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.volume.mount import mounted
from tests import needs
from tests.fake_host import FIXED, FOREIGN_DISK, FakeHost, serial_of, tse_disk

LIBUDEV = pytest.mark.skipif(find_library("udev") is None, reason="needs the package libudev1")
NO_SOURCES: Sources = {}
Changes = AsyncIterator[tuple[Sighting, ...]]


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "host")


@asynccontextmanager
async def following(
    host: FakeHost, every: float = 300, glance: float = 0.01, sources: Sources = NO_SOURCES, mounts: Path | None = None
) -> AsyncIterator[Changes]:
    roots = Roots(host.roots.sys, host.roots.dev, mounts or host.roots.mounts)
    async with (
        Discovery(roots, settle_time=0) as discovery,
        aclosing(sightings(discovery, every=every, glance=glance, sources=sources)) as changes,
    ):
        yield changes


async def until(changes: Changes, reached: Callable[[tuple[Sighting, ...]], bool]) -> tuple[Sighting, ...]:
    async with asyncio.timeout(10):
        async for seen in changes:
            if reached(seen):
                return seen
    raise AssertionError("the sightings ended")


def opener(path: Path) -> Callable[[], Awaitable[TseDriver]]:
    return partial(BlockDriver.open, partial(open_transport, path), name=str(path))


# --- what is seen, and when ---


async def test_what_is_there_is_told_at_once_and_then_each_change(host: FakeHost) -> None:
    async with following(host) as changes:
        assert await anext(changes) == ()
        host.plug("sda", tse_disk(1))
        (found,) = await until(changes, bool)
        assert (found.verdict, found.serial) == (ProbeVerdict.TSE, serial_of(1))
        host.unplug("sda")
        await until(changes, lambda seen: seen == ())


async def test_the_rescan_finds_what_no_sign_told(host: FakeHost) -> None:
    host.plug("sda", tse_disk(1))
    async with following(host, every=0.05, glance=300) as changes:
        (first,) = await anext(changes)
        (host.root / "sys/block/sda/diskseq").write_text("99")
        (host.root / "dev/sda").write_bytes(tse_disk(2))
        (second,) = await anext(changes)
        assert (first.serial, second.serial) == (serial_of(1), serial_of(2))
        assert first.key != second.key


async def test_late_news_of_a_disk_need_no_sign(host: FakeHost) -> None:
    node = host.plug("sda", tse_disk(1))
    node.rename(node.with_name("not yet"))
    async with following(host, glance=300) as changes:
        (found,) = await anext(changes)
        assert found.verdict is ProbeVerdict.ABSENT
        node.with_name("not yet").rename(node)
        (found,) = await anext(changes)
        assert found.verdict is ProbeVerdict.TSE


async def test_a_link_that_udev_makes_late_leads_to_its_disk(host: FakeHost) -> None:
    node = host.plug("sda", tse_disk(1))
    link = host.roots.dev / "tse"
    async with (
        Discovery(host.roots, [link], everywhere=False, settle_time=0) as discovery,
        aclosing(sightings(discovery, every=300, glance=300, sources=NO_SOURCES)) as changes,
    ):
        (found,) = await anext(changes)
        assert found.verdict is ProbeVerdict.ABSENT
        link.symlink_to(node)
        (found,) = await until(changes, lambda seen: bool(seen) and bool(seen[0].key))
        assert (found.place, found.verdict) == (str(link), ProbeVerdict.TSE)


async def test_a_sign_is_enough(host: FakeHost) -> None:
    reader, writer = os.pipe()

    class Pipe:
        def fileno(self) -> int:
            return reader

        def take(self) -> None:
            os.read(reader, 1)

        def close(self) -> None:
            os.close(reader)

    async with following(host, glance=300, sources={"a pipe": Pipe}) as changes:
        assert await anext(changes) == ()
        host.plug("sda", tse_disk(1))
        os.write(writer, b"x")
        assert len(await anext(changes)) == 1
    with pytest.raises(BrokenPipeError):  # it was closed with the sightings
        os.write(writer, b"x")
    os.close(writer)


async def test_without_libudev_the_rest_goes_on_and_it_is_told_once(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setitem(sys.modules, "pyudev", None)
    async with following(host, sources={"block events": BlockEvents, "mounts": MountChanges}) as changes:
        await anext(changes)
        for number in (1, 2):
            host.plug(f"sd{number}", tse_disk(number), f"8:{number}")
            await anext(changes)
    assert len([record for record in caplog.records if "no block events to be had" in record.message]) == 1


async def test_a_table_that_cannot_be_watched_is_no_obstacle(host: FakeHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sources: Sources = {"changes of mounts": partial(MountChanges, host.roots.mounts)}
    host.plug("sda", tse_disk(1))
    async with following(host, sources=sources) as changes:
        assert len(await anext(changes)) == 1
    assert "no changes of mounts to be had here" in caplog.text


@pytest.mark.parametrize("make", [pytest.param(BlockEvents, marks=LIBUDEV), MountChanges])
def test_a_source_is_quiet_when_nothing_happens_and_leaks_nothing(make: Callable[[], Source]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = make()
    source.take()
    assert select.select([source], [], [], 0) == ([], [], [])
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@LIBUDEV
def test_more_events_than_the_socket_holds_are_a_sign_like_one(monkeypatch: pytest.MonkeyPatch) -> None:
    source = BlockEvents()

    def overrun(*_: object, **__: object) -> None:
        raise OSError("Error while polling fd")

    monkeypatch.setattr("pyudev.Monitor.poll", overrun)
    source.take()
    source.close()


# --- the log ---


async def test_each_change_is_logged_once_with_the_way_out(host: FakeHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    host.plug("sda", tse_disk(1), "8:0")
    host.plug("sdb", tse_disk(2), "8:16", ro="1")
    host.plug("sdc", FOREIGN_DISK, "8:32")
    host.plug("vda", None, "254:0", bus=FIXED, size="64")
    async with following(host) as changes:
        await until(changes, lambda seen: len(seen) == 3)
        host.unplug("sda")
        await anext(changes)
    lines = [(record.levelname, record.message) for record in caplog.records]
    attached, read_only, gone = lines
    assert attached == ("INFO", f"TSE {serial_of(1)} is attached at {host.root / 'dev/sda'}")
    assert gone == ("INFO", f"TSE {serial_of(1)} is gone from {host.root / 'dev/sda'}")
    assert read_only[0] == "WARNING"
    assert serial_of(2) in read_only[1]
    assert "write protection" in read_only[1]


async def test_foreign_disks_are_told_in_the_debug_log_only(host: FakeHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "gateway")
    host.plug("sdc", FOREIGN_DISK)
    async with following(host) as changes:
        await anext(changes)
    (record,) = [record for record in caplog.records if "sdc" in record.message]
    assert record.levelname == "DEBUG"


# --- into the registry ---


async def test_a_stick_comes_goes_and_comes_back_elsewhere(host: FakeHost, metrics: Metrics) -> None:
    registry = Registry(metrics)
    async with following(host) as changes:
        await registry.reconcile(attachments(await anext(changes), opener))
        assert registry.devices() == []
        host.plug("sda", tse_disk(1))
        await registry.reconcile(attachments(await anext(changes), opener))
        device = registry.find(serial_of(1))
        assert not device.failed.is_set()
        host.unplug("sda")
        await registry.reconcile(attachments(await anext(changes), opener))
        assert device.failed.is_set()
        node = host.plug("sdb", tse_disk(1), "8:16")
        await registry.reconcile(attachments(await anext(changes), opener))
        assert (device.failed.is_set(), device.place) == (False, str(node))
    await registry.close()


async def test_another_tse_in_the_same_socket_is_another_device(host: FakeHost, metrics: Metrics) -> None:
    registry = Registry(metrics)
    async with following(host, every=0.05) as changes:
        host.plug("sda", tse_disk(1))
        await registry.reconcile(attachments(await anext(changes), opener))
        host.unplug("sda")
        host.plug("sda", tse_disk(2))
        await registry.reconcile(attachments(await anext(changes), opener))
        failed = {device.serial: device.failed.is_set() for device in registry.devices()}
        assert failed == {serial_of(1): True, serial_of(2): False}
    await registry.close()


async def test_two_sticks_with_one_serial_are_refused_loudly(
    host: FakeHost, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(metrics)
    first = host.plug("sdb", tse_disk(1), "8:16")
    async with following(host) as changes:
        await registry.reconcile(attachments(await anext(changes), opener))
        host.plug("sda", tse_disk(1), "8:0")
        await registry.reconcile(attachments(await anext(changes), opener))
        assert [device.place for device in registry.devices()] == [str(first)]
        assert not registry.find(serial_of(1)).failed.is_set()
        assert "a second time" in caplog.text
    await registry.close()


async def test_only_what_can_be_opened_is_an_attachment(host: FakeHost) -> None:
    host.plug("sda", tse_disk(1), "8:0", ro="1")
    host.plug("sdb", FOREIGN_DISK, "8:16")
    node = host.plug("sdc", tse_disk(2), "8:32")
    async with following(host) as changes:
        seen = await anext(changes)
    assert len(seen) == 3
    assert [item.place for item in attachments(seen, opener)] == [str(node)]


# --- for real ---


@needs.FUSE
async def test_a_real_volume_is_seen_when_it_is_mounted(host: FakeHost, tse: SimulatedTse, tmp_path: Path) -> None:
    real = Path("/proc/self/mountinfo")
    point = tmp_path / "a volume"
    sources: Sources = {"changes of mounts": MountChanges}
    async with following(host, glance=300, sources=sources, mounts=real) as changes:
        with ExitStack() as stack:
            await anext(changes)
            await asyncio.to_thread(stack.enter_context, mounted(tse, point))
            seen = await until(changes, lambda seen: str(point) in {item.place for item in seen})
            (found,) = [item for item in seen if item.place == str(point)]
            assert (found.verdict, found.serial) == (ProbeVerdict.TSE, tse.serial.hex().upper())
            await asyncio.to_thread(stack.close)
        await until(changes, lambda seen: str(point) not in {item.place for item in seen})


@pytest.mark.skipif(shutil.which("umockdev-wrapper") is None, reason="needs the package umockdev")
def test_the_kernels_events_tell_of_sticks_within_the_time_that_tills_have(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.touch()
    command = ["umockdev-wrapper", sys.executable, "-m", "tests.fleet.umockdev_host", str(table)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    *lines, other_node = done.stdout.splitlines()
    changes = [json.loads(line) for line in lines]
    assert [shown for shown, _ in changes] == [
        [],
        [["sdx", "tse", "1"]],
        [],
        [["sdy", "tse", "1"]],
        [["sdy", "tse", "1"], ["sdz", "foreign", ""]],
    ]
    assert max(seconds for _, seconds in changes) < 5  # idle machine: 0.1 s; without events: 300 s
    assert other_node == "absent"
