"""What is measured: each function takes checkouts, measures them in turn within the same minute, and returns rows."""

import asyncio
import base64
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.tse.sectors import SECTOR
from tests.bench.layers import COMMAND
from tests.bench.served import HERE, Client, Served, bare, gateway
from tests.lan_client import BASE, LanClient
from tests.support import make_ready

ROUNDS = 5
_STORE = 64 << 20  # bytes that are exported


@dataclass(frozen=True)
class Row:
    """One figure of each checkout: the samples of the rounds, `None` where it cannot be measured."""

    what: str
    unit: str
    samples: Sequence[list[float] | None]
    must_be: str = ""

    def cells(self) -> list[str]:
        """For a table: the median and, behind it, the least and the most."""
        return [self.what, self.unit, *map(_cell, self.samples), self.must_be]


def _cell(samples: list[float] | None) -> str:
    if samples is None:
        return "-"
    low, middle, high = (f"{it:.3g}" for it in (min(samples), statistics.median(samples), max(samples)))
    return middle if len(samples) == 1 else f"{middle} ({low} to {high})"


Works = list[Callable[[], Awaitable[object]]]
Measure = Callable[[list[Path], Path], Awaitable[list[Row]]]


# ---- commands of an instant TSE against bare aiohttp --------------------------


async def commands(checkouts: list[Path], scratch: Path) -> list[Row]:
    """sendCommand over TLS, 8 connections to 8 instant TSEs; bare aiohttp in between."""
    async with AsyncExitStack() as stack:
        served = [
            await stack.enter_async_context(gateway(checkout, scratch / f"c{number}", "instant", "--simulator", "8"))
            for number, checkout in enumerate(checkouts)
        ]
        plain = await stack.enter_async_context(bare(served[0]))
        works = [await stack.enter_async_context(holding(it, 8)) for it in served]
        works.append(await stack.enter_async_context(_posting(plain, 8)))
        for it in (*served, plain):
            it.keep_to_one_core()
        # Many short rounds: what others do on this machine changes from second to second.
        rounds = [
            [await busy(it, ask, 0.4) for it, ask in zip([*served, plain], works, strict=True)]
            for _ in range(4 * ROUNDS)
        ]
    cpu = [[each[number][0] for each in rounds] for number in range(len(works))]
    rate = [[each[number][1] for each in rounds] for number in range(len(works))]
    *ours, (bare_cpu, bare_rate) = zip(cpu, rate, strict=True)
    return [
        Row("sendCommand, 8 connections: CPU", "ms", [it[0] for it in ours]),
        Row("sendCommand: rate", "/s", [it[1] for it in ours]),
        Row("bare aiohttp: CPU", "ms", [bare_cpu] * len(ours)),
        Row("bare aiohttp: rate", "/s", [bare_rate] * len(ours)),
        Row("share of the bare rate", "%", [_percent(bare_cpu, it[0]) for it in ours], "50, by CPU"),
        Row("the same by rate", "%", [_percent(it[1], bare_rate) for it in ours]),
    ]


def _percent(one: list[float], other: list[float]) -> list[float]:
    return [100 * a / b for a, b in zip(one, other, strict=True)]


@asynccontextmanager
async def holding(served: Served, most: int) -> AsyncIterator[Works]:
    """Commands under the locks of all TSEs, over one connection each."""
    body = json.dumps({"data": base64.b64encode(COMMAND).decode()}).encode()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(served)) for _ in range(most)]
        paths = []
        for client, serial in zip(clients, json.loads(await clients[0].ask("GET", f"{BASE}/tses")), strict=True):
            session = json.loads(await client.ask("GET", f"{BASE}/tse/{serial}/lock"))["data"]
            paths.append(f"{BASE}/tse/{serial}/{session}/sendCommand")
        yield [partial(client.ask, "POST", path, body) for client, path in zip(clients, paths, strict=True)]


