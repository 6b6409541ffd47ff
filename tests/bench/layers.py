"""What each layer adds to one command: `python -m tests.bench.layers` prints microseconds of CPU as JSON."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.driver.usb.block import BlockDriver
from gateway.fleet.registry import Attachment, Registry
from gateway.operations.lan import LanTse
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import LastTransaction
from gateway.tse.sectors import encode_command
from tests.bench.standin import answer_at_once

COMMAND = LastTransaction(b"").encode()
_CALLS, _ROUNDS = 300, 7


class Till:
    """A client that stays."""

    alive = True
    peer, token, client_id = "", "", ""


async def layers(directory: Path) -> dict[str, Callable[[], Awaitable[Any]]]:
    """One command from each layer downwards; the exchange has no thread, the hop no exchange."""
    answer_at_once()
    tse = SimulatedTse.create(directory, durable=False)
    drivers: list[BlockDriver] = []

    async def opened() -> BlockDriver:
        drivers.append(BlockDriver(SimulatedTransport(tse)))
        return drivers[-1]

    registry, till = Registry(Metrics()), Till()
    await registry.reconcile([Attachment("usb", opened)])
    (device,), (driver,) = registry.devices(), drivers
    lan = LanTse(registry, Metrics())
    session = await lan.lock(device.serial, till)
    sector = encode_command(COMMAND)

    async def exchange() -> None:
        driver._exchange(sector, 1.0)

    return {
        "exchange": exchange,
        "hop": lambda: driver._thread.run(int, 1.0),
        "driver": lambda: driver.send_command(COMMAND),
        "device": lambda: device.command(COMMAND),
        "lan": lambda: lan.send_command(device.serial, session, COMMAND, till),
    }


async def cpu(call: Callable[[], Awaitable[Any]]) -> float:
    """Microseconds of CPU of one call."""
    began = time.process_time()
    for _ in range(_CALLS):
        await call()
    return 1e6 * (time.process_time() - began) / _CALLS


async def measured() -> dict[str, float]:
    """The median of some rounds, the layers in turn."""
    with TemporaryDirectory() as directory:
        calls = await layers(Path(directory) / "tse")
        rounds = [{name: await cpu(call) for name, call in calls.items()} for _ in range(_ROUNDS + 1)][1:]
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


async def only(name: str, count: int) -> None:
    """Nothing but `count` calls of one layer, for a profiler."""
    with TemporaryDirectory() as directory:
        call = (await layers(Path(directory) / "tse"))[name]
        for _ in range(count):
            await call()


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(only(sys.argv[1], int(sys.argv[2])))
    else:
        print(json.dumps(asyncio.run(measured())))
