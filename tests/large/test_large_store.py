"""Full exports of a large store by both protocols: bounded memory, the right bytes, and tills that sell meanwhile.

LARGE_STORE_MIB=2048 makes it the long run (5 GB of disk, some minutes): the figures are printed.
    LARGE_STORE_MIB=2048 python -m pytest tests/large -s --timeout 3600
"""

import asyncio
import hashlib
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from gateway.tse.layout import store_file
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END
from tests.large.store import filled
from tests.process import Process, gateway
from tests.support import TIME_ADMIN_PIN

MIB = int(os.environ.get("LARGE_STORE_MIB", "8"))
PROTOCOLS = os.environ.get("LARGE_STORE_PROTOCOLS", "api,lan").split(",")
MOST_MEMORY = 120_000  # kB
MOST_DELAY = 5000  # ms; a sale takes a tenth of a second, and this machine may be busy
PAUSE = 0.02  # seconds between two sales
SALE = {"client_id": "POS-1", "process_type": "SonstigerVorgang", "process_data": "one coffee"}


@dataclass
class Till:
    """Sells until it is told to stop; how long each sale took."""

    running: Process
    serial: str
    session: aiohttp.ClientSession
    seconds: list[float] = field(default_factory=list)

    async def post(self, verb: str, body: dict[str, object]) -> None:
        url = f"https://127.0.0.1:{self.running.port}/api/v1/tses/{self.serial}/{verb}"
        async with self.session.post(url, json=body, ssl=False) as answer:
            assert answer.status == 200, await answer.text()

    async def sell(self, count: int | None = None) -> None:
        while count is None or len(self.seconds) < count:
            began = time.perf_counter()
            await self.post("sign", dict(SALE))
            self.seconds.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)


async def test_exports_of_a_large_store_take_little_memory_and_no_till_waits_for_them(tmp_path: Path) -> None:
    directory = tmp_path / "simulator-1"
    serial = await filled(directory, MIB << 20)
    async with gateway(tmp_path, "--simulator", "1") as running:
        await running.until_it_serves()
        headers = {"Authorization": f"Bearer {running.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            till = Till(running, serial, session)
            await till.post("self-test", {"client_id": "POS-1"})
            await till.post("time", {"pin": TIME_ADMIN_PIN.decode(), "trust_system_clock": True})
            report: dict[str, object] = {"MiB": MIB, "before_kB": _peak(running), "alone": await _alone(till)}
            for name in PROTOCOLS:
                told = await _while_selling(till, directory, _COMMANDS[name](running, serial))
                report[name] = {**told, "peak_kB": _peak(running)}
        print(json.dumps(report))
        assert _peak(running) < MOST_MEMORY


async def _alone(till: Till) -> dict[str, object]:
    await till.sell(20)
    return _told(till)


async def _while_selling(till: Till, directory: Path, command: list[str]) -> dict[str, object]:
    """Export by a process of its own, sell meanwhile, and compare what came with what is stored."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    selling = asyncio.create_task(till.sell())
    out, _ = await process.communicate()
    seconds = time.perf_counter() - began
    selling.cancel()
    await asyncio.gather(selling, return_exceptions=True)
    assert process.returncode == 0
    size, digest = out.decode().split()
    assert digest == await asyncio.to_thread(_digest, directory, int(size))
    told = _told(till)
    assert told["sales"], "nobody could sell while the export ran"
    assert float(str(told["longest_ms"])) < MOST_DELAY, "somebody waited for the export"
    return {"bytes": int(size), "seconds": round(seconds, 1), **told}


def _told(till: Till) -> dict[str, object]:
    seconds, till.seconds = till.seconds, []
    milliseconds = sorted(round(1000 * each, 1) for each in seconds)
    if not milliseconds:
        return {"sales": 0}
    return {"sales": len(seconds), "median_ms": statistics.median(milliseconds), "longest_ms": milliseconds[-1]}


def _by_api(running: Process, serial: str) -> list[str]:
    return [sys.executable, "-m", "tests.large.api_export", str(running.port), running.token, serial]


def _by_lan(running: Process, _: str) -> list[str]:
    return [sys.executable, "-m", "tests.large.lan_export", str(running.port), running.token]


_COMMANDS = {"api": _by_api, "lan": _by_lan}


def _digest(directory: Path, size: int) -> str:
    """Of the store as long as it was when the export began, with its end mark."""
    digest, left = hashlib.sha256(), size - len(END)
    assert left % SECTOR == 0
    for number in range(1, 10):
        with (directory / store_file(number)).open("rb") as file:
            while left and (piece := file.read(min(left, 1 << 20))):
                digest.update(piece)
                left -= len(piece)
        if not left:
            break
    digest.update(END)
    return digest.hexdigest()


def _peak(running: Process) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