@asynccontextmanager
async def _posting(served: Served, most: int) -> AsyncIterator[Works]:
    body = json.dumps({"data": base64.b64encode(COMMAND).decode()}).encode()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(served)) for _ in range(most)]
        yield [partial(client.ask, "POST", "/command", body) for client in clients]


async def busy(served: Served, asks: Works, seconds: float = 1.5) -> tuple[float, float]:
    """Milliseconds of CPU of the server for each request, and requests a second, while all ask without a pause."""
    done, end = 0, time.perf_counter() + seconds

    async def go_on(ask: Callable[[], Awaitable[object]]) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await ask()
            done += 1

    cpu, began = served.cpu, time.perf_counter()
    await asyncio.gather(*map(go_on, asks))
    return 1000 * (served.cpu - cpu) / done, done / (time.perf_counter() - began)


# ---- layers -------------------------------------------------------------------


async def layers(checkouts: list[Path], _scratch: Path) -> list[Row]:
    """What each layer adds, in microseconds of CPU; only of a checkout that has today's modules."""
    found = [json_of(checkout, "-m", "tests.bench.layers", tests=checkout == HERE) for checkout in checkouts]
    rows = [
        Row(f"one command: {name}", "us", [None if it is None else [it[name]] for it in found])
        for name in ("exchange", "hop", "driver", "device", "lan")
    ]
    ours = [None if it is None else [it["lan"] - it["exchange"] - it["hop"]] for it in found]
    return [*rows, Row("layers without exchange and hop", "us", ours, "150")]


def json_of(checkout: Path, *arguments: str, tests: bool = True) -> dict[str, float] | None:
    if not tests:
        return None
    return {name: float(value) for name, value in json.loads(_run(checkout, *arguments)).items()}


def _run(checkout: Path, *arguments: str) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=checkout, capture_output=True, check=True, timeout=300).stdout


# ---- exports ------------------------------------------------------------------

_FILL = """
import asyncio, pathlib, sys
from tests.large.store import filled
asyncio.run(filled(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
"""


async def selected(served: Served) -> LanClient:
    """A till of the first TSE, as soon as that is open."""
    lan = LanClient(served.port, served.token)
    async with asyncio.timeout(30):
        while not await lan.request("GET", f"{BASE}/tses"):  # noqa: ASYNC110 (the protocol tells nobody)
            await asyncio.sleep(0.1)
    await lan.select()
    return lan


