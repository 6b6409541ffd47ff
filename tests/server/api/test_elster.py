"""The tills of the site by the API: entered, completed by their TSE, removed, and sent as XML."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp

from gateway.server.http import tls
from tests.server.shop import TOKEN, serve, settings_for
from tests.support import set_up

BASE, CLIENT = "/api/v1/elster", "POS-1"


def entered(serial: str, **changed: object) -> dict[str, Any]:
    till = {
        "serial_number": CLIENT,
        "kind": 1,
        "tse_form": "usb",
        "manufacturer": "Muster",
        "model": "Theke 3",
        "software": "Muster POS",
        "software_version": "7.4",
        "acquired": "2026-09-14",
        "in_service": "2026-09-21",
        "tse_serial": serial,
    }
    return {"till": till | changed}


async def test_a_till_is_entered_completed_by_its_tse_and_reported(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with (
        serve(settings) as served,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls.client_context(settings)),
            headers={"Authorization": aiohttp.encode_basic_auth("lantse", TOKEN)},
        ) as session,
    ):
        device = served.registry.devices()[0]
        await set_up(device.command, served.tse.serial)
        await device.read_info()

        async def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
            url = f"https://127.0.0.1:{served.port}{BASE}{path}"
            async with session.request(method, url, json=body) as response:
                text = response.content_type == "application/xml"
                return response.status, await (response.text() if text else response.json())

        status, problem = await ask("GET", ".xml")
        assert (status, problem["code"]) == (409, "site_incomplete")
        status, said = await ask("POST", "/tills", entered(device.serial))
        assert (status, said["missing"]) == (200, {CLIENT: ["certification_id"]})  # a simulated TSE has none
        assert said["tills"][0]["tse_in_service"] is not None
        status, problem = await ask("POST", "/tills", entered(device.serial, acquired="14.09.2026"))
        assert status == 422
        assert "acquired" in problem["detail"]
        await ask("POST", "/tills", entered(device.serial, certification_id="0412-2020"))
        status, text = await ask("GET", ".xml")
        assert (status, len(list(ET.fromstring(text.encode()).iter()))) == (200, 2 + 1 + 12)
        assert (await ask("POST", "/tills/remove", {"serial_number": "POS-77"}))[0] == 404
        assert (await ask("POST", "/tills/remove", {"serial_number": CLIENT}))[0] == 200
        assert (await ask("GET", "/tills"))[1] == {"tills": [], "missing": {}}
