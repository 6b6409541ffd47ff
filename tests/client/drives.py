"""Virtual drives over a served TSE, and tills that use their files as the vendor's library does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from gateway.client.drive import RemoteTse, shown
from gateway.driver.lan.driver import LockTimes
from gateway.driver.lan.upstream import Upstream
from gateway.driver.usb.block import BlockDriver, Deadlines
from gateway.driver.usb.transport import MountedFiles, open_transport
from gateway.simulator.device import SimulatedTse


@asynccontextmanager
async def drive(
    upstream: Upstream, tse: SimulatedTse, place: Path, lock_times: LockTimes | None = None
) -> AsyncIterator[Path]:
    """The files of `tse` at `place`, by way of the gateway that serves it."""
    async with shown(await RemoteTse.reached(upstream, tse.serial.hex(), lock_times), place) as at:
        yield at


@asynccontextmanager
async def driver_of(place: Path) -> AsyncIterator[BlockDriver]:
    """What sends commands to the files at `place`."""
    deadlines = Deadlines(command=60)
    driver = await BlockDriver.open(lambda: open_transport(place), name=place.name, deadlines=deadlines)
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def through(place: Path, tse: SimulatedTse) -> AsyncIterator[SimulatedTse]:
    """By shape `tse`, but sectors and blocks are those of the files at `place`; for a thread."""
    files = await asyncio.to_thread(MountedFiles, place)
    access = ("read_info", "read_window", "write_window", "read_store", "write_store")
    kept = {"serial": tse.serial, "power_cycle": tse.power_cycle, "_core": tse._core}
    try:
        yield by_shape(SimpleNamespace(**{name: getattr(files, name) for name in access}, **kept))
    finally:
        await asyncio.to_thread(files.close)


def by_shape(files: object) -> SimulatedTse:
    """What has the verbs of a simulated TSE, for those who want one."""
    return cast("SimulatedTse", files)


def breathe() -> None:
    """Between two looks at a busy window, as the vendor's library does."""
    time.sleep(0.005)
