"""Archives through the JSON API."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.archive.manifest import Manifest
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import Served, serve, settings_for


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served, b"POS-1")
    async with api_of(served) as made:
        assert (await made.post("/sign", RECEIPT)).status == 200
        yield made


async def test_a_run_answers_with_its_result_and_the_archive_tells_what_it_holds(api: Api) -> None:
    before = (await api.get("/archive")).json
    assert (before["verdict"], before["segments"], before["last_success"]) == ("none", [], None)
    assert before["first_seen"]
    ran = await api.post("/archive/run")
    assert ran.status == 200
    assert ran.json["added"] == ["0001-000001.tar"]
    assert ran.json["complete_up_to_counter"] == ran.json["messages"]
    told = (await api.get("/archive")).json
    assert (told["last_error"], told["running"], told["attached"]) == (None, None, True)
    assert told["complete_up_to_counter"] == ran.json["complete_up_to_counter"]
    (segment,) = told["segments"]
    assert segment["size"] == told["bytes"] == ran.json["bytes"]
    (listed,) = (await api.ask("GET", "/../../archives")).json["archives"]
    assert listed == {name: told[name] for name in listed}


async def test_the_rebuilt_store_is_the_full_export_and_can_be_had_in_parts(api: Api) -> None:
    await api.post("/archive/run")
    exported = (await api.get("/export")).body
    whole = await api.get("/archive/export")
    assert (whole.status, whole.body) == (200, exported)
    assert int(whole.headers["Content-Length"]) == len(exported)
    rest = await api.get("/archive/export", headers={"Range": "bytes=3000-", "If-Range": whole.headers["ETag"]})
    assert (rest.status, rest.body) == (206, exported[3000:])
    assert rest.headers["Content-Range"] == f"bytes 3000-{len(exported) - 1}/{len(exported)}"
    across = await api.get("/archive/export", headers={"Range": "bytes=500-7000"})
    assert across.body == exported[500:7001]
    await api.post("/sign", RECEIPT)
    await api.post("/archive/run")
    longer = await api.get("/archive/export", headers={"Range": "bytes=3000-", "If-Range": whole.headers["ETag"]})
    assert (longer.status, longer.body) == (200, (await api.get("/export")).body)
    changed = await api.get("/archive/export", headers={"If-Match": whole.headers["ETag"]})
    assert (changed.status, changed.json["code"]) == (412, "export_changed")
    outside = await api.get("/archive/export", headers={"Range": "bytes=99999999-"})
    assert (outside.status, outside.json["code"]) == (416, "range_invalid")


async def test_segments_and_manifests_are_given_as_they_lie_there(api: Api) -> None:
    await api.post("/archive/run")
    (segment,) = (await api.get("/archive")).json["segments"]
    tar = await api.get(f"/archive/files/{segment['file']}")
    assert hashlib.sha256(tar.body).hexdigest() == segment["sha256"]
    assert tar.headers["ETag"] == f'"{segment["sha256"]}"'
    assert tar.headers["Content-Type"] == "application/x-tar"
    part = await api.get(f"/archive/files/{segment['file']}", headers={"Range": "bytes=-100"})
    assert (part.status, part.body) == (206, tar.body[-100:])
    manifest = await api.get("/archive/files/0001-000001.json")
    assert Manifest.model_validate_json(manifest.body) == Manifest.model_validate(segment)
    on_disk = api.served.settings.state_dir / "archive" / api.served.serial / "0001-000001.json"
    assert on_disk.read_bytes() == manifest.body


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("0009-000001.tar", 404),
        ("state.json", 400),
        ("..%2Fstate.json", 400),
        ("..%2F..%2Fauthority", 400),
        ("0001-000001.tar%00", 400),
        (".draft.tar", 400),
    ],
)
async def test_no_other_file_leaves_the_archive(api: Api, name: str, status: int) -> None:
    await api.post("/archive/run")
    assert (await api.get(f"/archive/files/{name}")).status == status


async def test_what_there_is_not_is_not_found(api: Api) -> None:
    nothing = await api.get("/archive/export")
    assert (nothing.status, nothing.json["code"]) == (404, "nothing_archived")
    await api.post("/archive/run")
    assert (await api.get("/archive/export", params={"series": "2"})).json["code"] == "nothing_archived"
    unknown = await api.ask("GET", f"/../{'0' * 64}/archive")
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_device")
    assert (await api.ask("POST", f"/../{'0' * 64}/archive/run")).json["code"] == "unknown_device"


async def test_before_the_self_test_a_run_tells_why_it_cannot(api: Api) -> None:
    api.served.tse.power_cycle()
    await api.served.registry.devices()[0].read_info()
    refused = await api.post("/archive/run")
    assert (refused.status, refused.json["code"]) == (409, "store_closed")
    told = (await api.get("/archive")).json
    assert told["last_error"]["code"] == "store_closed"
    assert told["last_success"] is None


async def test_the_archive_of_a_tse_that_is_gone_stays_readable(api: Api, tmp_path: Path) -> None:
    await api.post("/archive/run")
    exported, serial = (await api.get("/archive/export")).body, api.served.serial
    elsewhere = settings_for(tmp_path / "new", archive_dir=api.served.settings.state_dir / "archive")
    async with serve(elsewhere) as served, api_of(served) as other:
        listed = (await other.ask("GET", "/../../archives")).json["archives"]
        assert {one["serial"]: one["attached"] for one in listed}[serial] is False
        kept = await other.ask("GET", f"/../{serial.lower()}/archive/export")
        assert (kept.status, kept.body) == (200, exported)
