"""The set-up of a TSE on its page, from the look at it to the sheet; and a gateway that is given the TimeAdmin PIN."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientResponse

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.errors import CommandRejected
from gateway.tse.commands import ChangePuk, SelfTest, User
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from gateway.tse.info import Lifecycle
from tests.server.api.client import make_ready
from tests.server.pages.forms import forms_of, send
from tests.server.shop import Served, serve, settings_for
from tests.server.status_page.browser import Browser, browser_of
from tests.support import CLIENT, PUK


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(settings_for(tmp_path)) as running:
        yield running


@pytest.fixture
async def chief(served: Served) -> AsyncIterator[Browser]:
    token = await served.tokens.add(NewToken("chief", Role.OPERATOR), 0)
    async with browser_of(served) as browser:
        await browser.log_in(token)
        yield browser


async def _qr(browser: Browser, path: str) -> ClientResponse:
    return (await browser.get(path))[0]


async def test_a_fresh_tse_is_set_up_step_by_step_and_signs_a_test_receipt(served: Served, chief: Browser) -> None:
    path, tse = f"/page/setup/{served.serial}", served.tse
    _, text = await chief.get(path)
    assert "from the factory, never in service" in text
    assert "Nobody vouches for it" in text
    made = (await forms_of(chief, f"{path}?step=values"))["set_up_tse"].fields
    other = (await forms_of(chief, f"{path}?step=values"))["set_up_tse"].fields
    assert (len(made["admin_puk"]), len(made["admin_pin"]), len(made["time_admin_pin"])) == (6, 5, 5)
    assert made["admin_puk"] != other["admin_puk"] or made["admin_pin"] != other["admin_pin"]

    typed = {"admin_puk": "482915", "time_admin_pin": "73519", "client_ids": "POS-1\r\nHof Süd"}
    _, page, _ = await send(chief, f"{path}?step=values", "set_up_tse", **typed)
    assert "letters without umlauts" in page.text
    typed["client_ids"] = "POS-1\r\nHof"
    where, page, _ = await send(chief, f"{path}?step=values", "set_up_tse", **typed)
    assert "put into service for good" in page.text
    where, page, _ = await send(chief, where, "set_up_tse", serial_end="zzzz")
    assert "nothing was done" in page.text
    assert tse.lifecycle == Lifecycle.UNINITIALIZED
    where, page, _ = await send(chief, where, "set_up_tse", serial_end=served.serial[-4:].lower())
    assert "not known to be right" in page.text
    assert tse.lifecycle == Lifecycle.UNINITIALIZED
    where, page, _ = await send(chief, where, "set_up_tse", trust_system_clock="yes")
    assert "482915" in page.text
    _, page, _ = await send(chief, where, "set_up_tse", serial_end=served.serial[-4:])

    assert tse.lifecycle == Lifecycle.INITIALIZED
    assert all(shown in page.text for shown in ("482915", "73519", "POS-1, Hof", "Transaction 1", "does self test"))
    assert tse.has_pin(User.TIME_ADMIN, b"73519")
    assert served.registry.devices()[0].has_pin
    (image,) = (attributes["src"] or "" for tag, attributes in page.tags if tag == "img")
    assert (await _qr(chief, image)).content_type == "image/svg+xml"
    log = (served.settings.state_dir / "audit.jsonl").read_text(encoding="utf-8")
    assert '"set_up_tse"' in log
    assert "482915" not in log

    _, text = await chief.get(path)
    assert "482915" not in text, "the sheet is shown once"
    _, page, _ = await send(chief, path, "sign_test_receipt", client_id="Hof")
    assert "Transaction 2" in page.text


async def test_a_set_up_that_broke_off_asks_for_the_pins_of_then(served: Served, chief: Browser) -> None:
    path, device = f"/page/setup/{served.serial}", served.registry.devices()[0]
    with suppress(CommandRejected):  # a fresh TSE fails it
        await device.command(SelfTest(CLIENT).encode())
    initial = initial_credentials(RETAIL_SEED, served.tse.serial)
    await device.command(ChangePuk(User.ADMIN, initial.admin_puk, PUK).encode())
    await device.read_info()
    _, text = await chief.get(f"{path}?step=values")
    assert "An earlier set-up of this TSE broke off" in text
    assert "admin_puk" not in (await forms_of(chief, f"{path}?step=values"))["set_up_tse"].fields


async def test_the_time_admin_pin_is_kept_if_it_is_right_and_over_a_restart(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with serve(settings) as served, browser_of(served) as browser:
        await make_ready(served)
        await browser.log_in()
        path = f"/page/setup/{served.serial}"
        _, page, _ = await send(browser, path, "keep_time_admin_pin", pin="11111")
        assert "refused" in page.text
        assert not served.registry.devices()[0].has_pin
        _, page, _ = await send(browser, path, "keep_time_admin_pin", pin="98765")
        assert "The PIN is right" in page.text
        assert "keep_time_admin_pin" not in await forms_of(browser, path)
    file = settings.state_dir / "time-admin-pins.txt"
    assert file.stat().st_mode & 0o777 == 0o600
    async with serve(settings) as served:
        assert served.registry.devices()[0].has_pin
