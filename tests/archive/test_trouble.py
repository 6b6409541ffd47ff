"""What goes wrong around an archive is told, costs nothing that was kept, and is over when its cause is."""

import asyncio
import json
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import __version__
from gateway.archive.directory import ArchiveDirectory, NewSegment
from gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveNotWritten
from gateway.archive.manifest import ArchiveVerdict, Manifest
from gateway.archive.run import Stopped, _review
from gateway.errors import ConfigurationError, DeviceError
from gateway.operations import masterdata
from gateway.operations.store import PatientReader
from gateway.tse.commands import SelfTest
from tests.archive.conftest import Shop
from tests.archive.test_kill import names_in
from tests.server.shop import until
from tests.support import CLIENT


async def test_a_tse_that_is_unplugged_during_a_run_ends_it_and_the_next_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.restart(segment_bytes=20_000)
    await shop.sell(40)
    commit = ArchiveDirectory.commit

    def unplugging(directory: ArchiveDirectory, segment: NewSegment, manifest: Manifest) -> None:
        commit(directory, segment, manifest)
        if manifest.number == 2:
            shop.tse.faults.set("unplugged")

    monkeypatch.setattr(ArchiveDirectory, "commit", unplugging)
    with pytest.raises(DeviceError):
        await shop.run()
    status = await shop.status()
    assert len(status.segments) == 2
    assert status.last_success is None
    assert status.last_error is not None
    assert status.last_error.code == "device_gone"
    assert await shop.restored()
    assert not (shop.folder / ".draft.tar").exists()
    shop.tse.faults.clear()  # which is a power cycle
    await until(lambda: not shop.device.failed.is_set())
    await shop.device.command(SelfTest(CLIENT).encode())
    done = await shop.run()
    assert done.added[0] == "0001-000003.tar"
    assert await shop.restored() == await shop.export()
    assert (await shop.status()).last_error is None


@dataclass
class Disk:
    """Has room until `fill`, and again from `enlarge` on."""

    directory: Path
    fill: Callable[[], None]
    enlarge: Callable[[], None]


@contextmanager
def mounted(directory: Path) -> Iterator[Disk]:
    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(directory)]
        subprocess.run(command, check=True, capture_output=True, timeout=10)

    mount("size=16m")
    try:
        yield Disk(directory, lambda: mount("remount,size=300k"), lambda: mount("remount,size=16m"))
    finally:
        subprocess.run(["umount", str(directory)], check=True, timeout=10)


