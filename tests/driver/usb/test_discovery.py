"""Looking for TSEs on a host made of files: what is recognised, what is told, and that nothing is written."""

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from gateway.driver.usb.block_devices import Candidate
from gateway.driver.usb.discovery import Discovery, Sighting
from gateway.driver.usb.probe import AccessKind, ProbeResult, ProbeVerdict, probe
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse import layout
from gateway.tse.sectors import SECTOR
from tests.fake_host import FIXED, FOREIGN_DISK, FakeHost, Opener, dump, serial_of, tse_disk


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "host")


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
async def discovery(host: FakeHost, opener: Opener) -> AsyncIterator[Discovery]:
    async with Discovery(host.roots, prober=opener.look, settle_time=0) as made:
        yield made


async def until(discovery: Discovery, reached: Callable[[tuple[Sighting, ...]], bool]) -> tuple[Sighting, ...]:
    async with asyncio.timeout(10):
        while True:
            discovery.changed.clear()
            seen = await discovery.scan()
            if reached(seen):
                return seen
            await discovery.changed.wait()


def verdicts(seen: tuple[Sighting, ...]) -> dict[str, ProbeVerdict]:
    return {item.path.name: item.verdict for item in seen}


def says(verdict: ProbeVerdict) -> Callable[[tuple[Sighting, ...]], bool]:
    return lambda seen: [item.verdict for item in seen] == [verdict]


# --- what is recognised ---


