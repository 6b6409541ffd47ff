"""How cost and memory grow: with connections, with TSEs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tests.bench.rows import Row, Works, busy, holding, json_of
from tests.bench.served import HERE, Client, Served, gateway
from tests.lan_client import BASE

_CONNECTIONS = (1, 10, 100, 1000)
_TSES = (1, 4, 16)
_TSES_BELOW_HTTP = (1, 16, 64)
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
        cpu, memory = [], []
        for number, checkout in enumerate(checkouts):
            state_dir, option = scratch / f"t{number}-{many}", str(many)
            async with (
                gateway(checkout, state_dir, "instant", "--simulator", option) as served,
                holding(served, many) as works,
            ):
                served.keep_to_one_core()
                cpu.append([(await busy(served, works, 1.0))[0] for _ in range(_ROUNDS)])
                memory.append([served.memory / 1e6])
        rows += [
            Row(f"{many} TSEs: CPU of a command", "ms", list(cpu)),
            Row(f"{many} TSEs: RSS", "MB", list(memory)),
        ]
    for many in _TSES_BELOW_HTTP:  # the setting allows 16 simulated ones
        found = [json_of(it, "-m", "tests.bench.layers", str(many), tests=it == HERE) for it in checkouts]
        below = [None if it is None else [it["lan"]] for it in found]
        rows.append(Row(f"{many} TSEs: CPU of a command below HTTP", "us", below))
    return rows
