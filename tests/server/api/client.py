"""A client of the JSON API, and a TSE that is ready for sales."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway.server.http import tls
from tests.server.shop import TOKEN, Served
from tests.support import PREPARE

RECEIPT = {
    "client_id": "POS-1",
    "process_type": "Kassenbeleg-V1",
    "process_data": "Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar",
}
SECRETS = {"admin_puk": "123456", "admin_pin": "12345", "time_admin_pin": "98765"}
SETUP = SECRETS | {"trust_system_clock": True}  # whether the clock of this machine is right is no matter of tests


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    body: bytes
    json: Any


class Api:
    """Paths are relative to the TSE."""

    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self.served, self._session = served, session

    async def get(self, path: str = "", **options: Any) -> Reply:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: object = None, key: str | None = None, **options: Any) -> Reply:
        headers = options.pop("headers", {}) | ({"Idempotency-Key": key} if key else {})
        return await self.ask("POST", path, json=body, headers=headers, **options)

    @asynccontextmanager
    async def opened(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read by the caller."""
        async with self._session.get(f"{self.served.url}/api/v1/tses/{self.served.serial}{path}") as answer:
            yield answer

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        url = f"{self.served.url}/api/v1/tses/{self.served.serial}{path}"
        async with self._session.request(method, url, **options) as answer:
            body = await answer.read()
            is_json = answer.content_type in ("application/json", "application/problem+json")
            return Reply(answer.status, answer.headers, body, await answer.json(content_type=None) if is_json else None)


@asynccontextmanager
async def api_of(served: Served, **options: Any) -> AsyncIterator[Api]:
    options = {"headers": {"Authorization": f"Bearer {TOKEN}"}} | options
    connector = aiohttp.TCPConnector(ssl=tls.client_context(served.settings))
    async with aiohttp.ClientSession(connector=connector, **options) as session:
        yield Api(served, session)


async def make_ready(served: Served, *clients: bytes) -> None:
    """Set the TSE up, past the API."""
    device = served.registry.devices()[0]
    await PREPARE[device.info.generation](device.command, served.tse.serial, *clients)
    await device.read_info()
