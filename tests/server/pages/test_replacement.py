"""PINs and PUK on their page, and the way from an old TSE to a new one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.app.gateway import running
from gateway.tse.commands import User
from gateway.tse.info import Lifecycle
from tests.server.pages.forms import forms_of, send
from tests.server.shop import Served, settings_for, until
from tests.server.status_page.browser import Browser, browser_of
from tests.support import set_up


class Pair:
    """A gateway with an old TSE in service and a new one, each with the PINs of the tests."""

    def __init__(self, old: Served, new: Served) -> None:
        self.old, self.new = old, new


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with running(settings_for(tmp_path, simulators=2, lock_wait=1)) as gateway:
        found = []
        for tse, clients in zip(gateway.simulators, ((b"POS-1", b"POS-2"), (b"POS-9",)), strict=True):
            device = gateway.registry.find(tse.serial.hex())
            await set_up(device.command, tse.serial, *clients)
            await device.read_info()
            found.append(Served(gateway.settings, gateway.registry, gateway.metrics, gateway.tokens, tse, gateway.port))
        yield Pair(*found)


@pytest.fixture
async def chief(pair: Pair) -> AsyncIterator[Browser]:
    token = await pair.old.tokens.add(NewToken("chief", Role.OPERATOR), 0)
    async with browser_of(pair.old) as browser:
        await browser.log_in(token)
        yield browser


async def test_pins_and_the_puk_are_changed_and_the_guard_says_what_is_at_stake(pair: Pair, chief: Browser) -> None:
    path, tse = f"/page/pins/{pair.old.serial}", pair.old.tse
    _, text = await chief.get(path)
    assert "Three wrong PUKs end the administration of this TSE for ever" in text
    _, page, _ = await send(chief, path, "change_pin", user="admin", old_pin="99999", new_pin="45678")
    assert "refused" in page.text
    assert "2: a wrong one takes one away" in page.text
    _, page, _ = await send(chief, path, "change_pin", user="admin", old_pin="12345", new_pin="45678")
    assert "The PIN is changed." in page.text
    assert tse.has_pin(User.ADMIN, b"45678")
    assert "45678" not in page.text
    _, page, _ = await send(chief, path, "unblock_pin", user="time_admin", puk="123456", new_pin="56789")
    assert "The new PIN is set." in page.text
    assert tse.has_pin(User.TIME_ADMIN, b"56789")
    _, page, _ = await send(chief, path, "change_puk", old_puk="123456", new_puk="654321")
    assert "The PUK is changed." in page.text
    _, page, _ = await send(chief, path, "change_puk", old_puk="123456", new_puk="111111")
    assert "refused" in page.text
    _, page, forms = await send(chief, path, "change_puk", old_puk="123456", new_puk="111111")
    assert "nobody can ever administer this TSE again" in page.text or "refused this PIN or PUK before" in page.text
    assert "risk_lockout" in forms["change_puk"].names


async def test_a_tse_is_replaced_step_by_step(pair: Pair, chief: Browser) -> None:
    old, new = pair.old, pair.new
    path = f"/page/replacement/{old.serial}"
    _, page, _ = await send(chief, path, "run_archive")
    assert "The archive holds everything" in page.text
    _, page, _ = await send(
        chief, path, "register_clients_of", new_serial=new.serial, admin_pin="12345", new_admin_pin="12345"
    )
    assert "POS-1" in page.text
    assert set(new.tse._core.state.clients) == {b"POS-1", b"POS-2", b"POS-9"}
    where, page, _ = await send(chief, path, "decommission_tse", admin_pin="12345")
    assert "never signs again" in page.text
    assert old.tse.lifecycle == Lifecycle.INITIALIZED
    _, page, _ = await send(chief, where, "decommission_tse", serial_end=old.serial[-4:])
    assert "The TSE is out of service." in page.text
    assert old.tse.lifecycle == Lifecycle.DECOMMISSIONED
    assert old.tse._core.state.clients == ()
    _, page, _ = await send(chief, path, "run_archive")
    assert "The archive holds everything" in page.text
    assert "decommission_tse" not in await forms_of(chief, path)
    log = (old.settings.state_dir / "audit.jsonl").read_text(encoding="utf-8")
    assert log.count('"decommission_tse"') == 1
    _, text = await chief.get(f"/page/setup/{old.serial}")
    assert "out of service for good" in text


async def test_stored_data_are_deleted_once_the_archive_holds_them_and_that_is_confirmed(
    pair: Pair, chief: Browser
) -> None:
    path, device = f"/page/exports/{pair.old.serial}", pair.old.registry.find(pair.old.serial)
    used = device.info.used_blocks
    where, page, _ = await send(chief, path, "delete_stored_data", admin_pin="12345")
    assert "are deleted" in page.text
    _, page, _ = await send(chief, where, "delete_stored_data", serial_end=pair.old.serial[-4:])
    assert "The archive holds them" in page.text
    await device.read_info()
    assert device.info.used_blocks < used


async def test_a_token_for_one_tse_sees_and_changes_no_other(pair: Pair) -> None:
    only = NewToken("filiale", Role.OPERATOR, tses=(pair.old.serial[:8],))
    token = await pair.old.tokens.add(only, 0)
    async with browser_of(pair.old) as browser:
        await browser.log_in(token)
        path = f"/page/replacement/{pair.old.serial}"
        answer, text = await browser.get(path)
        assert answer.status == 200
        assert "register_clients_of" not in text, "it sees no other TSE"
        found = (await forms_of(browser, path))["run_archive"]
        move = {"new_serial": pair.new.serial, "admin_pin": "12345", "new_admin_pin": "12345"}
        answer, _ = await browser.get(f"{path}/register_clients_of", "POST", data={**found.fields, **move})
        assert pair.new.tse._core.state.clients == (b"POS-9",)
        for page in ("tills", "setup", "pins", "maintenance", "replacement"):
            assert (await browser.get(f"/page/{page}/{pair.new.serial}"))[0].status == 403


async def test_a_tse_with_open_receipts_stays_in_service(pair: Pair, chief: Browser) -> None:
    old = pair.old
    async with browser_of(old) as till:
        body = {"client_id": "POS-1", "process_type": "Kassenbeleg-V1"}
        headers = {"Authorization": "Bearer test-token-0815"}
        url = f"{old.url}/api/v1/tses/{old.serial}/transactions"
        async with till.session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    path = f"/page/replacement/{old.serial}"
    where, _, _ = await send(chief, path, "decommission_tse", admin_pin="12345")
    _, page, _ = await send(chief, where, "decommission_tse", serial_end=old.serial[-4:])
    assert "1 transactions are open" in page.text
    assert old.tse.lifecycle == Lifecycle.INITIALIZED
    assert len(old.tse._core.state.clients) == 2


async def test_a_tse_that_is_gone_is_no_longer_reported_as_missing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, simulators=2)
    async with running(settings) as gateway:
        for tse in gateway.simulators:
            device = gateway.registry.find(tse.serial.hex())
            await set_up(device.command, tse.serial)
            await device.read_info()
        gone = gateway.simulators[1].serial.hex().upper()
        await until(lambda: gone in gateway.registry.expected)
    async with running(settings_for(tmp_path, simulators=1)) as gateway:
        served = Served(
            settings, gateway.registry, gateway.metrics, gateway.tokens, gateway.simulators[0], gateway.port
        )
        async with browser_of(served) as browser:
            await browser.log_in()
            path = f"/page/replacement/{served.serial}"
            async with asyncio.timeout(20):
                while "retire_tse" not in await forms_of(browser, path):  # noqa: ASYNC110 (a page has no event)
                    await asyncio.sleep(0.05)
            _, page, _ = await send(browser, path, "retire_tse", serial=gone)
            assert "no longer reported as missing" in page.text
            assert "retire_tse" not in await forms_of(browser, path)
    log = (settings.state_dir / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert any('"retire_tse"' in line and gone in line for line in log), "it names the TSE that is gone"
