"""A till whose signature is cut off by the death of the gateway gets its answer from the next one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.errors import CommandRejected, DeviceGone, DeviceTimeout, InvalidSession
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.fleet.registry import Attachment, Registry
from gateway.operations import lan_journal
from gateway.operations.lan import LanTse
from gateway.operations.lan_journal import LAN_JOURNAL, LanJournal
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, OpenImport, SelfTest, TransactionReply, TransactionStep
from tests.operations.test_lan import Till
from tests.support import CLIENT, NOW, set_up
from tests.texts import said

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
SIGN = CloseImport().encode()


class Process:
    """A gateway that ends as by kill -9: nothing is closed, and the TSE keeps its power."""

    def __init__(self, tse: SimulatedTse, state: Path, now: Callable[[], float] = lambda: float(NOW)) -> None:
        self.tse, self.state = tse, state
        self.metrics = Metrics()
        self.registry = Registry(self.metrics)
        self.journal = LanJournal(self.registry, state / LAN_JOURNAL, now=now)
        self.lan = LanTse(self.registry, self.metrics, self.journal, lock_wait=2)

    @property
    def serial(self) -> str:
        return self.tse.serial.hex().upper()

    async def attach(self) -> None:
        await self.registry.reconcile(
            [Attachment("simulator", lambda: BlockDriver.open(lambda: SimulatedTransport(self.tse), name="tse"))]
        )

    async def till(self) -> Till:
        made = Till(self.lan, self.serial)
        await made.lock()
        return made

    async def again(self, till: Till, command: bytes = SIGN) -> bytes:
        """What the till gets that sends its request again, to this process."""
        till.lan = self.lan
        till.reconnect()
        self.lan.check_session(till.serial, till.session)  # as the server does before it reads the command
        return await till.send(command)


class Processes:
    """One after the other, with the same TSE and the same state directory."""

    def __init__(self, tse: SimulatedTse, state: Path) -> None:
        self._tse, self._state = tse, state
        self.started = [Process(tse, state)]

    @property
    def first(self) -> Process:
        return self.started[0]

    def next(self) -> Process:
        self.started.append(Process(self._tse, self._state))
        return self.started[-1]


@pytest.fixture
async def processes(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[Processes]:
    made = Processes(tse, tmp_path)
    await made.first.attach()
    await set_up(made.first.registry.devices()[0].command, tse.serial)
    yield made
    for process in made.started:
        await process.registry.close()


async def test_the_next_process_answers_a_signature(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    reply = await till.send(SIGN)
    next_one = processes.next()
    await next_one.attach()
    for _ in range(2):
        assert await next_one.again(till) == reply
    await next_one.lan.unlock(till.serial, till.session)


async def test_a_finish_is_not_answered_with_the_start_before(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    started = TransactionReply.decode(await till.send(SIGN))
    await till.send(OpenImport(TransactionStep.FINISH, CLIENT, started.transaction_number, 0, b"X").encode())
    next_one = processes.next()
    await next_one.attach()
    with pytest.raises(InvalidSession):
        await next_one.again(till)


async def test_the_signature_of_another_till_with_the_same_client_is_nobody_elses_answer(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    next_one = processes.next()
    await next_one.attach()
    other = await next_one.till()
    await other.send(START)
    await other.send(SIGN)
    with pytest.raises(InvalidSession):
        await next_one.again(till)


async def test_an_answer_is_kept_while_another_till_with_the_same_client_signs(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    reply = await till.send(SIGN)
    next_one = processes.next()
    await next_one.attach()
    other = await next_one.till()
    await other.send(START)
    await other.send(SIGN)
    assert await next_one.again(till) == reply


async def test_what_was_announced_by_the_process_before_is_not_signed_by_the_next(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    next_one = processes.next()
    await next_one.attach()
    other = await next_one.till()
    with pytest.raises(CommandRejected, match="0x1004"):
        await other.send(SIGN)


async def test_the_answer_is_waited_for_until_the_tse_is_there_and_has_passed_its_self_test(
    processes: Processes, tse: SimulatedTse
) -> None:
    till = await processes.first.till()
    await till.send(START)
    reply = await till.send(SIGN)
    tse.power_cycle()
    next_one = processes.next()
    waiting = asyncio.create_task(next_one.again(till))
    await asyncio.sleep(0)
    await next_one.attach()
    device = next_one.registry.devices()[0]
    await device.command(SelfTest(CLIENT).encode())
    assert await waiting == reply


async def test_who_holds_the_lock_does_not_hold_up_an_answer_that_it_has_brought(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    reply = await till.send(SIGN)
    next_one = processes.next()
    await next_one.attach()
    other = await next_one.till()
    waiting = asyncio.create_task(next_one.again(till))
    await asyncio.sleep(0)
    await other.send(START)
    assert await waiting == reply  # the other till still has its lock


async def test_a_tse_that_stays_away_is_no_word_on_the_signature(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    await till.send(SIGN)
    next_one = processes.next()
    next_one.lan = LanTse(next_one.registry, next_one.metrics, next_one.journal, lock_wait=0.05)
    with pytest.raises(DeviceGone, match="ask again"):
        await next_one.again(till)


class Failing:
    """A device that fails whenever it is asked."""

    def __init__(self, serial: str) -> None:
        self.serial = serial

    async def command(self, command: bytes) -> bytes:
        raise DeviceTimeout(said("no answer"))


async def test_a_tse_that_fails_whenever_it_is_asked_is_asked_five_times(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    await till.send(SIGN)
    next_one, lease = processes.next(), Lease(1, till.connection, 0, 0)
    failing = cast("Device", Failing(till.serial))
    for _ in range(4):
        with pytest.raises(DeviceTimeout):
            await next_one.journal.settle(failing, lease)
    await next_one.journal.settle(failing, lease)
    with pytest.raises(InvalidSession, match="tells of no signature"):
        await next_one.again(till)


async def test_other_requests_of_an_ended_session_are_refused(processes: Processes) -> None:
    till = await processes.first.till()
    await till.send(START)
    await till.send(SIGN)
    next_one = processes.next()
    await next_one.attach()
    with pytest.raises(InvalidSession):
        await next_one.again(till, START)


async def test_notes_are_dropped_when_no_till_waits_any_more(
    processes: Processes, tse: SimulatedTse, tmp_path: Path
) -> None:
    till = await processes.first.till()
    await till.send(START)
    await till.send(SIGN)
    assert Process(tse, tmp_path, now=lambda: NOW + 600.0).journal.knows(till.serial, till.session)
    assert not Process(tse, tmp_path, now=lambda: NOW + 601.0).journal.knows(till.serial, till.session)


async def test_only_the_last_note_of_each_tse_is_kept(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lan_journal, "_MOST_LINES", 2)
    till = await processes.first.till()
    for _ in range(3):
        await till.send(START)
        await till.send(SIGN)
    assert len((tmp_path / LAN_JOURNAL).read_text().splitlines()) == 1


async def test_a_disk_that_takes_no_notes_keeps_no_till_from_signing(
    processes: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = processes.first
    (tmp_path / LAN_JOURNAL).unlink()
    (tmp_path / LAN_JOURNAL).symlink_to("/dev/full")
    till = await first.till()
    for _ in range(2):
        await till.send(START)
        TransactionReply.decode(await till.send(SIGN))
    assert caplog.text.count("are not noted") == 1
