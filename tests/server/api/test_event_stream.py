"""Events as they happen: each signed step at least once and in order, also over a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.errors import GatewayError
from gateway.operations.signed_steps import StorePlace, steps_since
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import Served, serve, settings_for
from tests.support import make_ready as ready_after_power_loss


@dataclass(frozen=True)
class Told:
    id: str
    kind: str
    data: Any


class Follower:
    """A client of the stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, *kinds: str) -> Told:
        """The next event, or the next of these kinds."""
        async with asyncio.timeout(10):
            while True:
                fields = await self._block()
                told = Told(fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data") or "null"))
                if told.kind and (not kinds or told.kind in kinds):
                    return told

    async def _block(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while (line := (await self._answer.content.readline()).decode()) != "\n":
            assert line, "the stream ended"
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        return fields


@asynccontextmanager
async def following(api: Api, last: str | None = None, **params: str) -> AsyncIterator[Follower]:
    headers = {} if last is None else {"Last-Event-ID": last}
    url = f"{api.served.url}/api/v1/events"
    async with api._session.get(url, params=params, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield Follower(answer)


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served)
    async with api_of(served) as made:
        yield made


async def test_a_receipt_is_told_with_all_that_its_response_had(api: Api) -> None:
    await api.post("/sign", RECEIPT)  # before the stream begins
    async with following(api) as events:
        assert (await events.next()).kind == "begin"
        signed = (await api.post("/sign", RECEIPT | {"reference": "r-1"}, key="one")).json
        start, finish = await events.next(), await events.next()
    assert (start.kind, start.data["operation"]) == ("signed", "start")
    assert finish.data == signed


async def test_a_client_goes_on_where_it_was_also_after_a_restart(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with serve(settings) as served, api_of(served) as api:
        await make_ready(served)
        async with following(api) as events:
            begin = await events.next("begin")
            await api.post("/sign", RECEIPT)
            first = await events.next("signed")
        await api.post("/sign", RECEIPT)
    async with serve(settings) as served, api_of(served) as api:
        await make_again_ready(served)
        await api.post("/sign", RECEIPT)
        for last, expected in ((begin.id, [1, 1, 2, 2, 3, 3]), (first.id, [1, 2, 2, 3, 3])):
            async with following(api, last) as events:
                found = [(await events.next("signed")).data["transaction_number"] for _ in expected]
            assert found == expected


async def make_again_ready(served: Served) -> None:
    device = served.registry.devices()[0]
    await ready_after_power_loss(device.command)
    await device.read_info()


async def test_a_failure_a_return_and_a_run_of_the_archive_are_told(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "gateway")
    device = api.served.registry.devices()[0]
    async with following(api, serial=api.served.serial[:8]) as events:
        await events.next("begin")
        await api.post("/archive/run")
        assert (await events.next("archive")).data["event"] == "archived"
        await api.post("/lock/release")
        api.served.tse.faults.set("unplugged", 1)
        with suppress(GatewayError):
            await device.read_info()
        failed = await events.next("failed")
        assert (failed.data["tse_serial"], bool(failed.data["reason"])) == (api.served.serial, True)
        assert (await events.next("opened")).data["event"] == "recovered"
    async with following(api, failed.id) as events:
        assert (await events.next("opened")).data["event"] == "recovered"


@pytest.mark.parametrize("last", ["", "x", "5c1de0a8.1~00=1.1", "5c1de0a8.99999999999999999"])
async def test_an_id_that_is_none_of_ours_is_refused(api: Api, last: str) -> None:
    url = f"{api.served.url}/api/v1/events"
    async with api._session.get(url, headers={"Last-Event-ID": last}) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "bad_request")


async def test_no_more_clients_are_served_than_sixteen(api: Api) -> None:
    async with asyncio.timeout(20):
        streams = [following(api) for _ in range(16)]
        for stream in streams:
            await (await stream.__aenter__()).next("begin")
        async with api._session.get(f"{api.served.url}/api/v1/events") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        for stream in streams:
            await stream.__aexit__(None, None, None)


async def test_a_place_behind_a_store_that_was_emptied_leads_to_its_beginning(api: Api) -> None:
    signed = (await api.post("/sign", RECEIPT)).json
    device = api.served.registry.devices()[0]
    for block in (10**9, 1):  # behind the end, and no entry begins there
        found = [message async for _, message in steps_since(device, StorePlace(block, 0)) if message is not None]
        assert [message.signature_counter for message in found][-1] == signed["signature_counter"]
        assert len(found) == 2
    later = StorePlace(10**9, signed["signature_counter"])
    assert [message async for _, message in steps_since(device, later) if message is not None] == []
