"""A TSE of a gateway as a drive: recorded programs, sharing with others, and what happens when something goes wrong."""

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from gateway.client.drive import RemoteTse
from gateway.driver.lan.driver import LockTimes
from gateway.driver.usb.block import BlockDriver
from gateway.driver.usb.block_devices import Roots, candidates
from gateway.errors import CommandRejected, DeviceError, DeviceGone
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.simulator.profiles import Profile
from gateway.tse.commands import CloseImport, FlashHealth, OpenImport, TransactionReply, TransactionStep
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.results import ApiError
from gateway.tse.sectors import SECTOR, Response, WindowState, encode_command
from tests.client.drives import breathe, by_shape, drive, driver_of, through
from tests.driver.lan.upstreams import TOKEN, Relay, Served, gateway_over
from tests.history.checker import demand_explained
from tests.history.events import Action, History, Signature, Step
from tests.history.recorder import RecordedLan, unique
from tests.lan_client import LanClient
from tests.needs import FUSE
from tests.simulator.host import Host
from tests.simulator.test_generation_2 import Host2, replay_life
from tests.simulator.test_recorded import replay_days
from tests.support import CLIENT, export, receipt, set_up, set_up_generation_2, step

HEALTH = FlashHealth().encode()
START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
SIGN = CloseImport().encode()


