"""What each layer adds to one command: `python -m tests.bench.layers [TSES]` prints microseconds of CPU as JSON."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
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


async def layers(directory: Path, many: int) -> dict[str, Callable[[], Awaitable[Any]]]:
    """One command to one of `many` TSEs, from each layer downwards; the exchange has no thread, the hop no exchange."""
    answer_at_once()
    drivers: dict[str, BlockDriver] = {}

    async def opened(tse: SimulatedTse) -> BlockDriver:
        return drivers.setdefault(tse.serial.hex().upper(), BlockDriver(SimulatedTransport(tse)))

    tses = [SimulatedTse.create(directory / f"tse-{number}", durable=False) for number in range(many)]
    registry, till = Registry(Metrics()), Till()
    await registry.reconcile([Attachment(f"usb-{number}", partial(opened, tse)) for number, tse in enumerate(tses)])
    device = registry.devices()[0]
    driver = drivers[device.serial]
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


async def measured(many: int) -> dict[str, float]:
    """The median of some rounds, the layers in turn."""
    with TemporaryDirectory() as directory:
        calls = await layers(Path(directory), many)
        rounds = [{name: await cpu(call) for name, call in calls.items()} for _ in range(_ROUNDS + 1)][1:]
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(int(sys.argv[1]) if sys.argv[1:] else 1))))
