"""The doctor and the support bundle of a gateway that runs: what the command finds, asked over the API."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from pydantic import SecretStr

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.checks import Layer
from gateway.doctor import examination
from tests.server.api.client import SECRETS, Api, api_of, make_ready
from tests.server.shop import TOKEN, Served, serve, settings_for


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    pin = SecretStr(SECRETS["time_admin_pin"])
    async with serve(settings_for(tmp_path, time_admin_pin=pin, metrics_token="metrics-1623")) as made:
        await make_ready(made)
        yield made


async def _asked(api: Api, path: str, **headers: str) -> tuple[int, bytes]:
    url = f"{api.served.url}/api/v1/{path}"
    async with api._session.get(url, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_it_finds_what_the_command_finds(served: Served) -> None:
    async with api_of(served) as api:
        status, body = await _asked(api, "doctor")
        assert status == 200
        found = json.loads(body)["findings"]
        command = [result.as_data("en") for result in await examination.here(served.settings)]
        assert [(it["layer"], it["verdict"]) for it in found] == [(it["layer"], it["verdict"]) for it in command]
        assert {it["layer"] for it in found} == {*Layer} - {Layer.POOL}
        assert json.loads(body)["verdict"] == "fail", "nobody says that the clock is right"
        german = json.loads((await _asked(api, "doctor", **{"Accept-Language": "de"}))[1])["findings"]
        assert {it["text"] for it in german if it["layer"] == "self test"} == {"bestanden, nächster in 24 h"}


async def test_a_token_for_one_tse_is_told_of_no_other_and_gets_no_bundle(served: Served) -> None:
    elsewhere = await served.tokens.add(NewToken("elsewhere", Role.OPERATOR, tses=("0000",)), 0)
    async with api_of(served, headers={"Authorization": f"Bearer {elsewhere}"}) as api:
        _, body = await _asked(api, "doctor")
        assert {it["tse_serial"] for it in json.loads(body)["findings"]} == {None}
        status, body = await _asked(api, "support-bundle")
        assert status == 403
        assert "use a token without TSEs" in json.loads(body)["detail"]


async def test_the_support_bundle_is_that_of_the_command_and_holds_no_secret(served: Served) -> None:
    async with api_of(served) as api:
        status, body = await _asked(api, "support-bundle")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    of_tse = {f"tse-{served.serial[:16]}/{part}" for part in ("info.json", "health.json", "certificates.pem")}
    assert of_tse | {"doctor.json", "settings.json", "usb.txt", "kernel.txt", "log.json", "audit.json"} <= parts.keys()
    assert "unreachable.txt" not in parts
    for name, text in parts.items():
        for secret in (TOKEN, SECRETS["time_admin_pin"], "metrics-1623", "PRIVATE KEY"):
            assert secret not in text, name
