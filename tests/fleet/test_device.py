"""One TSE of the fleet: queue, lock, failure. The simulator is underneath."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from gateway.driver.protocols import TseDriver
from gateway.driver.usb.block import BlockDriver
from gateway.errors import (
    CommandRejected,
    DeviceError,
    DeviceGone,
    InvalidSession,
    LockRefused,
    ProtocolError,
    ResponseMissing,
)
from gateway.fleet.device import Device
from gateway.i18n.text import NOTHING
from gateway.server.api.tses import tse_summary
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import (
    FILTER_OPEN_END,
    AbortImport,
    CloseImport,
    FlashHealth,
    ListTransactions,
    NextExportPart,
    OpenImport,
    Part,
    StartExport,
    TransactionStep,
)
from gateway.tse.info import TseInfo
from tests.support import CLIENT, receipt, step

EXPORT_ALL = StartExport(0, FILTER_OPEN_END, 0, FILTER_OPEN_END, b"").encode()
START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()


class Till:
    def __init__(self) -> None:
        self.alive = True
        self.peer = self.token = self.client_id = ""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what it waits for is inside the code under test)
            await asyncio.sleep(0)


async def test_receipts_are_signed_through_the_queue(ready: Device) -> None:
    replies = await asyncio.gather(*(step(ready.command, ready, TransactionStep.START) for _ in range(1)))
    assert replies[0].transaction_number == 1
    finished = await receipt(ready.command, ready)
    assert finished.transaction_number == 2


async def test_what_has_begun_is_finished_whoever_hangs_up(tse: SimulatedTse, ready: Device) -> None:
    entered, release = threading.Event(), threading.Event()

    async def slow(driver: TseDriver) -> bytes:
        entered.set()
        await asyncio.to_thread(release.wait, 5)
        return await driver.send_command(START)

    caller = asyncio.create_task(ready.run(slow))
    await asyncio.to_thread(entered.wait, 5)
    caller.cancel()
    release.set()
    await ready.command(CloseImport().encode())  # its turn comes behind the abandoned one, which was done
    assert (await ready.command(ListTransactions(0, CLIENT).encode()))[0] == 1


async def test_a_caller_that_gives_up_in_the_queue_leaves_it(ready: Device) -> None:
    release = asyncio.Event()

    async def slow(_: TseDriver) -> None:
        await release.wait()

    first = asyncio.create_task(ready.run(slow))
    second = asyncio.create_task(ready.command(START))
    await asyncio.sleep(0)
    second.cancel()
    third = asyncio.create_task(ready.command(FlashHealth().encode()))
    release.set()
    await first
    await third
    assert second.cancelled() or not second.done()
    with pytest.raises(CommandRejected, match="no transaction"):
        await ready.command(AbortImport().encode())


async def test_a_waiting_client_gets_the_lock_when_it_is_free(ready: Device) -> None:
    first = await ready.lock.acquire(Till(), 1)
    waiting = asyncio.create_task(ready.lock.acquire(Till(), 5))
    await until(lambda: tse_summary(ready).waiting_clients == 1)
    ready.lock.release(first.session)
    second = await waiting
    assert second.session != first.session
    assert ready.lock.lease is second


async def test_the_lock_is_refused_after_the_waiting_time(ready: Device, metrics: Metrics) -> None:
    await ready.lock.acquire(Till(), 1)
    with pytest.raises(LockRefused, match="try again"):
        await ready.lock.acquire(Till(), 0.05)
    assert tse_summary(ready).waiting_clients == 0
    assert sample(metrics, "tse_gateway_lock_refused_total", serial=ready.serial) == 1


async def test_a_broken_connection_frees_the_lock_for_the_next(ready: Device) -> None:
    gone = Till()
    await ready.lock.acquire(gone, 1)
    gone.alive = False
    async with asyncio.timeout(20):
        await ready.lock.acquire(Till(), 600)


async def test_a_silent_holder_loses_its_lock_and_its_import(
    tse: SimulatedTse, metrics: Metrics, ready: Device
) -> None:
    clock = Clock()
    driver = BlockDriver(SimulatedTransport(tse))
    device = Device(ready.serial, "x", driver, ready.info, metrics=metrics, lock_idle=90, clock=clock)
    till = Till()
    lease = await device.lock.acquire(till, 1)
    with device.lock.use(lease.session, till) as entered:
        await device.command(START, entered)
    assert TseInfo.decode(await device.read_info()).import_in_progress
    clock.now = 89.9
    device.sweep()
    assert device.lock.lease is lease
    clock.now = 90
    device.sweep()
    assert device.lock.lease is None
    await device.lock.acquire(Till(), 1)
    assert not TseInfo.decode(await device.read_info()).import_in_progress
    with pytest.raises(InvalidSession), device.lock.use(lease.session, till):
        pass
    await device.close()


async def test_a_command_under_a_lease_that_has_ended_is_not_sent(ready: Device) -> None:
    lease = await ready.lock.acquire(Till(), 1)
    ready.lock.release(lease.session)
    with pytest.raises(DeviceGone):
        await ready.command(START, lease)
    with pytest.raises(DeviceGone):
        await ready.write_store(0, bytes(512), lease)
    assert not TseInfo.decode(await ready.read_info()).import_in_progress


async def test_an_unfinished_export_is_aborted_with_the_lock(ready: Device) -> None:
    till = Till()
    lease = await ready.lock.acquire(till, 1)
    with ready.lock.use(lease.session, till):
        await ready.command(EXPORT_ALL, lease)
        await ready.command(NextExportPart().encode(), lease)
    ready.lock.release(lease.session)
    await ready.lock.acquire(Till(), 1)
    await receipt(ready.command, ready)  # would be refused with "export in progress"


async def test_a_finished_export_leaves_nothing_to_abort(ready: Device) -> None:
    till = Till()
    lease = await ready.lock.acquire(till, 1)
    await ready.command(EXPORT_ALL, lease)
    while await ready.command(NextExportPart().encode(), lease) != Part(b"").encode():
        assert lease.unfinished == {"export"}
    assert lease.unfinished == set()


async def test_a_failed_tse_refuses_at_once_with_the_reason(tse: SimulatedTse, ready: Device, metrics: Metrics) -> None:
    lease = await ready.lock.acquire(Till(), 1)
    waiting = asyncio.create_task(ready.lock.acquire(Till(), 30))
    await until(lambda: tse_summary(ready).waiting_clients == 1)
    tse.faults.set("unplugged")
    with pytest.raises(DeviceGone):
        await ready.read_info()
    assert ready.failed.is_set()
    with pytest.raises(DeviceGone, match="gone"):
        await waiting
    with pytest.raises(DeviceGone), ready.lock.use(lease.session, Till()):
        pass
    with pytest.raises(DeviceGone):
        await ready.command(FlashHealth().encode())
    with pytest.raises(DeviceGone):
        await ready.lock.acquire(Till(), 30)
    known = tse_summary(ready)
    assert (known.state, known.held_seconds) == ("failed", None)
    assert "gone" in str(known.reason)


async def test_a_refused_command_is_no_failure(ready: Device) -> None:
    with pytest.raises(CommandRejected):
        await ready.command(CloseImport().encode())
    assert not ready.failed.is_set()


@pytest.mark.parametrize(("fault", "error"), [("lost_response", ResponseMissing), ("io_error", DeviceError)])
async def test_whatever_the_driver_cannot_answer_for_is_a_failure(
    tse: SimulatedTse, ready: Device, fault: str, error: type[Exception]
) -> None:
    tse.faults.set(fault)
    with pytest.raises(error):
        await ready.command(FlashHealth().encode())
    assert ready.failed.is_set()


async def test_a_renewed_tse_refuses_the_sessions_of_before(tse: SimulatedTse, ready: Device) -> None:
    till = Till()
    lease = await ready.lock.acquire(till, 1)
    await ready.command(START, lease)
    tse.faults.set("io_error")
    with pytest.raises(DeviceError):
        await ready.read_info()
    await ready.let_go(NOTHING)
    tse.faults.clear()
    driver = BlockDriver(SimulatedTransport(tse))
    await ready.renew(driver, TseInfo.decode(await driver.read_info()), "elsewhere")
    await ready.lock.acquire(Till(), 1)
    assert (ready.place, tse_summary(ready).state) == ("elsewhere", "ready")
    with pytest.raises(InvalidSession), ready.lock.use(lease.session, till):
        pass
    await ready.read_info()
    assert not ready.info.import_in_progress  # the import of the lost session was aborted
    await receipt(ready.command, ready)


async def test_an_info_sector_without_magic_is_a_failure(tse: SimulatedTse, ready: Device) -> None:
    async def nonsense(_: TseDriver) -> bytes:
        return bytes(512)

    with pytest.raises(ProtocolError):
        ready._learn(await ready.run(nonsense))
    assert ready.failed.is_set()


async def test_maximal_process_data_survive_the_way(ready: Device) -> None:
    data = bytes(range(256)) * 4096 + b"tail"
    started = await step(ready.command, ready, TransactionStep.START)
    finished = await step(
        ready.command, ready, TransactionStep.FINISH, CLIENT, started.transaction_number, data, b"Kassenbeleg-V1"
    )
    info = TseInfo.decode(await ready.read_info())
    stored = await ready.read_store(info.last_entry_block, info.used_blocks - info.last_entry_block)
    assert data in stored
    assert finished.signature_counter == info.created_signatures