async def test_a_whole_simulated_stick_is_recognised_by_its_content(
    host: FakeHost, discovery: Discovery, tmp_path: Path
) -> None:
    node = host.plug("sda", b"")
    tse = SimulatedTse.create(tmp_path / "tse", Make(capacity_blocks=300), durable=False)
    dump(tse, node)
    (host.root / "sys/block/sda/size").write_text(str(node.stat().st_size // SECTOR))
    (found,) = await discovery.scan()
    assert (found.verdict, found.kind, found.path) == (ProbeVerdict.TSE, AccessKind.RAW, node)
    assert found.serial == tse.serial.hex().upper()
    assert not found.way_out
    tse.close()


@pytest.mark.parametrize("bus", [FIXED, "platform/vhci_hcd.0/usb3/3-1", "pci0000:00/mmc0/mmc0:0001"])
async def test_neither_name_nor_bus_matters(host: FakeHost, discovery: Discovery, bus: str) -> None:
    host.plug("whatever!c0d0", None, bus=bus)
    (host.root / "dev/whatever").mkdir()
    (host.root / "dev/whatever/c0d0").write_bytes(tse_disk(7))
    (host.root / "sys/block/whatever!c0d0/size").write_text("64")
    (found,) = await discovery.scan()
    assert (found.verdict, found.serial) == (ProbeVerdict.TSE, serial_of(7))


async def test_a_mounted_tse_is_reached_by_its_volume_and_its_disk_is_not_opened(
    host: FakeHost, discovery: Discovery, opener: Opener
) -> None:
    host.plug("sda", tse_disk(1), sda1__dev="8:1", sda1__partition="1")
    volume = host.volume("my volume", serial=1)
    host.mount(volume, "8:1")
    host.mount(host.root / "elsewhere", "8:1")  # a second name of the same volume
    (found,) = await discovery.scan()
    assert (found.place, found.kind, found.verdict) == (str(volume), AccessKind.VOLUME, ProbeVerdict.TSE)
    assert "sda" not in opener.names
    host.unmount_all()
    (found,) = await discovery.scan()
    assert (found.path.name, found.kind, found.verdict) == ("sda", AccessKind.RAW, ProbeVerdict.TSE)


async def test_what_cannot_be_a_tse_is_not_even_opened(host: FakeHost, discovery: Discovery, opener: Opener) -> None:
    host.plug("vda", tse_disk(), "254:0", vda1__dev="254:1", vda1__partition="1")
    host.mount(Path("/"), "254:1", kind="ext4")
    host.plug("vdb", tse_disk(), "254:16", vdb2__dev="254:18", vdb2__partition="2")
    host.mount(Path("/data"), "0:33", kind="btrfs", source=str(host.roots.dev / "vdb2"))
    host.plug("sdc", tse_disk(), "8:32", holders__x="")
    host.plug("sr0", tse_disk(), "11:0")
    host.plug("fd0", tse_disk(), "2:0")
    host.plug("sdd", tse_disk(), "8:48", queue__logical_block_size="4096")
    host.plug("nvme0c0n1", tse_disk(), "259:1", hidden="1")
    host.plug("loop0", tse_disk(), "7:0")
    (host.root / "sys/block/loop0/device").rmdir()
    host.mount(host.volume("share"), kind="nfs4")
    assert await discovery.scan() == ()
    assert opener.opened == []


# --- what is told when it cannot be used ---


async def test_a_foreign_disk_is_read_once_until_it_is_another(
    host: FakeHost, discovery: Discovery, opener: Opener
) -> None:
    host.plug("sda", FOREIGN_DISK)
    (found,) = await discovery.scan()
    assert (found.verdict, found.notable) == (ProbeVerdict.FOREIGN, False)
    async with asyncio.timeout(5):
        await asyncio.gather(*(known.task for known in discovery._known.values() if known.task))
    assert await discovery.scan() == (found,)
    assert len(opener.opened) == 1
    host.unplug("sda")
    assert await discovery.scan() == ()
    host.plug("sda", tse_disk(5))
    (other,) = await discovery.scan()
    assert (other.verdict, other.serial) == (ProbeVerdict.TSE, serial_of(5))


async def test_a_replug_between_two_scans_is_another_attachment(host: FakeHost, discovery: Discovery) -> None:
    host.plug("sda", tse_disk())
    (first,) = await discovery.scan()
    assert await discovery.scan() == (first,)
    host.unplug("sda")
    host.plug("sda", tse_disk())
    (second,) = await discovery.scan()
    assert (first.place, first.serial) == (second.place, second.serial)
    assert first.key != second.key


async def test_an_empty_reader_says_so_until_a_card_is_put_in(host: FakeHost, opener: Opener) -> None:
    opener.failures = [errno.ENOMEDIUM] * 2
    node = host.plug("mmcblk0", b"", bus="pci0000:00/mmc0/mmc0:0001")
    async with Discovery(host.roots, prober=opener.look, settle_time=0) as discovery:
        (found,) = await discovery.scan()
        assert (found.verdict, found.notable) == (ProbeVerdict.NO_MEDIUM, False)
        assert "put the TSE in" in found.way_out.en
        node.write_bytes(tse_disk(3))
        await until(discovery, lambda seen: "a medium came" in seen[0].reason.en)  # the kernel learns it by an open
        (host.root / "sys/block/mmcblk0/size").write_text("64")
        (found,) = await discovery.scan()
        assert (found.verdict, found.serial) == (ProbeVerdict.TSE, serial_of(3))


async def test_a_disk_without_permission_right_after_plugging_in_is_not_complained_about(
    host: FakeHost, opener: Opener
) -> None:
    opener.failures = [errno.EACCES] * 3
    host.plug("sda", tse_disk())
    async with Discovery(host.roots, prober=opener.look, settle_time=60) as discovery:
        assert await discovery.scan() == ()
        (found,) = await until(discovery, bool)
        assert found.verdict is ProbeVerdict.TSE
        assert opener.failures == []


@pytest.mark.parametrize(
    ("number", "verdict"),
    [
        (errno.EACCES, ProbeVerdict.NO_PERMISSION),
        (errno.EPERM, ProbeVerdict.NO_PERMISSION),
        (errno.EBUSY, ProbeVerdict.IN_USE),
        (errno.EIO, ProbeVerdict.DAMAGED),
        (errno.ENXIO, ProbeVerdict.ABSENT),
        (errno.EROFS, ProbeVerdict.READ_ONLY),
    ],
)
async def test_what_stands_in_the_way_is_told_with_the_way_out(
    host: FakeHost, opener: Opener, number: int, verdict: ProbeVerdict
) -> None:
    opener.failures = [number]
    host.plug("sda", tse_disk())
    async with Discovery(host.roots, prober=opener.look, settle_time=0) as discovery:
        (found,) = await discovery.scan()
        assert (found.verdict, found.notable) == (verdict, True)
        assert os.strerror(number) in found.way_out.en
        assert os.strerror(number) not in found.way_out.de
        assert len(found.way_out.en) > len(os.strerror(number)) + 20


async def test_a_disk_of_the_host_that_may_not_be_read_is_not_worth_a_warning(host: FakeHost, opener: Opener) -> None:
    opener.failures = [errno.EACCES]
    host.plug("sda", tse_disk(), bus=FIXED)
    async with Discovery(host.roots, prober=opener.look, settle_time=0) as discovery:
        (found,) = await discovery.scan()
        assert (found.verdict, found.notable) == (ProbeVerdict.NO_PERMISSION, False)


async def test_disks_of_the_host_without_a_node_in_the_container_are_left_out(
    host: FakeHost, discovery: Discovery
) -> None:
    host.plug("vda", None, "254:0", bus=FIXED, size="1000")
    host.plug("sda", None, "8:0", size="1000")
    (found,) = await discovery.scan()
    assert (found.path.name, found.verdict) == ("sda", ProbeVerdict.ABSENT)
    assert "pass /dev" in found.way_out.en


async def test_a_tse_that_another_process_owns_is_in_use_until_it_lets_go(host: FakeHost, discovery: Discovery) -> None:
    volume = host.volume(serial=9)
    host.mount(volume)
    with ExitStack() as stack:
        window = stack.enter_context((volume / layout.WINDOW_FILE).open("rb"))
        fcntl.flock(window, fcntl.LOCK_EX)
        (found,) = await discovery.scan()
        assert (found.verdict, found.serial, found.notable) == (ProbeVerdict.IN_USE, serial_of(9), True)
    (found,) = await until(discovery, says(ProbeVerdict.TSE))
    assert found.serial == serial_of(9)


async def test_a_write_protected_tse_is_told_apart_from_a_foreign_card(host: FakeHost, discovery: Discovery) -> None:
    host.plug("sda", tse_disk(2), "8:0", ro="1")
    host.plug("sdb", FOREIGN_DISK, "8:16", ro="1")
    seen = await discovery.scan()
    assert verdicts(seen) == {"sda": ProbeVerdict.READ_ONLY, "sdb": ProbeVerdict.FOREIGN}
    assert seen[0].serial == serial_of(2)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENXIO])
