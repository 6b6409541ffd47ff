"""Exactly once: what a re-sent request gets."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.errors import (
    BadRequest,
    CommandRejected,
    DeviceGone,
    ExportInterrupted,
    InvalidSession,
    LockRefused,
    UnknownDevice,
)
from gateway.fleet.lock import lock
from gateway.fleet.registry import Attachment, Registry
from gateway.operations.lan import LanTse
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import (
    FILTER_OPEN_END,
    CloseImport,
    FlashHealth,
    ImportOpened,
    NextExportPart,
    OpenImport,
    Part,
    StartExport,
    TransactionReply,
    TransactionStep,
)
from gateway.tse.error_numbers import number_of
from tests.support import CLIENT, set_up

EXPORT_ALL = StartExport(0, FILTER_OPEN_END, 0, FILTER_OPEN_END, b"").encode()
START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
SIGN = CloseImport().encode()
PART = NextExportPart().encode()


class Connection:
    def __init__(self) -> None:
        self.alive = True
        self.peer = self.token = self.client_id = ""


class Till:
    """A client that holds the lock."""

    def __init__(self, lan: LanTse, serial: str) -> None:
        self.lan, self.serial = lan, serial
        self.connection = Connection()
        self.session = 0

    async def lock(self) -> None:
        self.session = await self.lan.lock(self.serial, self.connection)

    async def send(self, command: bytes) -> bytes:
        return await self.lan.send_command(self.serial, self.session, command, self.connection)

    def reconnect(self) -> None:
        self.connection.alive = False
        self.connection = Connection()


@pytest.fixture
async def registry(tse: SimulatedTse, metrics: Metrics) -> AsyncIterator[Registry]:
    registry = Registry(metrics)
    await registry.reconcile(
        [Attachment("simulator", lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name="tse"))]
    )
    await set_up(registry.devices()[0].command, tse.serial)
    yield registry
    await registry.close()


@pytest.fixture
def lan(registry: Registry, metrics: Metrics) -> LanTse:
    return LanTse(registry, metrics, lock_wait=1)


@pytest.fixture
async def till(lan: LanTse) -> Till:
    made = Till(lan, lan.serials()[0])
    await made.lock()
    return made


def replays(metrics: Metrics, till: Till) -> float:
    return (
        metrics.registry.get_sample_value("tse_gateway_replayed_total", {"serial": till.serial, "kind": "resent"}) or 0
    )


async def test_a_signature_sent_again_is_not_made_again(till: Till, metrics: Metrics, registry: Registry) -> None:
    await till.send(START)
    first = await till.send(SIGN)
    till.reconnect()
    assert await till.send(SIGN) == first
    till.reconnect()
    assert await till.send(SIGN) == first
    assert replays(metrics, till) == 2
    await registry.devices()[0].read_info()
    assert registry.devices()[0].info.created_signatures == TransactionReply.decode(first).signature_counter


async def test_on_the_same_connection_the_same_command_is_a_new_one(till: Till) -> None:
    await till.send(START)
    await till.send(SIGN)
    with pytest.raises(CommandRejected, match="0x1004"):
        await till.send(SIGN)


async def test_a_refusal_sent_again_is_the_same_refusal(till: Till, metrics: Metrics) -> None:
    for _ in range(2):
        with pytest.raises(CommandRejected, match="0x1004"):
            await till.send(SIGN)
        till.reconnect()
    assert replays(metrics, till) == 1


async def test_another_command_on_a_new_connection_is_carried_out(till: Till, metrics: Metrics) -> None:
    await till.send(START)
    till.reconnect()
    TransactionReply.decode(await till.send(SIGN))
    assert replays(metrics, till) == 0


async def test_a_command_sent_again_while_it_runs_joins_it(till: Till, registry: Registry, metrics: Metrics) -> None:
    await till.send(START)
    device, release, entered = registry.devices()[0], threading.Event(), asyncio.Event()

    async def occupy(_: object) -> None:
        entered.set()
        await asyncio.to_thread(release.wait, 5)

    blocker = asyncio.create_task(device.run(occupy))
    await entered.wait()
    first = asyncio.create_task(till.send(SIGN))
    await asyncio.sleep(0)
    first.cancel()
    till.reconnect()
    second = asyncio.create_task(till.send(SIGN))
    await asyncio.sleep(0)
    release.set()
    reply = TransactionReply.decode(await second)
    await blocker
    await device.read_info()
    assert reply.signature_counter == device.info.created_signatures
    assert replays(metrics, till) == 1


async def test_process_data_sent_again_are_written_once(till: Till, metrics: Metrics) -> None:
    opened = ImportOpened.decode(await till.send(OpenImport(TransactionStep.START, CLIENT, 0, 512, b"").encode()))
    for _ in range(2):
        await till.lan.write_store(till.serial, till.session, opened.block, b"d" * 512, till.connection)
        till.reconnect()
    assert replays(metrics, till) == 1
    TransactionReply.decode(await till.send(SIGN))


async def test_an_export_part_whose_answer_may_have_come_is_not_guessed(till: Till) -> None:
    await till.send(EXPORT_ALL)
    await till.send(PART)
    till.reconnect()
    with pytest.raises(ExportInterrupted):
        await till.send(PART)


async def test_an_export_part_whose_answer_was_surely_lost_is_replayed(till: Till) -> None:
    await till.send(EXPORT_ALL)
    till.connection.alive = False
    first = await till.send(PART)
    await asyncio.sleep(0)
    till.reconnect()
    assert await till.send(PART) == first
    rest = b""
    while part := Part.decode(await till.send(PART)).data:
        rest += part
    assert len(Part.decode(first).data + rest) % 512 == 0


async def test_an_unlock_sent_again_is_as_good_as_the_first(till: Till) -> None:
    await till.lan.unlock(till.serial, till.session)
    till.reconnect()
    await till.lan.unlock(till.serial, till.session)
    with pytest.raises(InvalidSession):
        await till.send(SIGN)


async def test_an_unlock_after_a_failure_hides_no_signature(till: Till, tse: SimulatedTse) -> None:
    await till.send(START)
    await till.send(SIGN)
    tse.faults.set("unplugged")
    with pytest.raises(DeviceGone):
        await till.lan.read_info(till.serial, till.session, till.connection)
    await till.lan.unlock(till.serial, till.session)


async def test_nobody_else_unlocks_and_is_told_no_error(till: Till) -> None:
    await till.lan.unlock(till.serial, till.session ^ 1)
    await till.send(FlashHealth().encode())


async def test_a_lock_for_a_client_that_hung_up_is_given_on(till: Till) -> None:
    gone = Connection()
    waiting = asyncio.create_task(till.lan.lock(till.serial, gone))
    await asyncio.sleep(0)
    gone.alive = False
    await till.lan.unlock(till.serial, till.session)
    with pytest.raises(LockRefused):
        await waiting
    await till.lan.lock(till.serial, Connection())


@pytest.mark.parametrize("serial", ["", "00" * 32, "x", "AB" * 40])
async def test_an_unknown_tse_is_not_found(lan: LanTse, serial: str) -> None:
    with pytest.raises(UnknownDevice) as unknown:
        await lan.lock(serial, Connection())
    assert number_of(unknown.value) == 24


@pytest.mark.parametrize("command", [b"", bytes(511), b"\x83\0"])
async def test_commands_that_would_break_the_window_are_refused(till: Till, command: bytes) -> None:
    with pytest.raises(CommandRejected):
        await till.send(command)
    await till.send(FlashHealth().encode())


@pytest.mark.parametrize(("block", "count"), [(0, 0), (0, 65_537), (-1, 1), (2**32, 1)])
async def test_reads_outside_any_store_are_refused(till: Till, block: int, count: int) -> None:
    with pytest.raises(BadRequest):
        await till.lan.read_store(till.serial, till.session, block, count, till.connection)


@pytest.mark.parametrize("data", [b"", b"half a block"])
async def test_half_blocks_are_refused(till: Till, data: bytes) -> None:
    with pytest.raises(BadRequest):
        await till.lan.write_store(till.serial, till.session, 0, data, till.connection)


async def test_info_and_store_are_read_under_the_session(till: Till) -> None:
    assert (await till.lan.read_info(till.serial, till.session, till.connection))[:4] == b"GMIS"
    assert len(await till.lan.read_store(till.serial, till.session, 0, 2, till.connection)) == 1024
    with pytest.raises(InvalidSession):
        await till.lan.read_info(till.serial, till.session + 1, till.connection)


async def test_a_reader_that_got_its_lock_back_does_not_wait_for_itself(
    till: Till, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_COURTESY", 30.0)

    async def read() -> None:
        await till.lan.read_store(till.serial, till.session, 0, 1, till.connection)

    await till.lan.read_info(till.serial, till.session, till.connection)
    for _ in range(2):
        await read()
    device = registry.devices()[0]
    seller = await device.lock.acquire(Connection(), 1)  # the reader steps aside
    device.lock.release(seller.session)
    await till.send(START)
    async with asyncio.timeout(5):
        await read()