async def exports(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Megabytes for each second of CPU of both exports, and of a stream of bare aiohttp in the same run."""
    over_lan, by_api, plain = [], [], []
    for number, checkout in enumerate(checkouts):
        directory = scratch / f"e{number}" / "simulator-1"
        directory.parent.mkdir(mode=0o700)
        _run(checkout, "-c", _FILL, str(directory), str(_STORE))
        async with gateway(checkout, directory.parent, "plain", "--simulator", "1") as served:
            lan = await selected(served)
            async with lan.locked():
                await make_ready(lan.send_command, now=int(time.time()))
            await lan.close()
            over_lan.append([await _rate(served, _lan_export(served, lan.serial)) for _ in range(3)])
            path = f"/api/v1/tses/{lan.serial}/export"
            by_api.append([await _rate(served, _curl(served, path)) for _ in range(3)])
            async with bare(served) as streaming:
                path = f"/stream?size={_STORE}"
                plain.append([await _rate(streaming, _curl(streaming, path)) for _ in range(3)])
    return [
        Row("LAN export, 128 blocks a request", "MB/s of CPU", list(over_lan), "100"),
        Row("/api/v1 export", "MB/s of CPU", list(by_api), "300 or the stream"),
        Row("a stream of bare aiohttp", "MB/s of CPU", list(plain)),
    ]


async def _rate(served: Served, export: Awaitable[None]) -> float:
    cpu = served.cpu
    await export
    return _STORE / 1e6 / (served.cpu - cpu)


async def _lan_export(served: Served, serial: str) -> None:
    async with Client(served) as client:
        session = json.loads(await client.ask("GET", f"{BASE}/tse/{serial}/lock"))["data"]
        path = f"{BASE}/tse/{serial}/{session}"
        for first in range(0, _STORE // SECTOR, 128):
            await client.ask("GET", f"{path}/readWormStore?offset={first}&numblocks=128")
        await client.ask("GET", f"{path}/unlock")


async def _curl(served: Served, path: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-skf", "-o", "/dev/null", "-H", f"Authorization: Bearer {served.token}"),
        f"https://127.0.0.1:{served.port}{path}",
    )
    assert await process.wait() == 0


# ---- the simulator, memory, starts --------------------------------------------


async def durable(checkouts: list[Path], scratch: Path) -> list[Row]:
    """A receipt of a durable simulated TSE on the disk of this directory."""
    script = str(Path(__file__).with_name("durable.py"))
    found: list[list[dict[str, float]]] = [[] for _ in checkouts]
    for turn in range(3):
        for number, checkout in enumerate(checkouts):
            told = json_of(checkout, "-P", script, str(scratch / f"d{number}-{turn}"))
            assert told is not None
            found[number].append(told)
    return [
        Row("durable simulated receipt", "ms", [[1000 * it["seconds"] for it in each] for each in found]),
        Row("its syncs (2 signatures)", "", [[it["syncs"] for it in each] for each in found], "2"),
    ]


async def memory(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Memory and start with 16 TSEs; memory of connections that say nothing more."""
    found = [await _memory(checkout, scratch / f"m{number}") for number, checkout in enumerate(checkouts)]
    names = {
        "start to serving, 16 TSEs": ("s", "0.8"),
        "CPU of that start": ("s", ""),
        "RSS, 16 TSEs, fresh": ("MB", "64"),
        "RSS under load": ("MB", "72"),
        "a silent connection": ("KiB", "48"),
    }
    return [Row(name, unit, [it[name] for it in found], limit) for name, (unit, limit) in names.items()]


async def _memory(checkout: Path, state_dir: Path) -> dict[str, list[float]]:
    async with gateway(checkout, state_dir, "instant", "--simulator", "16"):
        pass  # makes the TSEs
    starts, cpu = [], []
    for _ in range(3):
        async with gateway(checkout, state_dir, "instant", "--simulator", "16") as served:
            starts.append(served.started)
            cpu.append(served.cpu)
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(gateway(checkout, state_dir, "instant", "--simulator", "16"))
        await asyncio.sleep(2)
        fresh = served.memory
        async with holding(served, 16) as works:
            await busy(served, works, 3.0)
            loaded = served.memory
        for _ in range(200):
            client = await stack.enter_async_context(Client(served))
            await client.ask("GET", f"{BASE}/tses")
        silent = (served.memory - loaded) / 200
    return {
        "start to serving, 16 TSEs": starts,
        "CPU of that start": cpu,
        "RSS, 16 TSEs, fresh": [fresh / 1e6],
        "RSS under load": [loaded / 1e6],
        "a silent connection": [silent / 1024],
    }


async def version(checkouts: list[Path], _scratch: Path) -> list[Row]:
    """The CLI's `version`: seconds of CPU, and what Python itself takes."""

    def cpu(arguments: Iterable[str], checkout: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _run(checkout, *arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    samples = [
        [(cpu(("-m", "gateway", "version"), it), cpu(("-c", ""), it)) for it in checkouts] for _ in range(ROUNDS)
    ]
    ours = [[each[number][0] for each in samples] for number in range(len(checkouts))]
    python = [[each[number][1] for each in samples] for number in range(len(checkouts))]
    return [Row("`version`: CPU", "s", list(ours), "0.15"), Row("Python without a program", "s", list(python))]


ROWS: dict[str, Measure] = {
    "commands": commands,
    "layers": layers,
    "exports": exports,
    "durable": durable,
    "memory": memory,
    "version": version,
}