@contextmanager
def limited(directory: Path) -> Iterator[Disk]:
    """Where nothing may be mounted: no file of this process may grow larger."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    try:
        yield Disk(directory, lambda: limit(200_000), lambda: limit(before[0]))
    finally:
        limit(before[0])
        signal.signal(signal.SIGXFSZ, handler)


def may_mount(directory: Path) -> bool:
    if os.geteuid():
        return False
    try:
        with mounted(directory):
            return True
    except (OSError, subprocess.SubprocessError):
        return False


@contextmanager
def small_disk(directory: Path) -> Iterator[Disk]:
    directory.mkdir()
    with (mounted if may_mount(directory) else limited)(directory) as disk:
        yield disk


async def test_a_full_disk_costs_nothing_that_was_kept_and_the_next_run_goes_on(shop: Shop, tmp_path: Path) -> None:
    shop.directory = tmp_path / "disk"
    with small_disk(shop.directory) as disk:
        shop.restart()
        await shop.sell(10, data=b"x" * 10_000)
        await shop.run()
        kept = await shop.restored()
        await shop.sell(30, data=b"x" * 10_000)
        disk.fill()
        with pytest.raises(ArchiveNotWritten, match=r"make room|too large|No space left"):
            await shop.run()
        status = await shop.status()
        assert status.last_error is not None
        assert status.last_error.code == "archive_not_written"
        assert [segment.file for segment in status.segments] == ["0001-000001.tar"]
        assert names_in(shop.folder) - {".state.json.new"} == {
            "0001-000001.tar",
            "0001-000001.json",
            "state.json",
        }
        assert await shop.restored() == kept
        disk.enlarge()
        done = await shop.run()
        assert done.verdict is ArchiveVerdict.OK
        assert await shop.restored() == await shop.export()


async def test_the_archive_leaves_room_for_everything_else(shop: Shop) -> None:
    await shop.run()
    shop.restart(least_free=2**60)
    await shop.archives.open()
    await shop.sell(1)
    with pytest.raises(ArchiveNotWritten, match="MiB are free"):
        await shop.run()
    assert len(await shop.segments()) == 1


async def test_a_manifest_that_does_not_reach_the_disk_takes_its_segment_with_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.run()
    await shop.sell(1)
    (shop.folder / ".0001-000002.json.new").mkdir()
    with pytest.raises(ArchiveNotWritten):
        await shop.run()
    assert not (shop.folder / "0001-000002.tar").exists()
    (shop.folder / ".0001-000002.json.new").rmdir()
    assert (await shop.run()).added == ["0001-000002.tar"]


def flip(path: Path, at: int = 2000) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


async def three_nights(shop: Shop) -> None:
    for _ in range(3):
        await shop.sell(1)
        await shop.run()


async def test_a_segment_that_was_changed_is_found_by_the_next_run_until_it_is_right_again(shop: Shop) -> None:
    await three_nights(shop)
    path = shop.folder / "0001-000002.tar"
    flip(path)
    for failures in (1, 2):
        done = await shop.run()
        assert done.verdict is ArchiveVerdict.ERROR
        assert [(found.code, found.places[0].place) for found in done.findings] == [
            ("archive.changed", "0001-000002.tar")
        ]
        status = await shop.status()
        assert (status.verdict, status.verify_failures, status.findings) == ("error", failures, done.findings)
    flip(path)
    assert (await shop.run()).verdict is ArchiveVerdict.OK
    assert (await shop.status()).verdict == "ok"


async def test_within_thirty_nights_each_segment_is_read_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.archive.run._CHECKED_AT_LEAST", 1)
    shop.restart(segment_bytes=1)
    await shop.sell(15)
    await shop.run()
    directory = ArchiveDirectory(shop.directory, shop.serial)
    state = directory.load_state()
    assert state is not None
    segments = directory.index(state.newest).segments
    assert len(segments) > 30  # more than one a night
    flip(shop.folder / segments[state.next_check - 1].file)
    found = []
    for _ in range(30):
        outcome = _review(directory, state)
        state = state.model_copy(update={"next_check": outcome.next_check, "changed": outcome.changed})
        found.append(bool(outcome.changed))
    assert (found[0], found[-1]) == (False, True)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "0001-000001.tar").unlink(), "0001-000001.tar"),
        (lambda folder: os.truncate(folder / "0001-000002.tar", 1000), "0001-000002.tar"),
        (lambda folder: (folder / "0001-000002.json").unlink(), "0001-000003.json"),
        (lambda folder: (folder / "0001-000002.json").write_text("{}"), "0001-000002.json"),
        (lambda folder: flip(folder / "0001-000001.json", 100), "0001-000001.json"),
        (lambda folder: (folder / "0001-000003.json").unlink(), "state.json"),
    ],
)
async def test_what_is_missing_or_changed_is_told(shop: Shop, harm: Callable[[Path], object], told: str) -> None:
    await three_nights(shop)
    harm(shop.folder)
    done = await shop.run()
    assert done.verdict is ArchiveVerdict.ERROR
    assert told in [place.place for found in done.findings for place in found.places]


async def test_what_was_kept_of_changed_files_before_there_was_german_is_read(shop: Shop) -> None:
    await three_nights(shop)
    (shop.folder / "0001-000002.tar").unlink()
    await shop.run()
    state = shop.folder / "state.json"
    kept = json.loads(state.read_text())
    assert kept["changed"] == {"0001-000002.tar": {"en": "is missing", "de": "fehlt"}}
    state.write_text(json.dumps(kept | {"changed": {"0001-000002.tar": "is {missing}"}}))
    read = ArchiveDirectory(shop.folder.parent, shop.serial).load_state()
    assert read is not None
    assert read.changed["0001-000002.tar"].in_language("de") == "is {missing}"


async def test_a_store_with_a_missing_piece_is_not_rebuilt(shop: Shop) -> None:
    await three_nights(shop)
    (shop.folder / "0001-000002.json").unlink()
    await shop.restart().open()
    with pytest.raises(ArchiveDamaged, match=r"before 0001-000003.tar"):
        await shop.restored()
    await shop.restart().open()
    (shop.folder / "0001-000003.tar").unlink()
    with pytest.raises(ArchiveDamaged):
        await shop.archives.file(shop.serial, "0001-000003.tar")


async def test_a_lost_manifest_never_lets_its_segment_be_overwritten(shop: Shop) -> None:
    await three_nights(shop)
    (shop.folder / "0001-000003.json").unlink()
    orphan = (shop.folder / "0001-000003.tar").read_bytes()
    await shop.restart().open()
    await shop.sell(1)
    done = await shop.run()
    assert done.added == ["0001-000004.tar"]
    assert (shop.folder / "0001-000003.tar").read_bytes() == orphan
    assert await shop.restored() == await shop.export()


@dataclass
class Gate:
    """Where a run waits between two chunks of the store."""

    reached: asyncio.Event
    opened: asyncio.Event


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made, read = Gate(asyncio.Event(), asyncio.Event()), PatientReader.read_store

    async def gated(reader: PatientReader, block: int, count: int) -> bytes:
        if block:
            made.reached.set()
            await made.opened.wait()
        return await read(reader, block, count)

    monkeypatch.setattr(PatientReader, "read_store", gated)
    return made


async def test_tills_sell_while_a_run_goes_on(shop: Shop, gate: Gate) -> None:
    await shop.sell(3, data=b"x" * 50_000)
    running = asyncio.create_task(shop.run())
    await gate.reached.wait()
    await shop.sell(1)  # nothing is locked between two chunks
    with pytest.raises(ArchiveBusy):
        await shop.run()
    told = (await shop.status()).running
    assert told is not None
    assert told.total_bytes > 150_000
    gate.opened.set()
    assert (await running).verdict is ArchiveVerdict.OK
    await shop.run()
    assert await shop.restored() == await shop.export()


async def test_a_run_goes_on_though_nobody_waits_for_it(shop: Shop, gate: Gate) -> None:
    await shop.sell(5)
    asking = asyncio.create_task(shop.run())
    await gate.reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    gate.opened.set()
    await until(lambda: shop.archives.all()[0].progress is None)
    assert await shop.restored() == await shop.export()


async def test_a_run_ends_with_the_gateway_and_the_next_goes_on(shop: Shop, gate: Gate) -> None:
    await shop.sell(5)
    asking = asyncio.create_task(shop.run())
    await gate.reached.wait()
    await shop.archives.close()
    with pytest.raises(Stopped):
        await asking
    gate.opened.set()
    await shop.restart().open()
    await shop.run()
    assert await shop.restored() == await shop.export()


async def test_a_piece_that_vanishes_while_it_is_read_is_told(shop: Shop) -> None:
    await three_nights(shop)
    volume = await shop.archives.restore(shop.serial, None)
    os.truncate(shop.folder / "0001-000002.tar", 100)
    with pytest.raises(ArchiveDamaged, match="cut off"):
        [piece async for piece in volume.read(0, volume.size)]
    (shop.folder / "0001-000002.tar").unlink()
    with pytest.raises(ArchiveDamaged, match="cannot be read"):
        [piece async for piece in volume.read(0, volume.size)]


async def test_messages_of_another_tse_are_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.device, "serial", "AB" * 32)
    monkeypatch.setitem(shop.registry._devices, "AB" * 32, shop.device)
    done = await shop.archives.run("AB" * 32)
    assert done.verdict is ArchiveVerdict.ERROR
    assert [found.code for found in done.findings] == ["archive.foreign"]


async def test_the_trust_that_segments_were_verified_with_is_written_down(shop: Shop, tmp_path: Path) -> None:
    (*_, root) = (await masterdata.chain_of(shop.device)).issuers
    trusted = tmp_path / "root.pem"
    trusted.write_bytes(root.public_bytes(Encoding.PEM))
    shop.restart(trust=[trusted])
    assert (await shop.run()).verdict is ArchiveVerdict.OK
    (segment,) = await shop.segments()
    assert segment.trust == [root.fingerprint(SHA256()).hex()]
    assert segment.verifier == __version__
    assert "chain.unanchored" not in [found.code for found in segment.findings]
    trusted.unlink()
    with pytest.raises(ConfigurationError):
        await shop.run()
    assert (await shop.status()).last_error


async def test_while_a_till_holds_the_lock_a_run_is_slower_and_goes_on(shop: Shop) -> None:
    class Till:
        alive = True
        peer = token = client_id = ""

    lease = await shop.device.lock.acquire(Till(), 1)
    assert (await shop.run()).verdict is ArchiveVerdict.OK
    shop.device.lock.release(lease.session)
    assert await shop.restored() == await shop.export()


async def test_a_message_longer_than_what_is_written_at_once_is_kept_whole(shop: Shop) -> None:
    await shop.sell(1, data=b"x" * 3_000_000)
    await shop.run()
    assert await shop.restored() == await shop.export()


async def test_without_its_state_an_archive_is_still_known(shop: Shop) -> None:
    await three_nights(shop)
    (shop.folder / "state.json").write_text("{")
    await shop.restart().open()
    status = await shop.status()
    assert (len(status.segments), status.verdict, status.last_success) == (3, "ok", None)
    assert (await shop.run()).added == []
    assert (await shop.status()).last_success == shop.now
