"""What befalls a shop, by name. Each trouble is over when its coroutine returns."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from gateway.errors import GatewayError
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.tse.commands import User
from gateway.tse.info import TseInfo
from tests.lan_client import LanError
from tests.simulation.clock import CLOCK
from tests.simulation.machine import Machine
from tests.simulation.network import Line
from tests.simulation.tills import Till, _Lan
from tests.simulation.tses import Port, Strike
from tests.support import TIME_ADMIN_PIN

_CLIENT = b"POS-1"


class Scene:
    """Where it happens."""

    def __init__(self, machine: Machine, tills: list[Till], chance: Random) -> None:
        self.machine = machine
        self.tills = tills
        self.chance = chance

    def port(self) -> Port:
        """One whose TSE is there, if possible."""
        there = [port for port in self.machine.ports if port.plug and not port.hangs]
        return self.chance.choice(there or self.machine.ports)


Trouble = Callable[[Scene], Awaitable[None]]


async def _line_cuts(it: Scene) -> None:
    it.machine.network.cuts = it.chance.uniform(0.02, 0.3)
    await asyncio.sleep(it.chance.uniform(5, 120))
    it.machine.network.cuts = 0.0


async def _till_off(it: Scene) -> None:
    till = it.chance.choice(it.tills)
    till.line.off = True
    await asyncio.sleep(it.chance.uniform(1, 60))
    till.line.off = False


async def _pulled(it: Scene) -> None:
    port = it.port()
    if it.chance.random() < 0.3:
        port.pull()
    else:
        await _strikes(it, port, "pulled")
    await asyncio.sleep(it.chance.uniform(0.1, 1) ** 3 * 120)
    it.machine.plug_in(port)


async def _power_lost(it: Scene) -> None:
    await _strikes(it, it.port(), "power")


async def _hangs(it: Scene) -> None:
    port = it.port()
    await _strikes(it, port, "hangs")
    await asyncio.sleep(it.chance.uniform(1, 90))
    if it.chance.random() < 0.5:
        port.heal()
    else:
        port.pull()
        await asyncio.sleep(it.chance.uniform(1, 10))
        it.machine.plug_in(port)


async def _slow(it: Scene) -> None:
    port = it.port()
    await _strikes(it, port, "slow", times=it.chance.uniform(1, 12))


async def _io_errors(it: Scene) -> None:
    await _strikes(it, it.port(), "io", times=it.chance.randint(1, 6))


async def _answer_lost(it: Scene) -> None:
    await _strikes(it, it.port(), it.chance.choice(["lost_response", "counter_jump", "fetch"]))


async def _busy(it: Scene) -> None:
    port = it.port()
    await _strikes(it, port, "busy_forever")
    await asyncio.sleep(it.chance.uniform(20, 90))
    port.pull()
    await asyncio.sleep(it.chance.uniform(1, 10))
    it.machine.plug_in(port)


async def _strikes(it: Scene, port: Port, what: str, times: float = 1) -> None:
    """Let it strike at one of the next accesses, and give it time to."""
    port.strike(Strike(what, it.chance.randint(1, 60), before=it.chance.random() < 0.5, times=times))
    await asyncio.sleep(it.chance.uniform(5, 30))


async def _killed(it: Scene) -> None:
    await _ends(it, power=False)


async def _power_cut(it: Scene) -> None:
    await _ends(it, power=True)


async def _ends(it: Scene, *, power: bool) -> None:
    await it.machine.serving.wait()
    if it.chance.random() < 0.3:
        it.machine.kill(power=power)
    else:
        it.machine.doom(power=power)
        await asyncio.sleep(it.chance.uniform(1, 20))
    await it.machine.serving.wait()


async def _stopped(it: Scene) -> None:
    it.machine.stop()
    await asyncio.sleep(15)
    await it.machine.serving.wait()


async def _disk_full(it: Scene) -> None:
    it.machine.fail(errno.ENOSPC)
    await asyncio.sleep(it.chance.uniform(1, 200))
    it.machine.fail(0)


async def _disk_broken(it: Scene) -> None:
    it.machine.fail(it.chance.choice([errno.EIO, errno.EROFS]))
    await asyncio.sleep(it.chance.uniform(1, 100))
    it.machine.fail(0)


async def _lock_broken(it: Scene) -> None:
    gateway, port = it.machine.gateway, it.port()
    if gateway is None or not it.machine.serving.is_set():
        return

    async def work() -> None:
        gateway.registry.find(port.serial).lock.break_lease()

    gateway.start(_unless_refused(work()))


async def _operator(it: Scene) -> None:
    """Self test and time by hand."""
    port = it.port()
    gateway = it.machine.gateway
    if gateway is None or not it.machine.serving.is_set():
        return
    administration = gateway.administration
    pin = PinOrPuk(TIME_ADMIN_PIN)

    async def work() -> None:
        await administration.self_test(port.serial, _CLIENT)
        await administration.set_time(port.serial, User.TIME_ADMIN, pin)

    working = gateway.start(_unless_refused(work()))
    await asyncio.wait({working}, timeout=120)


async def _export(it: Scene) -> None:
    """Somebody reads the whole store over LAN."""
    till = it.chance.choice(it.tills)
    lan = _Lan(0, "", till.serial)
    lan.line = Line(it.machine.network, f"export at {CLOCK.now}")
    try:
        async with lan.locked():
            used = TseInfo.decode(await lan.read_info()).used_blocks
            for block in range(0, used, 128):
                await lan.read_store(block, min(128, used - block))
    except LanError:
        return


async def _unless_refused(work: Awaitable[object]) -> None:
    try:
        await work
    except GatewayError:
        return


TROUBLES: Mapping[str, Trouble] = {
    "lines cut": _line_cuts,
    "till off": _till_off,
    "TSE pulled": _pulled,
    "TSE loses power": _power_lost,
    "TSE hangs": _hangs,
    "TSE slow": _slow,
    "TSE busy for ever": _busy,
    "I/O errors": _io_errors,
    "answer lost": _answer_lost,
    "gateway killed": _killed,
    "power cut": _power_cut,
    "gateway stopped": _stopped,
    "disk full": _disk_full,
    "disk broken": _disk_broken,
    "lock broken": _lock_broken,
    "operator": _operator,
    "export": _export,
}
