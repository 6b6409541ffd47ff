"""The vendor's library 5.9, which knows generation 1 only, with a TSE of generation 2: translated, and not.

It has no network of its own, so the gateway's answers reach it as the files of a volume.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.driver.usb.block import BlockDriver
from gateway.errors import CommandRejected
from gateway.fleet.device import Device
from gateway.operations.lan_commands import LanCommands
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.factory import Make
from gateway.simulator.mount import mounted
from gateway.telemetry.metrics import Metrics
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.sectors import Response, WindowState, decode_command
from tests.needs import FUSE
from tests.realclient.worm import Client, Peer
from tests.support import set_up_generation_2

pytestmark = FUSE
T = TypeVar("T")
DAY = (
    *("info", "selftest POS-1", "login 2 98765", "time 1795921300", "logout 2"),
    *("start POS-1 Kassenbeleg-V1 10", "update POS-1 Kassenbeleg-V1 30", "listtx POS-1 0"),
    *("finish POS-1 Kassenbeleg-V1 60", "last POS-1", "cert", "health", "ftx 1 1 POS-1", "ftime 0 1999999999 POS-1"),
    *("incr", "entries 1", "login 1 12345", "listclients 0", "reg POS-2", "listclients 0", "dereg POS-2"),
    *("chpin 1 12345 22222", "login 2 99999", "unblock 2 123456 54322", "export", "login 1 22222", "delete", "info"),
)


class Till:
    alive = True
    peer = ""


class TranslatedTse:
    """By shape a `gateway.simulator.volume.TseBlocks`: what the gateway answers, as sectors and blocks."""

    def __init__(self, tse: SimulatedTse, device: Device, commands: LanCommands, lease: Any) -> None:
        self._tse, self._device, self._commands, self._lease = tse, device, commands, lease
        self._loop = asyncio.get_running_loop()
        self._response = Response(0, WindowState.DONE)
        self.serial, self.capacity_blocks = tse.serial, tse.capacity_blocks

    def read_info(self) -> bytes:
        return self._wait(self._device.read_info())

    def read_window(self) -> bytes:
        return self._response.encode()

    def write_window(self, sector: bytes) -> None:
        result, data = 0, b""
        try:
            data = self._wait(self._commands.carry_out(self._device, decode_command(sector), self._lease))
        except CommandRejected as refused:
            result = refused.result
        self._response = Response(self._response.counter + 1, WindowState.DONE, data, result)

    def read_store(self, block: int, count: int) -> bytes:
        return self._wait(self._device.read_store(block, count))

    def write_store(self, block: int, data: bytes) -> None:
        self._wait(self._device.write_store(block, data, self._lease))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@asynccontextmanager
async def client_of(tmp_path: Path, x64: Peer, *, translates: bool) -> AsyncIterator[Client]:
    tse = SimulatedTse.create(tmp_path / "tse", Make(generation=Generation.TWO), durable=False)
    driver = BlockDriver(SimulatedTransport(tse))
    await set_up_generation_2(driver.send_command, tse.serial, b"POS-1")
    tse.power_cycle()
    info = TseInfo.decode(await driver.read_info())
    device = Device(info.serial_hex, "here", driver, info, metrics=Metrics())
    commands = LanCommands(translates=lambda _: translates, filters=translates)
    async with device.lock.hold(Till(), 1.0) as lease:
        volume = mounted(TranslatedTse(tse, device, commands, lease), tmp_path / "volume")
        path = await asyncio.to_thread(volume.__enter__)
        try:
            async with x64.connected(str(path)) as client:
                yield client
        finally:
            await asyncio.to_thread(volume.__exit__, None, None, None)
    await device.close()
    tse.close()


async def test_a_till_with_the_old_library_behaves_as_with_generation_1(tmp_path: Path, x64: Peer) -> None:
    async with client_of(tmp_path, x64, translates=True) as client:
        calls = await client.run(DAY)
    assert {call.call: call.code for call in calls if call.code} == {"login 2 99999": 0x1100}


async def test_without_translation_it_cannot_even_make_the_tse_ready(tmp_path: Path, x64: Peer) -> None:
    async with client_of(tmp_path, x64, translates=False) as client:
        calls = await client.run(DAY)
    assert {call.call for call in calls if not call.code} == {"info", "health", "entries 1"}
