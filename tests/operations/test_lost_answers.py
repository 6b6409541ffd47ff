"""The answer to a signature is lost on its way from the TSE: the till gets it all the same, or the truth."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from gateway.config.pins import Pins
from gateway.driver.usb.block import BlockDriver, Deadlines
from gateway.errors import DeviceError, DeviceGone, InvalidSession
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.registry import Attachment, DeviceTimes, Registry
from gateway.operations.lan import LanTse
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import (
    CloseImport,
    FlashHealth,
    OpenImport,
    SelfTest,
    TransactionReply,
    TransactionStep,
)
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.operations.test_lan import Connection, Till
from tests.support import CLIENT, TIME_ADMIN_PIN, export, set_up

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
SIGN = CloseImport().encode()
Strike = Callable[[SimulatedTse], None]


@dataclass
class Trouble:
    """What happens to the TSE at the next signature: `before` the command reaches it, or `after` it signed."""

    before: Strike | None = None
    after: Strike | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)


class Wire(SimulatedTransport):
    """A socket with trouble on it."""

    def __init__(self, tse: SimulatedTse, trouble: Trouble) -> None:
        super().__init__(tse)
        self._tse, self._trouble = tse, trouble
        self.write_window = self._write

    def _write(self, sector: bytes) -> None:
        signs = sector[2] == CloseImport.opcode
        if signs and self._trouble.before is not None:
            strike, self._trouble.before = self._trouble.before, None
            strike(self._tse)
        self._tse.write_window(sector)
        if signs and self._trouble.after is not None:
            strike, self._trouble.after = self._trouble.after, None
            strike(self._tse)


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def options() -> MaintenanceOptions:
    return MaintenanceOptions()


@pytest.fixture
async def registry(
    tse: SimulatedTse, metrics: Metrics, trouble: Trouble, options: MaintenanceOptions
) -> AsyncIterator[Registry]:
    driver = BlockDriver(SimulatedTransport(tse))
    await set_up(driver.send_command, tse.serial)
    await driver.close()
    deadlines = Deadlines(command=1, slow=1)

    async def opened() -> BlockDriver:
        return await BlockDriver.open(lambda: Wire(tse, trouble), name="tse", deadlines=deadlines)

    made = Registry(metrics, DeviceTimes(refresh=0.05, settle_wait=20), options)
    await made.reconcile([Attachment("simulator", opened)])
    yield made
    await made.close()


@pytest.fixture
def lan(registry: Registry, metrics: Metrics) -> LanTse:
    return LanTse(registry, metrics, lock_wait=5)


@pytest.fixture
async def till(lan: LanTse) -> Till:
    made = Till(lan, lan.serials()[0])
    await made.lock()
    return made


async def stored(registry: Registry) -> list[LogMessage]:
    """Transaction messages in the store."""
    tar = await export(registry.devices()[0])
    messages = [LogMessage.decode(member.data) for member in list(members(tar))[2:]]
    return [message for message in messages if message.operation.endswith("Transaction")]


def settled(metrics: Metrics, till: Till, outcome: str) -> float:
    labels = {"serial": till.serial, "outcome": outcome}
    return metrics.registry.get_sample_value("tse_lost_signatures_total", labels) or 0


async def usable(registry: Registry) -> None:
    async with asyncio.timeout(10):
        while registry.devices()[0].failed.is_set():
            registry.changed.clear()
            await registry.changed.wait()


def lose_response(tse: SimulatedTse) -> None:
    tse.faults.set("lost_response", 1)


def busy_after(tse: SimulatedTse) -> None:
    tse.faults.set("io_error", 3)  # the window cannot be read, nor read again


async def test_a_signature_whose_response_is_missing_reaches_its_till(
    till: Till, registry: Registry, trouble: Trouble, metrics: Metrics
) -> None:
    trouble.before = lose_response
    await till.send(START)
    reply = TransactionReply.decode(await till.send(SIGN))
    (message,) = await stored(registry)
    assert (message.signature, message.signature_counter) == (reply.signature, reply.signature_counter)
    assert settled(metrics, till, "signed") == 1
    with pytest.raises(InvalidSession):
        await till.send(FlashHealth().encode())  # the session belongs to the opening before
    await till.lan.unlock(till.serial, till.session)
    await till.lock()
    await till.send(START)
    assert TransactionReply.decode(await till.send(SIGN)).signature_counter == reply.signature_counter + 1


@pytest.mark.parametrize("event", [TransactionStep.UPDATE, TransactionStep.FINISH])
async def test_every_step_is_found_again(
    till: Till, registry: Registry, trouble: Trouble, event: TransactionStep
) -> None:
    await till.send(START)
    started = TransactionReply.decode(await till.send(SIGN))
    await till.send(OpenImport(event, CLIENT, started.transaction_number, 0, b"X").encode())
    trouble.before = lose_response
    reply = TransactionReply.decode(await till.send(SIGN))
    assert reply.transaction_number == started.transaction_number
    assert reply.signature_counter == started.signature_counter + 1
    assert len(await stored(registry)) == 2


async def test_an_io_error_after_the_signature_is_no_second_one(
    till: Till, registry: Registry, trouble: Trouble
) -> None:
    trouble.after = busy_after
    await till.send(START)
    reply = TransactionReply.decode(await till.send(SIGN))
    assert [message.signature for message in await stored(registry)] == [reply.signature]


async def test_a_signature_that_never_reached_the_tse_is_an_error_at_once(
    till: Till, registry: Registry, trouble: Trouble, metrics: Metrics
) -> None:
    trouble.before = lambda tse: tse.faults.set("io_error", 1)
    await till.send(START)
    with pytest.raises(DeviceError):
        await till.send(SIGN)
    assert await stored(registry) == []
    assert (settled(metrics, till, "signed"), settled(metrics, till, "not_signed")) == (0, 1)


async def test_a_tse_that_stays_busy_tells_when_it_is_done(
    till: Till, registry: Registry, trouble: Trouble, tse: SimulatedTse
) -> None:
    await till.send(START)
    trouble.before = lambda tse: tse.faults.set("busy_forever")
    waiting = asyncio.create_task(till.send(SIGN))
    device = registry.devices()[0]
    async with asyncio.timeout(5):
        await device.failed.wait()
    await usable(registry)
    async with asyncio.timeout(5):
        await device.failed.wait()  # it was asked, and was still busy
    assert not waiting.done()
    tse.faults.clear()
    reply = TransactionReply.decode(await waiting)
    assert [message.signature for message in await stored(registry)] == [reply.signature]


async def test_an_older_signature_of_the_till_is_not_taken_for_the_lost_one(
    till: Till, registry: Registry, trouble: Trouble
) -> None:
    await till.send(START)
    await till.send(SIGN)
    trouble.before = lambda tse: tse.faults.set("io_error", 1)
    await till.send(START)
    with pytest.raises(DeviceError):
        await till.send(SIGN)
    assert len(await stored(registry)) == 1


async def test_a_request_that_is_sent_again_gets_the_signature_too(
    till: Till, registry: Registry, trouble: Trouble, metrics: Metrics
) -> None:
    await till.send(START)
    trouble.before = lose_response
    first = asyncio.create_task(till.send(SIGN))
    async with asyncio.timeout(5):
        await registry.devices()[0].failed.wait()
    first.cancel()
    till.reconnect()
    second = TransactionReply.decode(await till.send(SIGN))
    till.reconnect()
    assert TransactionReply.decode(await till.send(SIGN)) == second
    assert [message.signature for message in await stored(registry)] == [second.signature]


async def test_on_the_same_connection_the_ended_session_stays_ended(
    till: Till, trouble: Trouble, registry: Registry
) -> None:
    await till.send(START)
    trouble.before = lose_response
    await till.send(SIGN)
    with pytest.raises(InvalidSession):
        await till.send(SIGN)
    assert len(await stored(registry)) == 1


@pytest.mark.parametrize("options", [MaintenanceOptions(pins=Pins(TIME_ADMIN_PIN.decode()), set_time=False)])
async def test_after_a_power_cycle_the_self_test_of_the_gateway_brings_the_answer(
    till: Till, registry: Registry, trouble: Trouble
) -> None:
    await till.send(START)
    trouble.after = lambda tse: tse.faults.set("unplugged", 1)
    reply = TransactionReply.decode(await till.send(SIGN))
    assert [message.signature for message in await stored(registry)] == [reply.signature]


async def test_a_till_does_not_wait_for_ever_for_a_tse_that_is_gone(
    tse: SimulatedTse, metrics: Metrics, trouble: Trouble
) -> None:
    registry = Registry(metrics, DeviceTimes(refresh=0.05, settle_wait=0.2))
    await registry.reconcile(
        [Attachment("simulator", lambda: BlockDriver.open(lambda: Wire(tse, trouble), name="tse"))]
    )
    device = registry.devices()[0]
    await set_up(device.command, tse.serial)
    await device.command(START)
    trouble.after = lambda tse: tse.faults.set("unplugged")
    async with asyncio.timeout(20):
        with pytest.raises(DeviceGone):
            await device.command(SIGN)
    tse.faults.clear()
    await usable(registry)
    await device.command(SelfTest(CLIENT).encode())  # it tells now, but nobody waits any more
    await registry.close()


async def test_the_end_of_the_gateway_ends_the_waiting(till: Till, registry: Registry, trouble: Trouble) -> None:
    await till.send(START)
    trouble.after = lambda tse: tse.faults.set("unplugged")
    waiting = asyncio.create_task(till.send(SIGN))
    async with asyncio.timeout(5):
        await registry.devices()[0].failed.wait()
        await registry.close()
        with pytest.raises(DeviceGone):
            await waiting


async def test_what_another_till_lost_is_nobody_elses_answer(
    till: Till, lan: LanTse, registry: Registry, trouble: Trouble
) -> None:
    await till.send(START)
    trouble.after = lambda tse: tse.faults.set("unplugged", 1)
    with pytest.raises(DeviceError):  # without a PIN the gateway cannot run the self test, after which the TSE tells
        await till.send(SIGN)
    await usable(registry)
    other = Till(lan, till.serial)
    await other.lock()
    trouble.before = lose_response
    with pytest.raises(DeviceError):
        await other.send(SIGN)  # never announced a step


async def test_many_receipts_with_lost_answers_are_signed_once_each(
    lan: LanTse, registry: Registry, trouble: Trouble
) -> None:
    seen: list[bytes] = []
    troubles: tuple[Strike | None, ...] = (None, lose_response, None, busy_after)
    for number in range(8):  # a TSE that fails again and again is opened with growing pauses
        till = Till(lan, registry.devices()[0].serial)
        till.connection = Connection()
        await till.lock()
        await till.send(START)
        trouble.before = troubles[number % 4] if number % 4 == 1 else None
        trouble.after = troubles[number % 4] if number % 4 == 3 else None
        seen.append(TransactionReply.decode(await till.send(SIGN)).signature)
        await lan.unlock(till.serial, till.session)
    assert Counter(message.signature for message in await stored(registry)) == Counter(seen)
    assert len(set(seen)) == 8
