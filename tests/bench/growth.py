"""How cost and memory grow: with connections, with TSEs, with messages in the store of a TSE."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.driver.usb.block import BlockDriver
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.factory import Make
from gateway.storage.atomic import make_directory
from gateway.tse.layout import STORE_FILE_BLOCKS, store_file
from gateway.tse.sectors import SECTOR
from tests.bench.rows import Row, Works, busy, holding, json_of, selected
from tests.bench.served import HERE, BlockingClient, Client, Served, gateway
from tests.bench.standin import MOST
from tests.bench.till import DATA, Till
from tests.lan_client import BASE
from tests.large.store import signed_receipt
from tests.support import make_ready, set_up

_CONNECTIONS = (1, 10, 100, 1000)
_TSES = (1, 4, 16, 64)
_MESSAGES = (10_000, 1_000_000, 10_000_000)
_REAL, _BLOCKS = 1000, 3  # the newest messages, which are read, and the length of one
_ROUNDS = 3


async def connections(checkouts: list[Path], scratch: Path) -> list[Row]:
    """The list of TSEs, asked for in turn over more and more kept connections."""
    rows = []
    async with AsyncExitStack() as stack:
        served = [
            await stack.enter_async_context(gateway(checkout, scratch / f"g{number}", "instant", "--simulator", "1"))
            for number, checkout in enumerate(checkouts)
        ]
        for many in _CONNECTIONS:
            cpu, memory = [], []
            for it in served:
                it.keep_to_one_core()
                async with _kept(it, many) as clients:
                    asks: Works = [partial(client.ask, "GET", f"{BASE}/tses") for client in clients]
                    cpu.append([(await busy(it, asks, 1.0))[0] for _ in range(_ROUNDS)])
                    memory.append([it.memory / 1e6])
            rows += [
                Row(f"{many} connections: CPU of a request", "ms", list(cpu)),
                Row(f"{many} connections: RSS", "MB", list(memory)),
            ]
    return rows


@asynccontextmanager
async def _kept(served: Served, many: int) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(many):
            clients.append(await stack.enter_async_context(Client(served)))
            await clients[-1].ask("GET", f"{BASE}/tses")
        yield clients
    await asyncio.sleep(0.5)  # the server closes them


async def tses(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Commands to more and more instant TSEs, one connection to each."""
    rows = []
    for many in _TSES:
        cpu: list[list[float] | None] = []
        memory: list[list[float] | None] = []
        for number, checkout in enumerate(checkouts):
            if many > MOST and checkout != HERE:
                cpu.append(None)
                memory.append(None)
                continue
            state_dir = scratch / f"t{number}-{many}"
            async with (
                gateway(checkout, state_dir, "instant", GATEWAY_SIMULATORS=str(many)) as served,
                holding(served, many) as works,
            ):
                served.keep_to_one_core()
                cpu.append([(await busy(served, works, 1.0))[0] for _ in range(_ROUNDS)])
                memory.append([served.memory / 1e6])
        rows += [
            Row(f"{many} TSEs: CPU of a command", "ms", list(cpu)),
            Row(f"{many} TSEs: RSS", "MB", list(memory)),
        ]
    for many in _TSES:
        found = [json_of(it, "-m", "tests.bench.layers", str(many), tests=it == HERE) for it in checkouts]
        below = [None if it is None else [it["lan"]] for it in found]
        rows.append(Row(f"{many} TSEs: CPU of a command below HTTP", "us", below))
    return rows


async def messages(checkouts: list[Path], scratch: Path) -> list[Row]:
    """Receipts, the newest transactions and memory of this checkout, with TSEs that have signed more and more."""
    async with AsyncExitStack() as stack:
        tills = {many: await stack.enter_async_context(_grown(scratch / f"m{many}", many)) for many in _MESSAGES}
        rounds = [
            {many: (_cpu(served, till.sign), _cpu(served, till.newest)) for many, (served, till) in tills.items()}
            for _ in range(2 * _ROUNDS)
        ]
        memory = {many: served.memory / 1e6 for many, (served, _) in tills.items()}
    older = [None] * (len(checkouts) - 1)
    rows = []
    for many in _MESSAGES:
        receipts, pages = zip(*(each[many] for each in rounds), strict=True)
        rows += [
            Row(f"{many:,} messages: CPU of a receipt", "ms", [*older, list(receipts)]),
            Row(f"{many:,} messages: CPU of the newest transactions", "ms", [*older, list(pages)]),
            Row(f"{many:,} messages: RSS", "MB", [*older, [memory[many]]]),
        ]
    return rows


def _cpu(served: Served, work: Callable[[], None], times: int = 20) -> float:
    before = served.cpu
    for _ in range(times):
        work()
    return 1000 * (served.cpu - before) / times


@asynccontextmanager
async def _grown(state_dir: Path, many: int) -> AsyncIterator[tuple[Served, Till]]:
    """A till of a TSE as after so many messages, of which only the last ones are there."""
    make_directory(state_dir)
    serial = await _made(state_dir / "simulator-1", many)
    async with gateway(HERE, state_dir, "plain", "--simulator", "1") as served:
        lan = await selected(served)
        async with lan.locked():
            await make_ready(lan.send_command, now=int(time.time()))
        await lan.close()
        client = BlockingClient(served.port, served.token)
        till = Till(client, serial)
        till.sign()  # who has shown no token may not be silent until the other gateways are there
        served.keep_to_one_core()
        yield served, till
        client.close()


async def _made(directory: Path, many: int) -> str:
    """Make such a TSE; its serial."""
    tse = SimulatedTse.create(directory, Make(capacity_blocks=2 * _BLOCKS * max(_MESSAGES)), durable=False)
    driver = BlockDriver(SimulatedTransport(tse))
    await set_up(driver.send_command, tse.serial)
    core, older = tse._core, many - _REAL
    before = core.state
    state = replace(
        before,
        used_blocks=before.used_blocks + _BLOCKS * older,
        signature_counter=before.signature_counter + older,
        transaction_number=older // 2,
    )
    for _ in range(_REAL // 2):
        state = signed_receipt(core, state, len(DATA))
    core.commit(state)
    await driver.close()
    tse.close()
    for number in range(state.used_blocks // STORE_FILE_BLOCKS):
        with (directory / store_file(number + 1)).open("ab") as file:
            file.truncate(STORE_FILE_BLOCKS * SECTOR)  # what was not written takes no room
    return tse.serial.hex().upper()
