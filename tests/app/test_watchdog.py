"""A gateway that hangs ends by itself, and systemd hears of one that does not."""

import asyncio
import json
import os
import select
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gateway.app.systemd import Systemd
from gateway.app.watchdog import STOOD_STILL, watching
from tests.process import Process, gateway

# The signal handler runs in the thread of the event loop, and does not return.
_HANGS = """
import logging, os, signal, time
from gateway.cli import main

def hang_in_a_call(*_):
    time.sleep(3600)

def hang_in_the_log(*_):
    while True:
        logging.error("x")

signal.signal(signal.SIGUSR1, hang_in_a_call)
signal.signal(signal.SIGUSR2, hang_in_the_log)
main()
"""


@asynccontextmanager
async def _gateway_that_can_hang(tmp_path: Path) -> AsyncIterator[Process]:
    program = ("-c", _HANGS)
    async with gateway(tmp_path, "--simulator", "1", program=program, GATEWAY_HANG_TIMEOUT="1") as running:
        await running.until_it_serves()
        await (await running.client()).close()  # it is past its log line
        yield running


async def test_a_gateway_whose_event_loop_stands_still_ends_and_tells_where(tmp_path: Path) -> None:
    async with _gateway_that_can_hang(tmp_path) as running:
        assert await running.stop(signal.SIGUSR1) == STOOD_STILL
    told = json.loads(running.log.splitlines()[-1])
    assert (told["event"], told["level"]) == ("stood_still", "ERROR")
    assert "stood still for 1 s" in told["message"]
    assert "<string>:6 hang_in_a_call, " in told["message"]


async def test_it_ends_also_if_what_stands_still_is_the_log(tmp_path: Path) -> None:
    async with _gateway_that_can_hang(tmp_path) as running:
        end = os.pidfd_open(running.process.pid)
        running.process.send_signal(signal.SIGUSR2)
        ended, _, _ = await asyncio.to_thread(select.select, [end], [], [], 40)  # and nobody reads its log
        os.close(end)
        assert ended
        assert await running.ended() == 1


async def test_an_event_loop_that_has_turns_is_left_alone() -> None:
    turns = 0
    async with watching(1), asyncio.timeout(40):
        while turns < 20:  # each shorter than what counts as standing still, all together longer
            turns += 1
            await asyncio.sleep(0.1)


@contextmanager
def _systemd(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.setblocking(False)
        yield listening


async def test_systemd_is_told_that_it_serves_that_it_is_alive_and_that_it_stops(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with _systemd(name) as systemd:
        async with (
            gateway(tmp_path / "state", "--simulator", "1", NOTIFY_SOCKET=name, WATCHDOG_USEC="200000") as running,
            asyncio.timeout(40),
        ):
            told = [await _heard(systemd)]
            while told.count("WATCHDOG=1") < 3 or "READY=1" not in told:
                told.append(await _heard(systemd))
            running.process.send_signal(signal.SIGTERM)
            while told[-1] != "STOPPING=1":
                told.append(await _heard(systemd))
            assert await running.ended() == 0
    assert set(told) == {"READY=1", "WATCHDOG=1", "STOPPING=1"}
    assert told.count("READY=1") == 1


async def test_systemd_may_listen_at_an_abstract_address(tmp_path: Path) -> None:
    with _systemd(f"\0{tmp_path}/notify") as systemd:
        Systemd({"NOTIFY_SOCKET": f"@{tmp_path}/notify"}).tell("READY=1")
        assert await _heard(systemd) == "READY=1"


async def _heard(systemd: socket.socket) -> str:
    return (await asyncio.get_running_loop().sock_recv(systemd, 100)).decode()


@pytest.mark.parametrize(
    ("environment", "patience"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_systemds_patience_counts_for_the_process_that_it_names(
    environment: dict[str, str], patience: float | None
) -> None:
    assert Systemd(environment).patience == patience


def test_a_systemd_that_is_gone_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
    assert "systemd could not be told READY=1" in caplog.text
