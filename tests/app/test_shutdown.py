"""The gateway stops while tills are at work: what was begun is finished, and a till notices one error at most."""

import asyncio
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from gateway.simulator.faults import set_fault
from gateway.tse.commands import (
    CloseImport,
    ImportOpened,
    Login,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from tests.lan_client import BASE, LanClient, LanError
from tests.process import Process, gateway
from tests.support import CLIENT, TIME_ADMIN_PIN, set_up

_DRAINS = re.compile("lends no TSE any more")
_BUSY = 4  # what a till is told that cannot have the lock
_DATA = b"Beleg^1.00".ljust(512, b"\0")


async def _ready(running: Process) -> LanClient:
    await running.until_it_serves()
    till = await running.client()
    async with till.locked():
        await set_up(till.send_command, bytes.fromhex(till.serial), now=int(time.time()))
    return till


async def _sell(till: LanClient) -> TransactionReply:
    async with till.locked():
        return await till.sign(TransactionStep.START, CLIENT, 0, b"", b"")


async def _care(till: LanClient) -> None:
    """What a POS does when it opens: a restart of the simulator is a power cycle."""
    async with till.locked():
        await till.send_command(SelfTest(CLIENT).encode())
        await till.send_command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
        await till.send_command(SetTime(int(time.time())).encode())


async def _queued(till: LanClient, count: int) -> None:
    """Until so many tills wait for the lock that `till` holds."""
    while (await till.request("GET", "/api/v1/tses"))[0]["waiting_clients"] != count:
        await till.read_info()


async def _holding(till: LanClient) -> None:
    """Take the lock, and keep it."""
    till.session = (await till.request("GET", f"{BASE}/tse/{till.serial}/lock"))["data"]


async def test_tills_in_the_middle_and_in_the_queue_finish_and_later_ones_notice_one_error(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1") as running:
        holder = await _ready(running)
        waiting, late = await running.client(), await running.client()
        async with holder.locked():
            started = await holder.sign(TransactionStep.START, CLIENT, 0, b"", b"")
            queued = asyncio.create_task(_sell(waiting))
            await _queued(holder, 1)
            opening = OpenImport(TransactionStep.FINISH, CLIENT, started.transaction_number, 10, b"Kassenbeleg-V1")
            opened = ImportOpened.decode(await holder.send_command(opening.encode()))
            running.process.send_signal(signal.SIGTERM)
            await running.until(_DRAINS)
            refused = asyncio.create_task(_sell(late))
            await _queued(holder, 2)
            await holder.write_store(opened.block, _DATA)
            finished = TransactionReply.decode(await holder.send_command(CloseImport().encode()))
        assert (await queued).signature_counter == finished.signature_counter + 1
        with pytest.raises(LanError) as told:
            await refused
        assert told.value.number == _BUSY
        assert await running.ended() == 0
        for till in (holder, waiting, late):
            await till.close()
    async with gateway(tmp_path, "--simulator", "1", GATEWAY_PORT=str(running.port)) as again:
        await again.until_it_serves()
        await _care(late)
        assert (await _sell(late)).signature_counter > finished.signature_counter + 1
        await late.close()


async def test_a_till_that_never_gives_back_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1", GATEWAY_STOP_TIMEOUT="4") as running:
        await running.until_it_serves()
        till = await running.client()
        await _holding(till)
        assert await running.stop() == 0
        await till.close()
    assert "a TSE was not given back" in running.log
    assert "Traceback" not in running.log


async def test_whoever_asks_twice_is_in_a_hurry(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1", GATEWAY_STOP_TIMEOUT="300") as running:
        await running.until_it_serves()
        till = await running.client()
        await _holding(till)
        running.process.send_signal(signal.SIGINT)
        await running.until(_DRAINS)
        assert await running.stop(signal.SIGINT) == 0
        await till.close()


async def test_a_tse_that_hangs_does_not_keep_the_gateway_from_stopping(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1", GATEWAY_STOP_TIMEOUT="0.4") as running:
        await running.until_it_serves()
        till = await running.client()
        await _holding(till)
        set_fault(tmp_path / "simulator-1", "hung")
        asked = asyncio.create_task(till.read_info())
        assert await running.stop() == 1
        with pytest.raises(LanError):
            await asked
        await till.close()
    assert "did not come to its end" in running.log
    assert "Traceback" not in running.log


async def test_a_process_that_may_start_no_thread_any_more_still_ends(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1", GATEWAY_STOP_TIMEOUT="0.4") as running:
        await running.until_it_serves()
        till = await running.client()
        await _holding(till)
        set_fault(tmp_path / "simulator-1", "hung")
        asked = asyncio.create_task(till.read_info())
        await asyncio.sleep(0)
        resource.prlimit(running.process.pid, resource.RLIMIT_NPROC, (1, 1))
        resource.prlimit(running.process.pid, resource.RLIMIT_AS, (2**20, 2**20))
        assert await running.stop() == 1
        with pytest.raises(LanError):
            await asked
        await till.close()
