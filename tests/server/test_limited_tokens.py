"""A token for some client ids: it reads what these have signed, and for all others it is as if that were not there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.operations.store import receipts_begin
from gateway.tse.commands import FILTER_OPEN_END, LastTransaction, ListTransactions, StartExport
from gateway.tse.fields import Command
from tests.lan_client import LanClient, LanError
from tests.server.api.client import RECEIPT, Api, Reply, api_of, make_ready
from tests.server.api.test_event_stream import following
from tests.server.shop import Served

FORBIDDEN = 18
OWN, OTHER = 2, 1  # numbers of finished transactions


@dataclass(frozen=True)
class Shop:
    """Two tills, what each has signed and left open, and tokens that are for the second one alone."""

    served: Served
    till: Api
    auditor: Api
    everybody: Api
    token: str


@asynccontextmanager
async def _of(served: Served, role: Role) -> AsyncIterator[tuple[Api, str]]:
    token = await served.tokens.add(NewToken(f"a-{role}", role, clients=("POS-2",)), 0)
    async with api_of(served, headers={"Authorization": f"Bearer {token}"}) as api:
        yield api, token


@pytest.fixture
async def shop(served: Served) -> AsyncIterator[Shop]:
    await make_ready(served, b"POS-1", b"POS-2")
    async with api_of(served) as everybody, _of(served, Role.TILL) as (till, token):
        for client in ("POS-1", "POS-2"):
            await everybody.post("/sign", {**RECEIPT, "client_id": client})
        for client in ("POS-1", "POS-2"):
            await everybody.post("/transactions", {"client_id": client})
        async with _of(served, Role.AUDITOR) as (auditor, _):
            yield Shop(served, till, auditor, everybody, token)


def _refused(reply: Reply) -> None:
    assert reply.status == 403
    assert "client ids POS-2" in reply.json["detail"]
    assert "use a token without client ids" in reply.json["detail"]


async def test_it_lists_its_own_transactions_and_may_not_ask_for_others(shop: Shop) -> None:
    async def listed(**params: str) -> list[str]:
        found = (await shop.till.get("/transactions", params=params)).json["transactions"]
        return [transaction["client_id"] for transaction in found]

    assert await listed() == ["POS-2", "POS-2"]
    assert await listed(state="finished", client_id="POS-2") == ["POS-2"]
    assert await listed(from_number=str(OTHER), to_number=str(OTHER)) == []
    assert (await shop.till.get("/transactions", params={"client_id": "POS-1"})).status == 403
    opened = (await shop.till.get("/transactions/open")).json["transactions"]
    assert [transaction["transaction_number"] for transaction in opened] == [4]
    assert len((await shop.everybody.get("/transactions/open")).json["transactions"]) == 2


@pytest.mark.parametrize("part", ["", "/steps", "/qr"])
async def test_a_receipt_of_another_till_is_as_if_it_were_not_there(shop: Shop, part: str) -> None:
    assert (await shop.till.get(f"/transactions/{OWN}{part}")).status == 200
    other, absent = [await shop.till.get(f"/transactions/{number}{part}") for number in (OTHER, 99)]
    assert (other.status, other.json["code"]) == (absent.status, absent.json["code"]) == (404, "transaction_not_found")
    assert other.json["detail"].replace(str(OTHER), "99") == absent.json["detail"]
    assert (await shop.everybody.get(f"/transactions/{OTHER}{part}")).status == 200


async def test_the_last_transaction_is_one_of_its_own_client_ids(shop: Shop) -> None:
    _refused(await shop.till.get("/transactions/last"))
    found = await shop.till.get("/transactions/last", params={"client_id": "POS-2"})
    assert (found.status, found.json["client_id"]) == (200, "POS-2")


async def test_it_gets_no_export_of_all_and_is_told_what_helps(shop: Shop) -> None:
    for path in (
        "/export",
        "/export/new?cursor=x",
        "/export/filtered",
        "/archive/export",
        "/archive/files/0000-000001.tar",
    ):
        _refused(await shop.auditor.get(path))
    own = await shop.auditor.get("/export/filtered", params={"client_id": "POS-2"})
    assert own.status == 200
    assert b"Client-POS-2" in own.body
    assert b"Client-POS-1" not in own.body
    assert (await shop.auditor.get("/export/filtered", params={"client_id": "POS-1"})).status == 403
    german = await shop.auditor.get("/export", headers={"Accept-Language": "de"})
    assert "ein Token ohne Client-IDs benutzen" in german.json["detail"]


async def test_events_tell_it_what_its_own_till_signs(shop: Shop) -> None:
    async with following(shop.till) as events:
        await events.next("begin")
        for client in ("POS-1", "POS-2"):
            await shop.everybody.post("/sign", {**RECEIPT, "client_id": client})
        assert (await events.next("signed")).data["client_id"] == "POS-2"


@pytest.mark.parametrize(
    "command",
    [LastTransaction(b""), ListTransactions(0, b""), StartExport(0, FILTER_OPEN_END, 0, FILTER_OPEN_END, b"")],
    ids=lambda command: type(command).__name__,
)
async def test_over_lan_it_asks_about_its_own_client_id_only(shop: Shop, command: Command) -> None:
    own = type(command)(**{**vars(command), "client_id": b"POS-2"})
    till = LanClient(shop.served.port, shop.token, shop.served.serial)
    try:
        async with till.locked():
            with pytest.raises(LanError) as refused:
                await till.send_command(command.encode())
            assert refused.value.number == FORBIDDEN
            await till.send_command(own.encode())
    finally:
        await till.close()


async def test_over_lan_it_reads_the_store_up_to_the_first_receipt(shop: Shop) -> None:
    till = LanClient(shop.served.port, shop.token, shop.served.serial)
    try:
        async with till.locked():
            begin = await receipts_begin(shop.served.registry.devices()[0])
            read = await till.read_store(0, begin)
            for block, count in ((0, begin + 1), (begin, 1), (begin + 2, 4)):
                with pytest.raises(LanError) as refused:
                    await till.read_store(block, count)
                assert refused.value.number == FORBIDDEN
            assert b"BEGIN CERTIFICATE" in read, "a till may need it"
            assert b"Log-Sys" in read
            assert b"Client-" not in read
    finally:
        await till.close()
