"""Receipts: what a gateway adds to the time of a TSE that is mounted, or that signs in 250 ms."""

import asyncio
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.driver.usb.block import BlockDriver
from gateway.driver.usb.transport import open_transport
from gateway.simulator.device import SimulatedTse
from gateway.storage.atomic import make_directory
from gateway.tse.info import TseInfo
from gateway.tse.layout import INFO_FILE
from tests.bench import sbtse
from tests.bench.rows import ROUNDS, Row, selected
from tests.bench.served import HERE, BlockingClient, Client, gateway
from tests.bench.standin import STICK
from tests.bench.till import DATA, SIGN, Till
from tests.simulator.host import Host
from tests.support import receipt, set_up

_AT_ONCE = 10  # receipts of one kind
Samples = defaultdict[str, list[float]]


# ---- receipts of a mounted TSE ------------------------------------------------


async def receipts(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Receipts of TSEs that are mounted by FUSE, some of each in turn: what a gateway adds to the TSE's own time."""
    own: list[float] = []
    found: list[Samples] = [defaultdict(list) for _ in checkouts]
    async with AsyncExitStack() as stack:
        others = [sbtse.serving] if sbtse.installed() else []
        count = len(checkouts) + len(others) + 1
        places = [await stack.enter_async_context(_mounted(scratch, number)) for number in range(count)]
        driver = await BlockDriver.open(lambda: open_transport(places[-1]), name="tse")
        stack.push_async_callback(driver.close)
        tills = [
            await stack.enter_async_context(_till(checkout, scratch / f"r{number}", places[number]))
            for number, checkout in enumerate(checkouts)
        ]
        elsewhere = [await stack.enter_async_context(it(places[-2], scratch)) for it in others]
        through_sbtse: list[float] = []
        for _ in range(3 * ROUNDS):
            through_sbtse += [_time(it.sign) for it in elsewhere for _ in range(_AT_ONCE)]
            own += [await _timed(receipt(driver.send_command, driver, data=DATA)) for _ in range(_AT_ONCE)]
            for samples, till in zip(found, tills, strict=True):
                till(samples)
    base = statistics.median(own)
    rows = [
        Row("receipt of the mounted TSE itself", "ms", [own] * len(found)),
        Row("its p99 / p50", "", [[_p99(own) / base]] * len(found)),
    ]
    if through_sbtse:
        added = [statistics.median(through_sbtse) - base]
        rows.append(Row("added, `sbtse serve` (plain HTTP)", "ms", [added] * len(found)))
    limits = {"sign": "1.5", "sign with a key": "2.0 and fsyncs", "LAN": "2.5"}
    for kind, limit in limits.items():
        medians = [[statistics.median(it[kind]) - base] for it in found]
        rows += [
            Row(f"CPU of the gateway, {kind}", "ms", [[statistics.mean(it["CPU, " + kind])] for it in found]),
            Row(f"added, {kind}", "ms", medians, limit),
            Row(f"p99 / p50, {kind}", "", [[_p99(it[kind]) / statistics.median(it[kind])] for it in found], "2"),
        ]
    return rows


def _p99(samples: list[float]) -> float:
    return sorted(samples)[int(0.99 * len(samples))]


@asynccontextmanager
async def _mounted(scratch: Path, number: int) -> AsyncIterator[Path]:
    """A mounted TSE that is set up."""
    tse, place = scratch / f"tse-{number}", scratch / f"mnt-{number}"
    make_directory(place)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "simulator", "mount", str(place), "--tse", str(tse)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    try:
        async with asyncio.timeout(30):
            while not (place / INFO_FILE).exists():  # noqa: ASYNC110 (FUSE tells nobody)
                await asyncio.sleep(0.05)
        driver = await BlockDriver.open(lambda: open_transport(place), name="tse")
        info = TseInfo.decode(await driver.read_info())
        await set_up(driver.send_command, info.serial, now=int(time.time()))
        await driver.close()
        yield place
    finally:
        process.terminate()
        await process.wait()


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return 1000 * (time.perf_counter() - began)


def _time(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


@asynccontextmanager
async def _till(checkout: Path, state_dir: Path, place: Path) -> AsyncIterator[Callable[[Samples], None]]:
    """A till of a gateway with the TSE at `place`; called, it makes some receipts of each kind."""
    async with gateway(checkout, state_dir, "plain", GATEWAY_DEVICES=str(place)) as served:
        lan = await selected(served)
        await lan.close()
        client = BlockingClient(served.port, served.token)
        till = Till(client, lan.serial)
        kinds = {"sign": till.sign, "sign with a key": till.sign_with_key, "LAN": till.sell}

        def sold(samples: Samples) -> None:
            for kind, ask in kinds.items():
                ask()
                cpu = served.cpu
                samples[kind] += [_time(ask) for _ in range(_AT_ONCE)]
                samples[f"CPU, {kind}"].append(1000 * (served.cpu - cpu) / _AT_ONCE)

        yield sold
        client.close()


# ---- receipts of a stick that takes 250 ms ------------------------------------


async def stick(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Receipts when signing takes 250 ms: what is added to that, and how busy 8 tills keep the TSE."""
    own = _own_stick(scratch / "own")
    found = [await _stick(checkout, scratch / f"s{number}", own) for number, checkout in enumerate(checkouts)]
    return [
        Row("250 ms a signature: receipt of the TSE itself", "ms", [[own]] * len(found)),
        Row("250 ms a signature: added, API", "%", [it[0] for it in found], "1"),
        Row("250 ms a signature: added, LAN", "%", [it[1] for it in found], "1"),
        Row("250 ms a signature: TSE busy, 8 tills", "%", [[it[2]] for it in found], "99"),
    ]


def _own_stick(directory: Path) -> float:
    """Milliseconds of a receipt when it is looked all the time whether the TSE is done."""
    tse = SimulatedTse.create(directory, profile=STICK)
    host = Host(tse, wait=partial(time.sleep, 0.0001))
    host.set_up()
    host.start_day()
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        host.receipt(DATA)
        seconds.append(time.perf_counter() - began)
    tse.close()
    return 1000 * statistics.median(seconds)


async def _stick(checkout: Path, state_dir: Path, own: float) -> tuple[list[float], list[float], float]:
    arguments = ("--simulator", "1")
    async with gateway(checkout, state_dir, "stick", *arguments, GATEWAY_SIMULATOR_PROFILE="hardware") as served:
        lan = await selected(served)
        async with lan.locked():
            await set_up(lan.send_command, bytes.fromhex(lan.serial), now=int(time.time()))
        await lan.close()
        client = BlockingClient(served.port, served.token)
        till = Till(client, lan.serial)
        till.sign()
        api = [_time(till.sign) for _ in range(6)]
        over_lan = [_time(till.sell) for _ in range(6)]
        client.close()
        async with AsyncExitStack() as stack:
            tills = [await stack.enter_async_context(Client(served)) for _ in range(8)]
            all_of_them = await _timed(asyncio.gather(*(_sign_twice(it, lan.serial) for it in tills)))
    added = [[100 * (ms / own - 1) for ms in samples] for samples in (api, over_lan)]
    return added[0], added[1], 100 * 16 * own / all_of_them


async def _sign_twice(api: Client, serial: str) -> None:
    for _ in range(2):
        await api.ask("POST", f"/api/v1/tses/{serial}/sign", SIGN)


# ---- receipts beside a thread that computes --------------------------------------


async def computing(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Receipts while another thread of the gateway computes, as when it checks an archive, and while none does."""
    found = {mode: [await _beside(mode, it, scratch) for it in checkouts] for mode in ("plain", "computing")}
    return [
        Row("receipt over LAN, simulated TSE", "ms", found["plain"]),
        Row("the same while a thread computes", "ms", found["computing"]),
    ]


async def _beside(mode: str, checkout: Path, scratch: Path) -> list[float]:
    async with gateway(checkout, scratch / f"{mode}-{checkout.name}", mode, "--simulator", "1") as served:
        lan = await selected(served)
        async with lan.locked():
            await set_up(lan.send_command, bytes.fromhex(lan.serial), now=int(time.time()))
        await lan.close()
        client = BlockingClient(served.port, served.token)
        till = Till(client, lan.serial)
        till.sell()
        samples = [_time(till.sell) for _ in range(2 * _AT_ONCE)]
        client.close()
    return samples
