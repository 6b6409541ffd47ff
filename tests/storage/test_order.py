"""What the gateway says or does is on the disk before it says or does it. Without its syncs, each promise is broken."""

import os
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from unittest import mock

import pytest

from gateway.archive.directory import ArchiveDirectory
from gateway.archive.run import ArchiveOptions
from gateway.archive.tse_archive import TseArchive
from gateway.driver.usb.block import BlockDriver
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.registry import Attachment, Registry
from gateway.operations.journal import JOURNAL, Journal, JournalRecord
from gateway.operations.receipt import Action, SigningRequest
from gateway.operations.transactions import Transactions
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, Login
from tests.archive.recorded import Recorded
from tests.simulation.disk import Disk
from tests.support import CLIENT, NOW, TIME_ADMIN_PIN, export, receipt, set_up

KEY = "till-1-0001"


class Scene:
    """A TSE, a disk, and what was seen to happen to them, in order. `tse_is_told` is called before the TSE is."""

    def __init__(self, tse: SimulatedTse, directory: Path) -> None:
        self.tse = tse
        self.seen: list[str] = []
        self.disk = Disk(directory / "state", lambda call, name: self.seen.append(f"{call} {name}"))
        self.tse_is_told: Callable[[int], None] = lambda _: None
        self._cuts = (directory / f"cut-{number}" for number in count())

    def socket(self) -> SimulatedTransport:
        made = SimulatedTransport(self.tse)

        def write_window(sector: bytes) -> None:
            self.tse_is_told(sector[2])
            self.tse.write_window(sector)

        made.write_window = write_window
        return made

    def power_cut(self) -> Path:
        """A directory with what a power cut would leave now."""
        target = next(self._cuts)
        self.disk.power_cut(target)
        return target

    def journal_after_power_cut(self) -> Journal:
        return Journal(self.power_cut() / JOURNAL, now=lambda: float(NOW))


async def sign_under_a_key(scene: Scene) -> None:
    """The request is in the journal before the TSE signs, the signature before it is answered."""

    def told(opcode: int) -> None:
        if opcode == CloseImport.opcode:
            scene.seen.append("sign")
            assert scene.journal_after_power_cut().find(KEY) is not None

    registry, metrics = Registry(Metrics()), Metrics()
    await registry.reconcile([Attachment("usb", lambda: BlockDriver.open(scene.socket, name="tse"))])
    await set_up(registry.devices()[0].command, scene.tse.serial)
    await registry.devices()[0].read_info()
    scene.tse_is_told = told
    journal = Journal(scene.disk.root / JOURNAL, now=lambda: float(NOW))
    scene.seen.clear()
    transactions = Transactions(registry, journal, metrics, lock_wait=5, now=lambda: float(NOW))
    try:
        request = SigningRequest(Action.SIGN, scene.tse.serial.hex().upper(), CLIENT, process_data=b"Beleg")
        result = await transactions.sign(request, KEY)
        scene.seen.append("answer")
        record = scene.journal_after_power_cut().find(KEY)
        assert record is not None
        assert record.done == result.signed
    finally:
        await transactions.close()
        await registry.close()


async def free_a_key(scene: Scene) -> None:
    """A key under which nothing was signed is free: what others sign where it was noted is not taken for its own."""
    journal = Journal(scene.disk.root / JOURNAL, now=lambda: float(NOW))
    record = JournalRecord(KEY, "fingerprint", "sign", "AB" * 32, "POS-1", 10, 5, float(NOW))
    await journal.begin(record)
    assert scene.journal_after_power_cut().find(KEY) == record
    await journal.void(record)
    assert scene.journal_after_power_cut().find(KEY) is None


async def log_in(scene: Scene) -> None:
    """The PIN memory tells of a login before the TSE sees the PIN."""
    path = Path("tses", "tse.json")
    driver = BlockDriver(scene.socket())
    await set_up(driver.send_command, scene.tse.serial)

    def told(opcode: int) -> None:
        if opcode == Login.opcode:
            assert PinMemory(scene.power_cut() / path).record.no_login

    scene.tse_is_told = told
    await LoginGuard(PinMemory(scene.disk.root / path), TIME_ADMIN_PIN).log_in(driver.send_command)
    assert not PinMemory(scene.power_cut() / path).record.no_login
    await driver.close()


async def note_an_outage(scene: Scene) -> None:
    """What was saved is in the log."""
    outages = OutageLog(scene.disk.root)
    for moment in range(NOW, NOW + 10, 2):
        outages.begin("A", "hung", moment)
        outages.save()
        assert OutageLog(scene.power_cut()).open["A"].began == moment
        outages.end("A", moment + 1)
        outages.save()
        assert OutageLog(scene.power_cut()).past[-1].ended == moment + 1


async def archive_a_day(scene: Scene) -> None:
    """A run that has ended is kept, and at each moment what counts is whole."""
    driver = BlockDriver(scene.socket())
    await set_up(driver.send_command, scene.tse.serial)
    await receipt(driver.send_command, driver)
    device = Recorded(await driver.read_info(), await export(driver)).device
    archive = TseArchive(
        ArchiveDirectory(scene.disk.root, device.serial), ArchiveOptions(segment_bytes=4000), Metrics()
    )
    archive.load()

    def at_each_call(_call: str, _name: str) -> None:
        look(scene, device.serial)

    scene.disk.trace = at_each_call
    with archive.taken() as progress:
        await archive.run(device, progress)
    assert len(look(scene, device.serial)) == len(archive.index.segments) > 1
    await driver.close()


def look(scene: Scene, serial: str) -> list[str]:
    """The segments that count after a power cut now; they are whole."""
    directory = ArchiveDirectory(scene.power_cut(), serial)
    segments = directory.index().segments
    for segment in segments:
        assert directory.file(segment.file).stat().st_size == segment.size
    return [segment.file for segment in segments]


Promise = Callable[[Scene], Awaitable[None]]
PROMISES: tuple[Promise, ...] = (sign_under_a_key, free_a_key, log_in, note_an_outage, archive_a_day)


@pytest.fixture
def scene(tse: SimulatedTse, tmp_path: Path) -> Scene:
    return Scene(tse, tmp_path / "disk")


@pytest.mark.parametrize("promise", PROMISES)
async def test_what_the_gateway_says_is_on_the_disk(scene: Scene, promise: Promise) -> None:
    with scene.disk.mounted():
        await promise(scene)


@pytest.mark.parametrize(
    ("promise", "call"),
    [
        (sign_under_a_key, "fdatasync"),
        (free_a_key, "fdatasync"),
        (note_an_outage, "fdatasync"),
        (log_in, "fsync"),
        (archive_a_day, "fsync"),
    ],
)
async def test_a_gateway_that_does_not_sync_is_found_out(scene: Scene, promise: Promise, call: str) -> None:
    without = mock.patch.object(os, call, return_value=None)
    with scene.disk.mounted(), without, pytest.raises((AssertionError, KeyError)):
        await promise(scene)


async def test_a_receipt_under_a_key_goes_its_way_in_this_order(scene: Scene) -> None:
    with scene.disk.mounted():
        await sign_under_a_key(scene)
    write, sync = f"write {JOURNAL}", f"fdatasync {JOURNAL}"
    directory = "fsync state"  # the journal is empty yet: its first line makes the file
    assert scene.seen == [write, sync, directory, "sign", write, "sign", write, sync, "answer"]
