"""Transactions as a resource: filters, pages, steps; from the store, and from the archive when the TSE is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.operations import transaction_list
from gateway.operations.store import Store, open_store
from gateway.operations.transaction_list import TransactionFilter
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.api.test_transactions import verify_qr
from tests.server.shop import Served, serve, settings_for

START = {"client_id": "POS-1"}


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served, b"POS-1", b"POS-2")
    async with api_of(served) as made:
        yield made


async def numbers(api: Api, **wanted: Any) -> list[int]:
    answer = await api.get("/transactions", params={name.rstrip("_"): str(value) for name, value in wanted.items()})
    assert answer.status == 200, answer.json
    return [found["transaction_number"] for found in answer.json["transactions"]]


async def test_the_list_has_each_transaction_once_the_newest_first_and_filters_it(api: Api) -> None:
    for client in ("POS-1", "POS-2", "POS-1"):
        await api.post("/sign", RECEIPT | {"client_id": client})
    opened = (await api.post("/transactions", START)).json["transaction_number"]
    await api.post(f"/transactions/{opened}/update", {"client_id": "POS-1", "other": "x"})
    await api.post("/sign", {"client_id": "POS-2", "other": "Schublade"})
    assert await numbers(api) == [5, 4, 3, 2, 1]
    assert await numbers(api, client_id="POS-2") == [5, 2]
    assert await numbers(api, state="open") == [opened]
    assert await numbers(api, state="finished") == [5, 3, 2, 1]
    assert await numbers(api, process_type="SonstigerVorgang") == [5]
    assert await numbers(api, from_number=2, to_number=3) == [3, 2]
    assert await numbers(api, from_="2100-01-01") == []
    assert await numbers(api, from_="2001-01-01", to="2100-01-01") == [5, 4, 3, 2, 1]
    assert await numbers(api, to="2001-01-01") == []
    listed = (await api.get("/transactions", params={"from_number": "5"})).json["transactions"][0]
    assert (listed["state"], listed["client_id"], listed["process_type"]) == ("finished", "POS-2", "SonstigerVorgang")
    assert listed["start_time"] is not None
    assert listed["end_time"] is not None


async def test_pages_go_on_where_the_last_one_ended_also_while_tills_sell(api: Api) -> None:
    for _ in range(7):
        await api.post("/sign", RECEIPT)
    seen: list[int] = []
    params = {"limit": "2"}
    while True:
        page = (await api.get("/transactions", params=params)).json
        seen += [found["transaction_number"] for found in page["transactions"]]
        await api.post("/sign", RECEIPT)
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_a_page_ends_where_it_has_looked_far_enough(api: Api) -> None:
    for _ in range(60):
        await api.post("/sign", RECEIPT)
    store = await open_store(api.served.registry.devices()[0])
    seen: list[int | None] = []
    pages, end = 0, store.used
    while end:
        found = await transaction_list.page(Store(store.reader, end), TransactionFilter(), (), 200, most_blocks=128)
        seen += [it.message.transaction_number for it in found.found]
        pages, end = pages + 1, found.end
    assert (seen, pages > 1) == (list(range(60, 0, -1)), True)


async def test_a_cursor_of_a_longer_store_is_refused(api: Api) -> None:
    refused = await api.get("/transactions", params={"cursor": "999999"})
    assert (refused.status, refused.json["code"]) == (409, "cursor_invalid")


async def test_one_transaction_has_all_its_steps_and_what_the_client_gave(api: Api) -> None:
    own = {"reference": "till-1/7", "metadata": {"table": "7"}}
    number = (await api.post("/transactions", START | own, key="start")).json["transaction_number"]
    order = {"lines": [{"quantity": "1", "text": "Eis", "price": "1.19"}]}
    await api.post(f"/transactions/{number}/update", START | {"order": order, "metadata": {"seat": "2"}}, key="update")
    finished = await api.post(f"/transactions/{number}/finish", RECEIPT, key="finish")
    await api.post("/sign", RECEIPT)
    found = (await api.get(f"/transactions/{number}/steps")).json
    assert [step["operation"] for step in found["steps"]] == ["start", "update", "finish"]
    assert (found["state"], found["source"], found["reference"]) == ("finished", "store", "till-1/7")
    assert found["metadata"] == {"table": "7", "seat": "2"}
    assert found["steps"][-1]["signature"] == finished.json["signature"]
    verify_qr(found["steps"][-1]["qr_text"])
    listed = (await api.get("/transactions", params={"to_number": str(number)})).json["transactions"][0]
    assert (listed["reference"], listed["metadata"]) == ("till-1/7", found["metadata"])
    assert await numbers(api, reference="till-1/7") == [number]
    assert await numbers(api, reference="unknown") == []
    again = (await api.get(f"/transactions/{number}/steps", params={"cursor": listed["cursor"]})).json
    assert again == found
    unknown = await api.get("/transactions/99/steps")
    assert (unknown.status, unknown.json["code"]) == (404, "transaction_not_found")


async def test_what_the_client_gave_comes_back_with_a_repetition_also_after_a_restart(tmp_path: Path) -> None:
    own = {"reference": "till-1/8", "metadata": {"cashier": "Änne"}}
    settings = settings_for(tmp_path)
    async with serve(settings) as served, api_of(served) as api:
        await make_ready(served)
        first = await api.post("/sign", RECEIPT | own, key="receipt-8")
        assert "Idempotent-Replayed" not in first.headers
    async with serve(settings) as served, api_of(served) as api:
        again = await api.post("/sign", RECEIPT, key="receipt-8")
        assert again.json == first.json | {"replayed": True}
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json | own == again.json


TOO_MUCH: list[Any] = [
    ({"a b": "x"}, "metadata has a name that is not"),
    ({"a": "x" * 101}, "metadata/a has more than 100 characters"),
    ({str(number): "x" for number in range(11)}, "metadata has more than 10 entries"),
]


async def test_metadata_are_bounded(api: Api) -> None:
    for metadata, says in TOO_MUCH:
        refused = await api.post("/sign", RECEIPT | {"metadata": metadata})
        assert (refused.status, refused.json["detail"][: len(says)]) == (422, says)


async def test_when_the_tse_is_gone_the_archive_tells_the_same(api: Api) -> None:
    for number in range(3):
        await api.post("/sign", RECEIPT, key=str(number))
    expected = (await api.get("/transactions")).json
    steps = (await api.get("/transactions/2/steps")).json
    assert (await api.post("/archive/run")).status == 200
    device = api.served.registry.devices()[0]
    api.served.tse.faults.set("unplugged")
    with suppress(GatewayError):
        await device.read_info()
    async with asyncio.timeout(10):
        await device.failed.wait()
    assert (await api.get("/transactions")).json == expected | {"source": "archive"}
    assert (await api.get("/transactions/2/steps")).json == steps | {"source": "archive"}


async def test_a_serial_may_be_given_by_its_beginning(api: Api) -> None:
    serial = api.served.serial
    for beginning in (serial[:4], serial[:20].lower()):
        url = f"{api.served.url}/api/v1/tses/{beginning}/sign"
        async with api._session.post(url, json=RECEIPT) as answer:
            assert (answer.status, (await answer.json())["tse_serial"]) == (200, serial)
    for beginning, code in ((serial[:3], 400), ("00" * 20, 404)):
        async with api._session.get(f"{api.served.url}/api/v1/tses/{beginning}") as answer:
            assert answer.status == code or serial.startswith(beginning)


async def test_a_beginning_of_several_serials_is_refused(api: Api, tmp_path: Path) -> None:
    beginning = api.served.serial[:40]
    (tmp_path / "state" / "archive" / (beginning + "0" * 24)).mkdir(parents=True)  # of a TSE that was here once
    async with api._session.get(f"{api.served.url}/api/v1/archives") as answer:
        assert len((await answer.json())["archives"]) == 2
    async with api._session.get(f"{api.served.url}/api/v1/tses/{beginning}") as answer:
        problem = await answer.json(content_type=None)
        assert (answer.status, problem["code"]) == (400, "bad_request")
    assert "2 TSEs have a serial that begins with" in problem["detail"]
