"""Each receipt that a till was told of is told as an event, in order, though the gateway is killed again and again."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from gateway.tasks import beside
from tests.process import Process, gateway
from tests.server.api.client import RECEIPT
from tests.server.shop import until

KILLS = int(os.environ.get("CHAOS_KILLS", "1"))
RECEIPTS = 8  # for each kill, which comes amid them


class Gateway:
    """A process that is killed and started again, its till, and a client that follows its events."""

    def __init__(self) -> None:
        self.process: Process
        self.signed: list[int] = []
        self.told: list[int] = []
        self.last = ""
        self.serves = asyncio.Event()

    async def sell(self, session: aiohttp.ClientSession, key: str) -> None:
        """One receipt, asked for again under its key until it is signed."""
        while True:
            await self.serves.wait()
            with suppress(aiohttp.ClientError):
                url = f"https://127.0.0.1:{self.process.port}/api/v1/tses"
                async with session.get(url, headers=self._headers()) as answer:
                    serial = (await answer.json())[0]["serial"] if answer.status == 200 else ""
                async with session.post(
                    f"{url}/{serial}/sign", json=RECEIPT, headers=self._headers() | {"Idempotency-Key": key}
                ) as answer:
                    if answer.status == 200:
                        self.signed.append((await answer.json())["signature_counter"])
                        return
            await asyncio.sleep(0.05)

    async def follow(self, session: aiohttp.ClientSession) -> None:
        """For ever: read events, and go on where the stream broke."""
        while True:
            await self.serves.wait()
            headers = self._headers() | ({"Last-Event-ID": self.last} if self.last else {})
            url = f"https://127.0.0.1:{self.process.port}/api/v1/events"
            with suppress(aiohttp.ClientError):
                async with session.get(url, headers=headers) as answer:
                    await self._read(answer)
            await asyncio.sleep(0.05)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        fields: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "id" in fields:
                data: Any = json.loads(fields["data"])
                if fields["event"] == "signed" and data["operation"] == "finish":
                    self.told.append(data["signature_counter"])
                self.last = fields["id"]
                fields = {}

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.process.token}"}


@asynccontextmanager
async def served(shop: Gateway, state_dir: Path) -> AsyncIterator[None]:
    """A process that serves, until it is killed."""
    async with gateway(state_dir, "--simulator", "1", GATEWAY_SIMULATOR_FRESH="false") as shop.process:
        await shop.process.until_it_serves()
        shop.serves.set()
        yield
        shop.serves.clear()
        shop.process.process.kill()
        await shop.process.process.wait()


async def test_each_receipt_is_told_at_least_once_and_in_order_over_kill_9(tmp_path: Path) -> None:
    shop = Gateway()
    no_check = ssl.create_default_context()
    no_check.check_hostname, no_check.verify_mode = False, ssl.CERT_NONE
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=no_check))
    async with session, asyncio.timeout(60 * (KILLS + 1)), beside(following=shop.follow(session)):
        selling: list[asyncio.Task[None]] = []
        for kill in range(1, KILLS + 1):
            async with served(shop, tmp_path):
                await until(lambda: bool(shop.last))  # from here on each receipt is told
                selling += [asyncio.create_task(shop.sell(session, f"{kill}-{n}")) for n in range(RECEIPTS)]
                wanted = len(shop.signed) + RECEIPTS // 2
                await until(lambda wanted=wanted: len(shop.signed) >= wanted)  # type: ignore[misc]
        async with served(shop, tmp_path):
            await asyncio.gather(*selling)
            await until(lambda: set(shop.signed) <= set(shop.told))
    assert len(shop.signed) == KILLS * RECEIPTS
    first_told = list(dict.fromkeys(shop.told))
    assert first_told == sorted(first_told)