@pytest.fixture
async def served(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway whose TSE is set up."""
    async with gateway_over(tse, tmp_path / "gateway") as running:
        await set_up(running.registry.devices()[0].command, tse.serial, CLIENT, *(b"POS-%d" % n for n in range(2, 5)))
        yield running


@pytest.fixture
async def remote(served: Served, tse: SimulatedTse) -> AsyncIterator[RemoteTse]:
    made = await RemoteTse.reached(served.upstream(), tse.serial.hex())
    yield made
    await made.close()


@pytest.fixture
async def other(served: Served) -> AsyncIterator[LanClient]:
    client = LanClient(served.port, TOKEN)
    await client.select()
    yield client
    await client.close()


async def answer(remote: RemoteTse, command: bytes) -> tuple[int, bytes]:
    """Result and data of a command, as a program gets them."""
    return await asyncio.to_thread(Host(by_shape(remote), breathe).exchange, command)


# ---- recorded programs ----------------------------------------------------------


@FUSE
async def test_what_the_vendors_library_was_recorded_to_send_gives_the_recorded_results(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    async with (
        gateway_over(tse, tmp_path / "gateway") as served,
        drive(served.upstream(), tse, tmp_path / "drive") as place,
        through(place, tse) as files,
    ):
        await asyncio.to_thread(replay_days, Host(files, breathe))


@FUSE
async def test_so_it_does_with_a_tse_of_generation_2(tmp_path: Path) -> None:
    tse = SimulatedTse.create(tmp_path / "tse", Make(generation=Generation.TWO), durable=False)
    async with gateway_over(tse, tmp_path / "gateway") as served:
        await set_up_generation_2(served.registry.devices()[0].command, tse.serial)
        async with drive(served.upstream(), tse, tmp_path / "drive") as place, through(place, tse) as files:
            await asyncio.to_thread(replay_life, Host2(files, breathe))
    tse.close()


# ---- with others ----------------------------------------------------------------


class Seller:
    """Signs receipts and writes down what it was told, and how long the longest took."""

    def __init__(self, client_id: bytes, history: History) -> None:
        self.client_id, self.history = client_id, history
        self.longest = 0.0

    async def sell(self, receipts: int) -> None:
        for _ in range(receipts):
            began = time.monotonic()
            number = await self.sign(TransactionStep.START, 0, b"")
            await self.sign(TransactionStep.FINISH, number, b"Beleg^1.00")
            self.longest = max(self.longest, time.monotonic() - began)

    async def sign(self, event: TransactionStep, number: int, data: bytes) -> int:
        raise NotImplementedError


class LanSeller(Seller):
    def __init__(self, client_id: bytes, history: History, served: Served, serial: str) -> None:
        super().__init__(client_id, history)
        self.lan = RecordedLan(served.port, TOKEN, serial, history=history)

    async def sign(self, event: TransactionStep, number: int, data: bytes) -> int:
        async with self.lan.locked():
            return (await self.lan.sign(event, self.client_id, number, data, b"Kassenbeleg-V1")).transaction_number


class DriveSeller(Seller):
    def __init__(self, client_id: bytes, history: History, driver: BlockDriver) -> None:
        super().__init__(client_id, history)
        self.driver = driver

    async def sign(self, event: TransactionStep, number: int, data: bytes) -> int:
        action, kind = Action(event.name.lower()), b"Kassenbeleg-V1"
        asked = Step(unique(self.client_id, action), action, self.client_id, number, kind, data)
        with self.history.asking(asked, refused) as told:
            signed = await step(self.driver.send_command, self.driver, event, self.client_id, number, data, kind)
            told(Signature.of(signed))
        return signed.transaction_number


def refused(error: Exception) -> bool:
    """Is this error the word of the TSE that it has not signed? Smaller numbers are the gateway's."""
    return isinstance(error, CommandRejected) and error.result >= 0x1000


@FUSE
async def test_two_drives_and_two_tills_in_the_network_share_a_tse_and_nobody_starves(
    served: Served, tse: SimulatedTse, tmp_path: Path
) -> None:
    history, serial = History(), tse.serial.hex().upper()
    async with AsyncExitStack() as stack:
        sellers: list[Seller] = [
            LanSeller(b"POS-3", history, served, serial),
            LanSeller(b"POS-4", history, served, serial),
        ]
        for client in (b"POS-1", b"POS-2"):
            at = drive(served.upstream(), tse, tmp_path / client.decode())
            driver = await stack.enter_async_context(driver_of(await stack.enter_async_context(at)))
            sellers.append(DriveSeller(client, history, driver))
        async with asyncio.timeout(60), asyncio.TaskGroup() as selling:
            for seller in sellers:
                selling.create_task(seller.sell(5))
    for seller in sellers:
        if isinstance(seller, LanSeller):
            await seller.lan.close()
        assert seller.longest < 15
    assert demand_explained(history, await export(served.registry.devices()[0])).answered == 40


async def test_what_others_sign_during_an_export_does_not_spoil_its_end(
    remote: RemoteTse, served: Served, tse: SimulatedTse
) -> None:
    length = TseInfo.decode(await asyncio.to_thread(remote.read_info)).used_blocks
    device = served.registry.devices()[0]
    await receipt(device.command, device)
    read = await asyncio.to_thread(remote.read_store, 0, length + 2)
    assert read == tse.read_store(0, length) + bytes(2 * SECTOR)
    await asyncio.to_thread(remote.read_info)
    assert await asyncio.to_thread(remote.read_store, 0, length + 2) == tse.read_store(0, length + 2)


async def test_a_second_command_is_refused_while_one_is_carried_out(remote: RemoteTse, tse: SimulatedTse) -> None:
    tse._profile = Profile("slow", seconds={FlashHealth: 0.3})
    command = encode_command(HEALTH)
    await asyncio.to_thread(remote.write_window, command)
    with pytest.raises(OSError, match="another command") as refused:
        await asyncio.to_thread(remote.write_window, command)
    assert refused.value.errno == errno.EBUSY
    await remote.close()
    assert Response.decode(remote.read_window()).counter == 1


@FUSE
async def test_a_gateway_of_the_same_machine_takes_it_for_a_tse_only_if_it_is_named(
    served: Served, tse: SimulatedTse, tmp_path: Path
) -> None:
    roots = Roots(tmp_path / "sys", tmp_path / "dev")  # with the real table of mounts
    async with drive(served.upstream(), tse, tmp_path / "drive") as place:
        assert place not in {candidate.path for candidate in candidates(roots)}
        assert place in {candidate.path for candidate in candidates(roots, [place])}


# ---- when something goes wrong --------------------------------------------------


async def test_a_lock_that_others_hold_too_long_is_the_result_of_the_command(tse: SimulatedTse, tmp_path: Path) -> None:
    async with gateway_over(tse, tmp_path / "gateway", lock_wait=0.2) as served:
        remote = await RemoteTse.reached(served.upstream(), tse.serial.hex(), LockTimes(after_info=0.0))
        till = LanClient(served.port, TOKEN)
        await till.select()
        async with till.locked():
            assert await answer(remote, HEALTH) == (ApiError.TIMEOUT, b"")
        assert (await answer(remote, HEALTH))[0] == 0
        await till.close()
        await remote.close()


async def test_a_tse_that_is_away_is_an_error_until_it_is_back(
    remote: RemoteTse, served: Served, tse: SimulatedTse
) -> None:
    tse.faults.set("unplugged")
    assert (await answer(remote, HEALTH))[0] == ApiError.IO
    with pytest.raises(DeviceError):
        await asyncio.to_thread(remote.read_info)
    tse.faults.clear()
    async with asyncio.timeout(20):
        while (await answer(remote, HEALTH))[0]:
            await served.registry.changed.wait()


async def test_a_gateway_that_was_started_anew_serves_the_drive_again(tse: SimulatedTse, tmp_path: Path) -> None:
    start = partial(gateway_over, tse, tmp_path / "gateway")
    async with start() as first:
        await set_up(first.registry.devices()[0].command, tse.serial)
        remote = await RemoteTse.reached(first.upstream(), tse.serial.hex())
        assert (await answer(remote, START))[0] == 0
    with pytest.raises(DeviceGone, match="cannot be reached"):
        await asyncio.to_thread(remote.read_info)
    counter = TseInfo.decode(tse.read_info()).created_signatures
    signing = asyncio.create_task(answer(remote, SIGN))
    async with start(port=first.port):
        assert (await signing)[0] in {ApiError.IO, 0x1004}
        assert (await answer(remote, START))[0] == 0
        signed = TransactionReply.decode((await answer(remote, SIGN))[1])
        assert TseInfo.decode(tse.read_info()).created_signatures == signed.signature_counter == counter + 1
        await remote.close()


async def test_a_gateway_that_does_not_answer_is_not_waited_for_for_ever(served: Served, tse: SimulatedTse) -> None:
    relay = Relay(served.port)
    async with relay.listening() as port:
        remote = await RemoteTse.reached(served.upstream(port), tse.serial.hex(), LockTimes(after_info=0.0))
        assert remote._driver is not None
        remote._driver._lock_times = LockTimes(wait=0.2, after_info=0.0, unlock=0.2)
        relay.deaf = True
        relay.cut()
        assert await answer(remote, HEALTH) == (ApiError.TIMEOUT, b"")
        relay.deaf = False
        assert (await answer(remote, HEALTH))[0] == 0
        await remote.close()


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_signature_that_the_network_cut_off_is_made_once_and_told_if_it_was_made(
    served: Served, tse: SimulatedTse, lost: str
) -> None:
    relay = Relay(served.port)
    async with relay.listening() as port:
        remote = await RemoteTse.reached(served.upstream(port), tse.serial.hex())
        before = TseInfo.decode(tse.read_info()).created_signatures
        assert (await answer(remote, START))[0] == 0
        relay.cut_at = lost
        result, data = await answer(remote, SIGN)
        after = TseInfo.decode(tse.read_info()).created_signatures
        if lost == "answer":
            assert TransactionReply.decode(data).signature_counter == after == before + 1
        else:
            assert (result, after) == (ApiError.IO, before)
        await remote.close()


async def test_at_its_end_a_command_is_finished_and_the_lock_given_back(
    remote: RemoteTse, served: Served, tse: SimulatedTse, other: LanClient
) -> None:
    tse._profile = Profile("slow", seconds={CloseImport: 0.3})
    assert (await answer(remote, START))[0] == 0
    await asyncio.to_thread(remote.write_window, encode_command(SIGN))
    await remote.close()
    assert Response.decode(remote.read_window()).state is WindowState.DONE
    async with asyncio.timeout(5), other.locked():
        pass
    with pytest.raises(DeviceGone, match="closed"):
        await asyncio.to_thread(remote.read_info)
