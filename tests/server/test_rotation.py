"""A token is replaced while tills sell: no error, a list of laggards that shrinks to none, and the old one's end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.access.caller import Role
from gateway.access.lan_token import FILE
from gateway.access.tokens import NewToken
from gateway.app.gateway import Gateway, running
from tests.lan_client import BASE, LanClient, LanError
from tests.server.shop import settings_for, until
from tests.support import receipt, set_up

TILLS = [f"POS-{number}" for number in range(1, 9)]
INVALID_TOKEN = 18


class Selling:
    """Tills that sell without a pause."""

    def __init__(self, tills: dict[str, LanClient]) -> None:
        self.tills = tills
        self.sold = dict.fromkeys(tills, 0)

    async def sell(self, name: str) -> None:
        till = self.tills[name]
        while True:
            async with till.locked():
                await receipt(till.send_command, till, client=name.encode())
            self.sold[name] += 1

    async def each_sold_again(self) -> None:
        before = dict(self.sold)
        await until(lambda: all(self.sold[name] > count + 1 for name, count in before.items()))


@asynccontextmanager
async def selling(gateway: Gateway) -> AsyncIterator[Selling]:
    """Eight tills at one TSE; an error of any of them ends the block."""
    device = gateway.registry.devices()[0]
    await set_up(device.command, gateway.simulators[0].serial, *(name.encode() for name in TILLS))
    made = Selling({name: LanClient(gateway.port, gateway.tokens.lan.value, device.serial) for name in TILLS})
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(made.sell(name)) for name in TILLS]
        await made.each_sold_again()
        yield made
        for task in tasks:
            task.cancel()
    for till in made.tills.values():
        await till.close()


async def change(gateway: Gateway, shop: Selling, new: str) -> None:
    """Give the tills the new token, one by one; each leaves the list of laggards."""
    await shop.each_sold_again()
    laggards = gateway.tokens.uses.laggards
    assert sorted(use.client_id for use in laggards("lan")) == sorted(TILLS)
    for number, name in enumerate(TILLS, start=1):
        shop.tills[name].token = new
        await until(lambda: len(laggards("lan")) == len(TILLS) - number)  # noqa: B023 (it is awaited here)
        assert {use.client_id for use in laggards("lan")} == set(TILLS[number:])
    await shop.each_sold_again()
    assert laggards("lan") == []


async def check_refused(gateway: Gateway, token: str) -> None:
    client = LanClient(gateway.port, token)
    with pytest.raises(LanError) as refused:
        await client.request("GET", f"{BASE}/tses")
    assert refused.value.number == INVALID_TOKEN
    await client.close()


async def test_eight_tills_sell_while_their_token_is_replaced(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, api_token=None)) as gateway:
        before = gateway.tokens.lan.value
        async with selling(gateway) as shop:
            new = await gateway.tokens.rotate("lan", 3600, 10)
            assert (tmp_path / "state" / FILE).read_text().startswith(new)
            await change(gateway, shop, new)
            await gateway.tokens.revoke("lan", old_only=True)
            await check_refused(gateway, before)
            await shop.each_sold_again()
        scraped = gateway.metrics.exposition()[0].decode()
        print(f"{sum(shop.sold.values())} receipts by eight tills, no error")
        assert 'tse_gateway_token_uses_total{old="true",token="lan"}' in scraped
        refused = [line for line in scraped.splitlines() if line.startswith("tse_gateway_refused_requests_total{")]
        assert refused == ['tse_gateway_refused_requests_total{error="unauthorized",serial=""} 1.0']


async def test_a_secret_file_is_changed_while_tills_sell(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("4711081542\n")
    settings = settings_for(tmp_path, api_token=None)
    settings = type(settings).model_validate(settings.model_dump() | {"api_token": "4711081542"})
    settings._files["api_token"] = file
    async with running(settings) as gateway, selling(gateway) as shop:
        file.write_text("0815471142\n4711081542 until 2999-12-31\n")
        await gateway.tokens.refresh()
        await change(gateway, shop, "0815471142")
        file.write_text("0815471142\n4711081542 until 2001-01-01\n")
        await gateway.tokens.refresh()
        await check_refused(gateway, "4711081542")
        await shop.each_sold_again()


async def test_a_connection_is_worth_nothing_without_its_token(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as gateway:
        token = await gateway.tokens.add(NewToken("kasse-1", Role.TILL), 0)
        kept = LanClient(gateway.port, token)
        for _ in range(2):
            await kept.request("GET", f"{BASE}/tses")
        await gateway.tokens.revoke("kasse-1")
        with pytest.raises(LanError) as refused:
            await kept.request("GET", f"{BASE}/tses")
        assert (refused.value.number, kept.resent) == (INVALID_TOKEN, 0)
        await kept.close()
