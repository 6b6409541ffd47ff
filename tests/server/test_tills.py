"""Forty sessions of a terminal server: one address, two tokens, and a table that tells them apart."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.app.gateway import Gateway, running
from gateway.tse.commands import CloseImport, Logout, OpenImport, TransactionStep, User
from tests.lan_client import BASE, LanClient, LanError
from tests.server.api.client import RECEIPT
from tests.server.shop import settings_for, until
from tests.support import receipt, set_up

TILLS = [f"POS-{number}" for number in range(1, 41)]
FORBIDDEN = 18


class Shop:
    """A gateway, its tills, and the two tokens that they share."""

    def __init__(self, gateway: Gateway, tills: dict[str, LanClient], operator: str) -> None:
        self.gateway, self.tills, self._operator = gateway, tills, operator
        self.device = gateway.registry.devices()[0]

    async def outages(self) -> dict[str, list[dict[str, object]]]:
        client = LanClient(self.gateway.port, self._operator)
        try:
            found: dict[str, list[dict[str, object]]] = await client.request("GET", "/api/v1/outages")
            return found
        finally:
            await client.close()

    async def operator(self, method: str, path: str, body: object = None) -> object:
        client = LanClient(self.gateway.port, self._operator)
        try:
            sent = b"" if body is None else json.dumps(body).encode()
            return await client.request(method, f"/api/v1/tses/{self.device.serial}{path}", sent)
        finally:
            await client.close()

    async def table(self) -> list[dict[str, object]]:
        found = await self.operator("GET", "/lock")
        assert isinstance(found, dict)
        return list(found["tills"])

    async def sell(self, name: str) -> None:
        till = self.tills[name]
        async with till.locked():
            await receipt(till.send_command, till, client=name.encode())


@asynccontextmanager
async def shop_of(tmp_path: Path, **given: Any) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running(settings_for(tmp_path, **given)))
        tse = gateway.simulators[0]
        device = gateway.registry.devices()[0]
        await set_up(device.command, tse.serial, *(name.encode() for name in TILLS))
        await device.read_info()
        add = gateway.tokens.add
        left = await add(NewToken("left", Role.TILL, clients=tuple(TILLS[:20])), 10)
        right = await add(NewToken("right", Role.TILL, clients=tuple(TILLS[20:])), 10)
        tills = {name: LanClient(gateway.port, left if name in TILLS[:20] else right, device.serial) for name in TILLS}
        for till in tills.values():
            stack.push_async_callback(till.close)
        yield Shop(gateway, tills, await add(NewToken("chief", Role.OPERATOR), 0))


async def test_the_table_names_forty_tills_of_one_address(tmp_path: Path) -> None:
    async with shop_of(tmp_path) as shop:
        for name in TILLS:
            await shop.sell(name)
        found = {str(till["client_id"]): till for till in await shop.table()}
        assert sorted(found) == sorted(TILLS)
        assert {till["token"] for name, till in found.items() if name in TILLS[:20]} == {"left"}
        assert {till["token"] for name, till in found.items() if name in TILLS[20:]} == {"right"}
        assert len({till["peer"] for till in found.values()}) == len(TILLS)
        assert all(till["last_receipt"] and till["state"] == "idle" for till in found.values())


async def test_who_holds_and_who_waits_stands_in_order_and_one_is_broken_off(tmp_path: Path) -> None:
    async with shop_of(tmp_path) as shop:
        for name in TILLS[:4]:
            await shop.sell(name)
        holder, lock = shop.tills["POS-1"], shop.device.lock
        session = (await holder.request("GET", f"{BASE}/tse/{holder.serial}/lock"))["data"]
        holder.session = session
        await holder.send_command(OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode())
        waiting = []
        for count, name in enumerate(TILLS[1:4], start=1):
            waiting.append(asyncio.create_task(shop.sell(name)))
            await until(lambda: lock.waiting_clients == count)  # noqa: B023 (it is awaited here)
        table = await shop.table()
        assert [(till["client_id"], till["state"], till["place"]) for till in table] == [
            ("POS-1", "holds", None),
            ("POS-2", "waits", 1),
            ("POS-3", "waits", 2),
            ("POS-4", "waits", 3),
        ]
        assert table[0]["last_command"] == "open transaction import"
        released = await shop.operator("POST", "/lock/release")
        assert isinstance(released, dict)
        assert released["released"]["client_id"] == "POS-1"
        await asyncio.gather(*waiting)
        with pytest.raises(LanError):
            await holder.send_command(CloseImport().encode())
        assert [till["client_id"] for till in await shop.table()][:3] == ["POS-4", "POS-3", "POS-2"]


async def test_a_till_signs_for_no_client_id_but_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with shop_of(tmp_path) as shop:
        foreign = shop.tills["POS-1"]
        async with foreign.locked():
            with pytest.raises(LanError) as refused:
                await receipt(foreign.send_command, foreign, client=b"POS-40")
            assert refused.value.number == FORBIDDEN
            with pytest.raises(LanError) as refused:
                await foreign.send_command(bytes([OpenImport.opcode]))
            assert refused.value.number == FORBIDDEN
            await foreign.send_command(Logout(User.ADMIN).encode())
            await receipt(foreign.send_command, foreign, client=b"POS-1")
        body = {**RECEIPT, "client_id": "POS-40"}
        told = [record.getMessage() for record in caplog.records if getattr(record, "event", "") == "forbidden"]
        assert told == ["refused to 127.0.0.1: the token left may not act for the client id 'POS-40'"]
        with pytest.raises(KeyError):  # a problem of the API has no number
            await foreign.request("POST", f"/api/v1/tses/{foreign.serial}/sign", json.dumps(body).encode())


async def test_who_waits_in_vain_is_told_with_the_one_that_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop_of(tmp_path, lock_wait=0.2) as shop:
        await shop.sell("POS-2")
        async with shop.tills["POS-1"].locked():
            with pytest.raises(LanError):
                await shop.sell("POS-2")
        (told,) = [record for record in caplog.records if getattr(record, "event", "") == "lock_refused"]
        assert told.levelno == logging.WARNING
        found = vars(told)
        assert (found["client"], found["token"], found["place"]) == ("POS-2", "left", 1)
        assert found["holder"] != found["peer"]


async def test_an_outage_counts_tills_of_one_address_one_by_one(tmp_path: Path) -> None:
    async with shop_of(tmp_path) as shop:
        for name in TILLS[:3]:
            await shop.sell(name)
        shop.gateway.simulators[0].faults.set("unplugged")
        await asyncio.wait_for(shop.device.failed.wait(), 10)
        for name in TILLS[:3] * 2:
            with pytest.raises(LanError):
                await shop.sell(name)
        async with asyncio.timeout(10):
            while not (outages := (await shop.outages())["outages"]):  # noqa: ASYNC110 (it is seen once a second)
                await asyncio.sleep(0.01)
        (outage,) = outages
        assert (outage["refused_requests"], outage["refused_tills"]) == (6, 3)
