"""Tills do their own self test and time, as the vendor's library does; the gateway must not get into their way."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.tse.commands import AbortExport, AbortImport, Login, Logout, SelfTest, SetTime, User
from gateway.tse.fields import Command
from tests.fleet.maintenance.shop_time import Shop, Till
from tests.fleet.test_device import sample
from tests.support import CLIENT, NOW, TIME_ADMIN_PIN, receipt

ROUNDS = 40


class Keeper:
    """The gateway beside the tills. It looks when they ring, not all the time: it must not burn the core they use."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._rung, self._looked = asyncio.Event(), asyncio.Event()
        self._open = True

    async def work(self) -> None:
        while self._open:
            await self._rung.wait()
            self._rung.clear()
            await self._shop.scheduler.check()
            self._looked.set()

    def ring(self) -> None:
        self._rung.set()

    async def look(self) -> None:
        """Wait until it has looked once."""
        self._looked.clear()
        self.ring()
        await self._looked.wait()

    def close(self) -> None:
        self._open = False
        self.ring()


async def bracketed(shop: Shop, till: Till, keeper: Keeper, call: Callable[[], Awaitable[object]]) -> None:
    """One call of the library: lock, commands, unlock."""
    keeper.ring()  # it looks while the till gets the lock
    lease = await shop.device.lock.acquire(till, 45)
    with shop.device.lock.use(lease.session, till):
        keeper.ring()  # and while the till has it
        await call()
    shop.device.lock.release(lease.session)
    keeper.ring()


async def make_ready(shop: Shop, till: Till, chance: random.Random, keeper: Keeper) -> None:
    """Four calls, each with a lock of its own, and pauses between them in which others may come."""

    async def self_test() -> None:
        for command in (AbortImport(), AbortExport()):
            with pytest.raises(Exception, match="0x"):  # nothing to abort; the library does not look
                await shop.device.command(command.encode())
        await shop.device.command(SelfTest(CLIENT).encode())

    def sending(command: Command) -> Callable[[], Awaitable[object]]:
        return lambda: shop.device.command(command.encode())

    for call in (
        self_test,
        sending(Login(User.TIME_ADMIN, TIME_ADMIN_PIN)),
        sending(SetTime(NOW + int(shop.clock.now))),
        sending(Logout(User.TIME_ADMIN)),
        lambda: receipt(shop.device.command, shop.device),
    ):
        await bracketed(shop, till, keeper, call)
        shop.clock.now += chance.choice((0, 3, 10, 20))
        if chance.random() < 0.5:
            await keeper.look()


async def test_tills_that_make_the_tse_ready_at_the_same_moment_see_no_error(tmp_path: Path) -> None:
    shop = await Shop.open(tmp_path, client_id="POS-1")
    chance = random.Random(1)
    keeper = Keeper(shop)
    work = asyncio.create_task(keeper.work())
    try:
        async with asyncio.timeout(60):
            for number in range(ROUNDS):
                if number % 4 == 0:
                    shop.tse.power_cycle()
                await make_ready(shop, Till(), chance, keeper)
    finally:
        keeper.close()
        await work
    assert shop.runs("set_time") >= 3  # it did come in between
    assert shop.runs("set_time", "command_rejected") == 0
    assert sample(shop.metrics, "tse_gateway_lock_refused_total", serial=shop.serial) == 0
    assert not shop.device.failed.is_set()
    await shop.close()
