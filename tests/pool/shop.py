"""A gateway with a pool of two simulated TSEs, which it keeps ready itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gateway.app.gateway import Gateway, running
from gateway.app.simulators import ADMIN_PIN
from gateway.fleet.status.readiness import lack
from gateway.operations.exclusive import exclusive
from gateway.server.http import tls
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import Login, Logout, RegisterClient, User
from tests.server.api.client import Reply
from tests.server.shop import TOKEN, settings_for

AFTER = 1.0  # seconds
BASE = "/api/v1"
SHOP = {"simulators": 2, "simulator_fresh": False, "pool_after": AFTER, "keep_alive": 0.5, "archive": False}


@dataclass(frozen=True)
class PoolShop:
    """The gateway, and its pool: the TSE that serves first, and the one that steps in."""

    gateway: Gateway
    session: aiohttp.ClientSession

    @property
    def primary(self) -> SimulatedTse:
        return self.gateway.simulators[0]

    @property
    def standby(self) -> SimulatedTse:
        return self.gateway.simulators[1]

    async def ask(self, method: str, path: str, body: object = None, key: str = "", token: str = TOKEN) -> Reply:
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        url = f"https://127.0.0.1:{self.gateway.port}{path}"
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            is_json = answer.content_type in ("application/json", "application/problem+json")
            return Reply(answer.status, answer.headers, await answer.read(), await answer.json() if is_json else None)

    async def sign(self, body: object, key: str = "") -> Reply:
        return await self.ask("POST", f"{BASE}/sign", body, key)

    def serving(self) -> str:
        """Return the serial of the TSE that serves now."""
        return self.gateway.pool.serving

    def samples(self, name: str) -> list[str]:
        text = self.gateway.metrics.exposition()[0].decode()
        return [line for line in text.splitlines() if line.startswith(name + "{")]

    def ready(self, tse: SimulatedTse) -> bool:
        return not lack(self.gateway.registry.find(serial_of(tse)))


def serial_of(tse: SimulatedTse) -> str:
    return tse.serial.hex().upper()


@asynccontextmanager
async def shop(directory: Path, *clients: str, **given: Any) -> AsyncIterator[PoolShop]:
    """Serve a pool; `clients` are registered with both TSEs."""
    tses = [SimulatedTse.create(directory / "state" / f"simulator-{number}") for number in (1, 2)]
    order = ",".join(serial_of(tse)[:12] for tse in tses)
    for tse in tses:
        tse.close()
    async with again(directory, order, **given) as made:
        for device in made.gateway.registry.devices() if clients else ():
            async with exclusive(device, 60) as held:
                for command in (Login(User.ADMIN, ADMIN_PIN), *map(registration, clients), Logout(User.ADMIN)):
                    await held.send(command)
        yield made


def registration(client: str) -> RegisterClient:
    return RegisterClient(client.encode())


@asynccontextmanager
async def again(directory: Path, order: str, **given: Any) -> AsyncIterator[PoolShop]:
    """Serve the pool of a shop that was there before."""
    given = SHOP | given
    async with running(settings_for(directory, pool=order, **given)) as gateway, connected(gateway) as session:
        made = PoolShop(gateway, session)
        await reached(lambda: made.ready(made.primary) and made.ready(made.standby))
        yield made


def connected(gateway: Gateway) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=tls.client_context(gateway.settings), limit=0)
    return aiohttp.ClientSession(connector=connector)


async def reached(true: Callable[[], bool]) -> None:
    """Wait for a state of the gateway, however slow the machine is."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (it is a state, not an event)
            await asyncio.sleep(0.02)
