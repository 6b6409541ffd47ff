"""Exports through the JSON API: the same bytes as the TSE's own, resumable, and never a wrong archive."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from gateway.fleet.device import Device
from gateway.tse.commands import (
    FILTER_OPEN_END,
    AcknowledgeExport,
    DeleteStoredData,
    Login,
    NextExportPart,
    Part,
    SetTime,
    StartExport,
    User,
)
from gateway.tse.tar import members
from tests.server.api.client import Api, api_of, make_ready
from tests.server.shop import Served
from tests.support import ADMIN_PIN, NOW, export, receipt

CURSOR = "TSE-Export-Cursor"


@dataclass(frozen=True)
class Filter:
    since: int = 0
    until: int = FILTER_OPEN_END
    first: int = 0
    last: int = FILTER_OPEN_END
    client: str = ""

    def params(self) -> dict[str, str]:
        given = {"from_time": self.since, "to_time": self.until, "from_number": self.first, "to_number": self.last}
        found = {name: str(value) for name, value in given.items() if value not in (0, FILTER_OPEN_END)}
        return found | ({"client_id": self.client} if self.client else {})


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served, b"POS-1", b"POS-2")
    device = served.registry.devices()[0]
    for number, client in enumerate((b"POS-1", b"POS-2", b"POS-1")):
        await device.command(SetTime(NOW + 100 * number).encode())
        await receipt(device.command, device, client, data=b"x" * 700 * number)
    async with api_of(served) as made:
        yield made


def device_of(api: Api) -> Device:
    return api.served.registry.devices()[0]


async def by_the_tse(device: Device, wanted: Filter) -> bytes:
    """What firmware 1.x itself exports."""
    limits = wanted.since, wanted.until, wanted.first, wanted.last
    await device.command(StartExport(*limits, wanted.client.encode()).encode())
    found = b""
    while part := Part.decode(await device.command(NextExportPart().encode())).data:
        found += part
    return found


async def test_a_full_export_is_the_store(api: Api) -> None:
    whole = await export(device_of(api))
    answer = await api.get("/export")
    assert (answer.status, answer.body) == (200, whole)
    assert int(answer.headers["Content-Length"]) == len(whole)
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert api.served.serial in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(since=NOW + 100),
        Filter(until=NOW + 99),
        Filter(since=NOW + 100, until=NOW + 199),
        Filter(first=2, last=2),
        Filter(first=2),
        Filter(client="POS-2"),
        Filter(since=NOW + 100, client="POS-1"),
    ],
)
async def test_our_own_filter_gives_the_bytes_of_the_tse(api: Api, wanted: Filter) -> None:
    expected = await by_the_tse(device_of(api), wanted)
    answer = await api.get("/export/filtered", params=wanted.params())
    assert (answer.status, answer.body) == (200, expected)


async def test_where_nothing_matches_there_is_no_archive(api: Api) -> None:
    answer = await api.get("/export/filtered", params={"from_number": "99"})
    assert (answer.status, answer.json["code"]) == (404, "nothing_to_export")


async def test_an_export_is_resumed_where_it_broke_off_though_tills_went_on(api: Api) -> None:
    first = await api.get("/export")
    await receipt(device_of(api).command, device_of(api))
    half = len(first.body) // 2 + 7
    headers = {"Range": f"bytes={half}-", "If-Range": first.headers["ETag"]}
    rest = await api.get("/export", headers=headers)
    assert (rest.status, rest.body) == (206, first.body[half:])
    assert rest.headers["Content-Range"] == f"bytes {half}-{len(first.body) - 1}/{len(first.body)}"


@pytest.mark.parametrize(("asked", "expected"), [("bytes=0-9", slice(0, 10)), ("bytes=-600", slice(-600, None))])
async def test_a_range_of_an_export(api: Api, asked: str, expected: slice) -> None:
    whole = await export(device_of(api))
    answer = await api.get("/export", headers={"Range": asked})
    assert (answer.status, answer.body) == (206, whole[expected])


async def test_a_stream_names_its_request_and_no_library(api: Api) -> None:
    answer = await api.get("/export", headers={"X-Request-ID": "export-1"})
    assert (answer.headers["X-Request-ID"], answer.headers["Server"]) == ("export-1", "tse-gateway")


async def test_a_range_outside_is_refused(api: Api) -> None:
    answer = await api.get("/export", headers={"Range": "bytes=99999999-"})
    assert (answer.status, answer.json["code"]) == (416, "range_invalid")


async def _delete_everything(device: Device) -> None:
    await device.command(Login(User.ADMIN, ADMIN_PIN).encode())
    await device.read_info()
    await device.command(AcknowledgeExport(device.info.used_blocks * 512).encode())
    await device.command(DeleteStoredData().encode())
    for _ in range(20):
        await receipt(device.command, device)


async def test_after_stored_data_were_deleted_an_old_export_is_not_continued(api: Api) -> None:
    first = await api.get("/export")
    await _delete_everything(device_of(api))
    again = await api.get("/export", headers={"Range": "bytes=1024-", "If-Range": first.headers["ETag"]})
    assert (again.status, again.body) == (200, await export(device_of(api)))
    refused = await api.get("/export", headers={"Range": "bytes=1024-", "If-Match": first.headers["ETag"]})
    assert (refused.status, refused.json["code"]) == (412, "export_changed")
    invalid = await api.get("/export/new", params={"cursor": first.headers[CURSOR]})
    assert (invalid.status, invalid.json["code"]) == (409, "cursor_invalid")


async def test_incremental_exports_together_are_the_whole(api: Api) -> None:
    first = await api.get("/export")
    names = [member.name for member in members(first.body)]
    none = await api.get("/export/new", params={"cursor": first.headers[CURSOR]})
    assert (none.status, none.json["code"]) == (404, "nothing_to_export")
    cursor = first.headers[CURSOR]
    for _ in range(2):
        await receipt(device_of(api).command, device_of(api))
        newer = await api.get("/export/new", params={"cursor": cursor})
        assert newer.status == 200
        assert int(newer.headers["Content-Length"]) == len(newer.body)
        added = [member.name for member in members(newer.body)]
        assert added[:2] == names[:2]
        names += added[2:]
        cursor = newer.headers[CURSOR]
    assert names == [member.name for member in members(await export(device_of(api)))]


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "bnVsbA", "e30", "\u00e9"])
async def test_a_senseless_cursor_is_told(api: Api, cursor: str) -> None:
    answer = await api.get("/export/new", params={"cursor": cursor})
    assert (answer.status, answer.json["code"]) == (409, "cursor_invalid")


async def test_before_the_self_test_the_store_is_closed(served: Served) -> None:
    async with api_of(served) as api:
        for path in ("/export", "/export/filtered", "/certificates", "/dsfinvk", "/elster", "/transactions/1"):
            answer = await api.get(path)
            assert (answer.status, answer.json["code"]) == (409, "store_closed")


async def test_an_export_that_breaks_off_is_seen_to_be_incomplete(api: Api) -> None:
    more_than_sockets_buffer = b"x" * 16_000_000
    await receipt(device_of(api).command, device_of(api), data=more_than_sockets_buffer)
    async with api.opened("/export") as answer:
        await answer.content.readexactly(512)
        api.served.tse.faults.set("io_error")
        with pytest.raises((aiohttp.ClientPayloadError, ConnectionError)):
            await answer.read()
    api.served.tse.faults.clear()
