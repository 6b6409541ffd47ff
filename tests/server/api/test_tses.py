"""What the JSON API tells of a TSE."""

import base64
import csv
import hashlib
import io
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.fleet.maintenance.flash_health import FlashHealthMonitor
from gateway.operations.forecast import Forecasts
from gateway.tse.certificates import key_of, serial_of
from gateway.tse.commands import SetTime
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import Served, till_of
from tests.support import NOW, receipt


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served)
    async with api_of(served) as made:
        yield made


async def test_a_tse_tells_how_long_it_will_last(api: Api) -> None:
    told = (await api.get()).json
    assert told["serial"] == api.served.serial
    assert told["serial_check_digits"] == hashlib.sha256(bytes.fromhex(api.served.serial)).hexdigest()[-2:]
    assert told["state"] == "ready"
    assert 0 < told["signatures_left_percent"] <= 100
    assert told["certificate_days_left"] > 365


async def test_flash_health(api: Api) -> None:
    assert (await api.get("/health")).json == {
        "spare_blocks_percent": 100,
        "uncorrectable_ecc_errors": 0,
        "remaining_erases_percent": 100,
        "ten_year_retention_percent": 100,
        "needs_replacement": False,
    }


async def test_the_certificate_chain_begins_with_the_tses_own(api: Api) -> None:
    answer = await api.get("/certificates")
    chain = x509.load_pem_x509_certificates(answer.body)
    assert serial_of(key_of(chain[0])).hex().upper() == api.served.serial
    for issued, issuer in itertools.pairwise(chain):
        issued.verify_directly_issued_by(issuer)


async def test_a_client_that_knows_no_pem_gets_bytes(api: Api) -> None:
    answer = await api.get("/certificates", headers={"Accept": "application/octet-stream"})
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.body.startswith(b"-----BEGIN CERTIFICATE-----")


async def test_dsfinvk_and_elster_data_are_ready_to_copy(api: Api) -> None:
    leaf = x509.load_pem_x509_certificates((await api.get("/certificates")).body)[0]
    row = (await api.get("/dsfinvk")).json
    assert row["TSE_SERIAL"] == api.served.serial
    parts = [row[f"TSE_ZERTIFIKAT_{name}"] for name in ("I", "II", "III", "IV", "V", "VI", "VII")]
    assert base64.b64decode("".join(parts)) == leaf.public_bytes(Encoding.DER)
    assert max(map(len, parts)) <= 1000
    sheet = (await api.get("/elster")).json
    assert sheet["certification_id"] == "BSI-K-TR-0000-2026"
    assert sheet["tse_serial"] == api.served.serial


async def test_an_unknown_tse_is_not_found(api: Api) -> None:
    answer = await api.ask("GET", f"/../{'0' * 64}")
    assert (answer.status, answer.json["code"]) == (404, "unknown_device")
    assert (await api.ask("GET", "/../123")).status == 400
    assert (await api.get(params={"surprise": "1"})).status == 400


async def test_the_token_is_needed_and_refusals_are_problems(api: Api) -> None:
    async with api_of(api.served, headers={}) as stranger:
        answer = await stranger.get()
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert "WWW-Authenticate" in answer.headers


async def test_a_request_that_the_path_does_not_take_is_told_what_it_takes(api: Api) -> None:
    wrong = await api.ask("DELETE", "")
    assert (wrong.status, wrong.json["code"], wrong.headers["Allow"]) == (405, "method_not_allowed", "GET")
    assert wrong.json["detail"] == "this path takes GET"
    unknown = await api.get("/nothing")
    assert (unknown.status, unknown.json["code"]) == (404, "not_found")
    assert "/api/v1/openapi.json" in unknown.json["detail"]
    text = await api.ask("POST", "/sign", data="client_id=POS-1", headers={"Content-Type": "text/plain"})
    assert (text.status, text.json["code"]) == (415, "unsupported_media_type")
    assert "application/json" in text.json["detail"]


async def test_the_csv_is_the_row_with_its_header_as_dsfinvk_wants_it(api: Api) -> None:
    row = (await api.get("/dsfinvk")).json
    given = {"z_kasse_id": 'Kasse "1"', "z_erstellung": "2026-11-24T20:15:00Z", "z_nr": "17", "tse_id": "1"}
    answer = await api.get("/dsfinvk.csv", params=given)
    header, line, end = answer.body.decode().split("\r\n")
    assert end == ""
    assert header.split(";") == [name.upper() for name in given] + list(row)
    assert line.startswith('"Kasse ""1""";"2026-11-24T20:15:00Z";17;1;"' + api.served.serial)
    (read,) = csv.DictReader(io.StringIO(answer.body.decode()), delimiter=";")
    assert {name: read[name] for name in row} == row
    empty = (await api.get("/dsfinvk.csv")).body.decode().split("\r\n")[1]
    assert empty.startswith('"";"";;;"')


async def test_how_long_it_will_last_is_told_at_the_growth_since_the_first_message(api: Api) -> None:
    device = api.served.registry.devices()[0]
    await device.command(SetTime(NOW + 864_000).encode())
    for _ in range(20):
        await receipt(device.command, device)
    await device.read_info()
    info = device.info = replace(device.info, max_signatures=10_000, capacity_blocks=5000)
    forecast = await Forecasts(now=lambda: NOW + 864_000.0).of(device)
    assert forecast is not None
    assert forecast.since == NOW
    assert forecast.signatures_per_day == pytest.approx(info.created_signatures / 10, rel=0.1)
    assert forecast.signatures_days_left == pytest.approx(
        info.remaining_signatures / forecast.signatures_per_day, rel=0.001
    )
    left = info.capacity_blocks - info.used_blocks
    assert forecast.store_days_left == pytest.approx(left / forecast.blocks_per_day, rel=0.01)
    assert await Forecasts(now=lambda: NOW + 3600.0).of(device) is None  # an hour tells nothing of a year
    sheet = (await api.get("/elster")).json
    assert sheet["in_service_since"].startswith("2026-09-21T")


async def test_a_tse_that_is_busy_or_closed_is_not_kept_from_its_work_by_a_forecast(api: Api) -> None:
    device = api.served.registry.devices()[0]
    lease = await device.lock.acquire(FlashHealthMonitor(api.served.registry), 1)
    assert (await api.get()).json["forecast"] is None
    assert await Forecasts(now=lambda: NOW + 864_000.0).of(device) is None
    device.lock.release(lease.session)
    device.info = replace(device.info, used_blocks=0)
    assert (await api.get()).json["forecast"] is None


async def test_who_holds_a_tse_is_told_and_an_operator_takes_it_back(api: Api) -> None:
    async with till_of(api.served) as till:
        session = (await till.ask(f"/lantse/api/v1/tse/{api.served.serial}/lock")).json["data"]
        read = f"/lantse/api/v1/tse/{api.served.serial}/{session}/readInfo"
        assert (await till.ask(read)).status == 200
        told = (await api.get()).json["lock"]
        assert told["peer"].startswith("127.0.0.1:")
        assert (told["client_id"], told["last_command"]) == ("", "")
        value = api.served.metrics.registry.get_sample_value
        assert value("tse_gateway_lock_holder", {"serial": api.served.serial, "address": "127.0.0.1"}) == 1
        released = await api.post("/lock/release")
        assert (released.status, released.json["released"]["peer"]) == (200, told["peer"])
        assert (await till.ask(read)).status == 400
        assert (await api.get()).json["lock"] is None
        assert (await api.post("/lock/release")).json == {"released": None}
        assert (await api.post("/sign", RECEIPT)).status == 200