async def test_a_change_elsewhere_is_a_reason_to_look_again_at_once(
    host: FakeHost, opener: Opener, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("gateway.driver.usb.discovery._FIRST_PAUSE", 300)
    opener.failures = [number]
    host.plug("sda", tse_disk())
    async with Discovery(host.roots, prober=opener.look, settle_time=0) as discovery:
        await until(discovery, lambda seen: bool(seen) and seen[0].verdict is not ProbeVerdict.TSE)
        discovery.invalidate()
        await until(discovery, says(ProbeVerdict.TSE))


# --- disks that hang ---


@dataclass
class Hanging:
    """Looks for real, but a disk called `name` does not come back before it is let go."""

    name: str
    freed: threading.Event = field(default_factory=threading.Event)
    looks: int = 0

    def look(self, candidate: Candidate) -> ProbeResult:
        if candidate.path.name == self.name:
            self.looks += 1
            self.freed.wait(30)
        return probe(candidate)


async def test_a_disk_that_hangs_delays_no_other_and_is_told(host: FakeHost) -> None:
    hanging = Hanging("sda")
    host.plug("sda", tse_disk(1), "8:0")
    host.plug("sdb", tse_disk(2), "8:16")
    async with Discovery(host.roots, prober=hanging.look, hang_after=0.2, settle_time=0) as discovery:
        began = asyncio.get_running_loop().time()
        seen = await discovery.scan()
        assert asyncio.get_running_loop().time() - began < 10  # the disk hangs until it is freed below
        assert verdicts(seen)["sdb"] is ProbeVerdict.TSE
        seen = await until(discovery, lambda seen: "sda" in verdicts(seen))
        assert verdicts(seen)["sda"] is ProbeVerdict.HANGS
        await discovery.scan()
        assert hanging.looks == 1
        hanging.freed.set()
        seen = await until(discovery, lambda seen: verdicts(seen)["sda"] is ProbeVerdict.TSE)
        assert {item.serial for item in seen} == {serial_of(1), serial_of(2)}


async def test_a_disk_that_hangs_may_be_pulled_and_the_next_one_is_seen(host: FakeHost) -> None:
    hanging = Hanging("sda")
    host.plug("sda", tse_disk(1))
    async with Discovery(host.roots, prober=hanging.look, hang_after=0.1) as discovery:
        await until(discovery, says(ProbeVerdict.HANGS))
        host.unplug("sda")
        host.plug("sdb", tse_disk(1))
        (found,) = await discovery.scan()
        assert (found.path.name, found.verdict) == ("sdb", ProbeVerdict.TSE)
        assert not [task for task in asyncio.all_tasks() if task.get_name().endswith("sda")]
    hanging.freed.set()


async def test_looking_ends_with_the_discovery_even_when_a_disk_hangs(host: FakeHost) -> None:
    hanging = Hanging("sda")
    host.plug("sda", tse_disk(1))
    async with asyncio.timeout(5):
        async with Discovery(host.roots, prober=hanging.look) as discovery:
            await discovery.scan()
    hanging.freed.set()


# --- paths that the settings name ---


async def test_a_named_path_that_is_not_there_yet_becomes_a_tse(host: FakeHost, tmp_path: Path) -> None:
    path = tmp_path / "image"
    async with Discovery(host.roots, [path], settle_time=0) as discovery:
        (found,) = await discovery.scan()
        assert (found.verdict, found.notable) == (ProbeVerdict.ABSENT, True)
        path.write_bytes(tse_disk(4))
        (found,) = await until(discovery, says(ProbeVerdict.TSE))
        assert (found.place, found.serial) == (str(path), serial_of(4))


async def test_a_named_foreign_disk_is_told_of_and_left_alone(host: FakeHost) -> None:
    node = host.plug("sda", FOREIGN_DISK)
    async with Discovery(host.roots, [node], everywhere=False) as discovery:
        (found,) = await discovery.scan()
        assert (found.verdict, found.notable) == (ProbeVerdict.FOREIGN, True)


async def test_one_tse_with_many_names_is_one_place_and_the_named_one_wins(host: FakeHost) -> None:
    node = host.plug("sda", tse_disk(1))
    link = host.roots.dev / "tse" / serial_of(1)
    link.parent.mkdir()
    link.symlink_to(node)
    volume = host.volume(serial=2)
    host.mount(host.root / "other name", "8:16")
    host.mount(volume, "8:16")
    async with Discovery(host.roots, [link, volume]) as discovery:
        first, second = await discovery.scan()
        assert (first.place, second.place) == (str(link), str(volume))
        host.unplug("sda")
        host.plug("sda", tse_disk(1))
        again = await discovery.scan()
        assert {item.place for item in again} == {str(link), str(volume)}
        assert first not in again
        assert second in again
        host.unmount_all()
        host.mount(volume, "8:16")
        (remounted,) = [item for item in await discovery.scan() if item.place == str(volume)]
        assert remounted.key != second.key


async def test_without_discovery_only_named_paths_are_looked_at(host: FakeHost, opener: Opener) -> None:
    host.plug("sda", tse_disk(1), "8:0")
    named = host.plug("sdb", tse_disk(2), "8:16")
    async with Discovery(host.roots, [named], everywhere=False, prober=opener.look) as discovery:
        (found,) = await discovery.scan()
        assert found.serial == serial_of(2)
        assert opener.names == ["sdb"]


async def test_two_sticks_that_claim_one_serial_are_both_shown(host: FakeHost, discovery: Discovery) -> None:
    host.plug("sda", tse_disk(1), "8:0")
    await discovery.scan()
    host.plug("sd0", tse_disk(1), "8:16")
    seen = await discovery.scan()
    assert [item.path.name for item in seen] == ["sda", "sd0"]  # the earlier one first
    assert {item.serial for item in seen} == {serial_of(1)}


async def test_a_list_that_hangs_leaves_what_was_seen(
    host: FakeHost, discovery: Discovery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host.plug("sda", tse_disk())
    seen = await discovery.scan()
    freed = threading.Event()
    monkeypatch.setattr("gateway.driver.usb.discovery._LISTING", 0.05)
    monkeypatch.setattr(discovery, "_list", partial(freed.wait, 30))
    assert await discovery.scan() == seen
    assert "cannot be read" in caplog.text
    freed.set()
