"""What an operator does with the pages in a real Chromium, from the first set-up to the decommissioning."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.app.gateway import Gateway, running
from gateway.i18n.text import Language
from gateway.server.pages.table import PAGES
from gateway.tse.info import Lifecycle
from tests.server.shop import Served, settings_for, till_of
from tests.server.status_page.reads import read_and_take, roles
from tests.server.status_page.visit import PATIENCE, Proof, Visit
from tests.support import set_up

PINS = {"admin-puk": "482915", "admin-pin": "40213", "time-admin-pin": "73519"}


SET_UP_WORDS: Mapping[Language, tuple[str, str]] = {  # of a fresh TSE, of the sheet
    "de": ("ab Werk, noch nie in Betrieb", "Dieses Blatt drucken"),
    "en": ("from the factory, never in service", "Print this sheet"),
}


class Operator:
    """Somebody who acts by the pages of one TSE."""

    def __init__(self, seen: Visit, serial: str) -> None:
        self._seen, self.page, self.serial = seen, seen.page, serial

    async def open(self, page: str, query: str = "") -> None:
        """Go to a page, of the TSE if it is of one."""
        of_tse = next(it.of_tse for it in PAGES if it.name == page)
        path = f"page/{page}" + (f"/{self.serial}" if of_tse else "")
        await self.page.goto(f"{self._seen.url}{path}{query}")

    async def send(self, form: str, **typed: str) -> None:
        """Fill in a form and send it; a value of `yes` ticks."""
        page, card = self.page, form.replace("_", "-")
        for name, value in typed.items():
            field = page.locator(f"#{card}-{name.replace('_', '-')}")
            kind = await field.evaluate("element => element.type")
            if kind == "checkbox":
                await field.check()
            elif kind == "select-one":
                await field.select_option(value)
            else:
                await field.fill(value)
        await page.click(f"#{card} form button[type=submit]")

    async def confirm(self, form: str) -> None:
        """Answer the second step."""
        typed = self.page.locator(f"#{form.replace('_', '-')}-serial-end")
        if await typed.count():
            await typed.fill(self.serial[-4:])
        await self.page.click(f"#{form.replace('_', '-')} button.danger")

    async def asks(self, **typed: str) -> None:
        """Fill in a form that only asks, and send it."""
        for name, value in typed.items():
            await self.page.fill(f"#ask-{name}", value)
        await self.page.click("form.asks button")

    async def saves(self, link: str) -> bytes:
        """Click a link to a file, and return what the browser saved."""
        async with self.page.expect_download() as downloading:
            await self.page.click(f"main a >> text={link}")
        saved: bytes = (await (await downloading.value).path()).read_bytes()
        return saved

    async def reads(self, text: str) -> None:
        """Expect a text on the page."""
        await expect(self.page.locator("main")).to_contain_text(text, timeout=PATIENCE)

    async def look(self, name: str) -> None:
        """Let axe-core look, keep a picture, and see that nobody scrolls sideways."""
        size = self.page.viewport_size
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= (size or {"width": 0})["width"], f"{name} is scrolled sideways"
        await self._seen.look(name)


async def first_set_up(operator: Operator, name: str, words: tuple[str, str]) -> None:
    """Look at a fresh TSE, choose PINs and tills, confirm, and read the sheet."""
    await operator.open("setup")
    await operator.reads(words[0])
    await operator.look(f"{name}-setup-look")
    await operator.open("setup", "?step=values")
    given = {name.replace("-", "_"): value for name, value in PINS.items()}
    await operator.send("set_up_tse", **given, client_ids="POS-1\nPOS-2")
    await operator.confirm("set_up_tse")
    await operator.send("set_up_tse", trust_system_clock="yes")
    await operator.look(f"{name}-setup-confirm")
    await operator.confirm("set_up_tse")
    await operator.reads(words[1])
    await operator.reads(PINS["admin-puk"])
    await operator.look(f"{name}-setup-sheet")


async def every_act(operator: Operator, seen: Visit, served: Served) -> None:
    """Do each act in German; every view is looked at once."""
    pin = PINS["admin-pin"]
    await first_set_up(operator, "de", SET_UP_WORDS["de"])
    await operator.open("setup")
    await operator.send("sign_test_receipt", client_id="POS-2")
    await operator.reads("Die TSE hat einen Testbeleg für POS-2 signiert")
    await operator.look("de-setup-done")

    await operator.open("tills")
    await operator.send("register_client", client_id="Käse/1", admin_pin=pin)
    await operator.reads("Buchstaben ohne Umlaute")
    await operator.send("register_client", client_id="POS-3", admin_pin=pin)
    await operator.reads("Die Kasse POS-3 ist angemeldet.")
    await operator.send("deregister_client", client_id="POS-3", admin_pin=pin)
    await operator.look("de-tills-confirm")
    await operator.confirm("deregister_client")
    await operator.reads("Die Kasse POS-3 ist abgemeldet.")
    await operator.send("register_client", client_id="POS-4", admin_pin=pin)
    await operator.send("rename_client", client_id="POS-4", new_client_id="POS-5", admin_pin=pin)
    await operator.reads("Die Kasse POS-4 heißt jetzt POS-5.")
    async with till_of(served) as till:
        await till.lock()
        await operator.open("tills")
        await operator.send("release_lock")
        await operator.confirm("release_lock")
        await operator.reads("Die TSE ist wieder frei.")
    await operator.send("list_clients", admin_pin=pin)
    await operator.reads("POS-2")
    await operator.look("de-tills")

    await operator.open("maintenance")
    await operator.send("run_self_test", client_id="POS-1")
    await operator.reads("Die TSE hat ihren Selbsttest bestanden.")
    await operator.send("set_time", pin=PINS["time-admin-pin"])
    await operator.send("set_time", pin=PINS["time-admin-pin"], trust_system_clock="yes")
    await operator.reads("Die Uhrzeit ist gestellt.")
    await operator.look("de-maintenance")

    await operator.open("pins")
    for _ in range(2):  # the second time the guard holds it back
        await operator.send("change_pin", user="admin", old_pin="99999", new_pin="45678")
    await operator.reads("Die TSE hat diese PIN oder PUK schon abgelehnt")
    await operator.look("de-pins-guard")
    await operator.send("change_pin", user="admin", old_pin=pin, new_pin="45678")
    await operator.reads("Die PIN ist geändert.")
    await operator.send("unblock_pin", user="admin", puk=PINS["admin-puk"], new_pin=pin)
    await operator.reads("Die neue PIN ist gesetzt.")
    await operator.send("change_puk", old_puk=PINS["admin-puk"], new_puk="111222")
    await operator.reads("Die PUK ist geändert.")
    await operator.look("de-pins")

    await operator.open("tokens")
    await operator.send("add_token", name="steuerberater", role="auditor")
    await operator.reads("Das Token steuerberater ist angelegt.")
    await operator.look("de-tokens")
    await operator.send("rotate_token", name="steuerberater", overlap_seconds="86400")
    await operator.reads("Das Token steuerberater ist ersetzt.")
    await operator.send("revoke_token", name="steuerberater")
    await operator.confirm("revoke_token")
    await operator.reads("Das Token steuerberater ist widerrufen.")
    seen.expect_silence()


async def replace(operator: Operator, new: str) -> None:
    """The way from the old TSE to the new one, in English and on a phone."""
    await operator.open("replacement")
    await operator.send("run_archive")
    await operator.reads("The archive holds everything")
    await operator.open("exports")
    await operator.send("delete_stored_data", admin_pin=PINS["admin-pin"])
    await operator.confirm("delete_stored_data")
    await operator.reads("The archive holds them")
    await operator.open("replacement")
    await operator.send("register_clients_of", new_serial=new, admin_pin=PINS["admin-pin"], new_admin_pin="12345")
    await operator.reads("POS-2")
    await operator.look("en-phone-dark-replacement")
    await operator.send("decommission_tse", admin_pin=PINS["admin-pin"])
    await operator.look("en-phone-dark-decommission")
    await operator.confirm("decommission_tse")
    await operator.reads("The TSE is out of service.")


async def read_without_scripts(proof: Proof, token: str, operator: str, options: dict[str, Any]) -> None:
    """Every page is there, and a form works."""
    async with proof.visit("en-GB", java_script_enabled=False, **options) as seen:
        await seen.log_in(token)
        await expect(seen.page.locator("#outages")).to_be_visible()
        reader = Operator(seen, operator)
        for page in PAGES:
            await reader.open(page.name)
            await expect(seen.page.locator("h1")).to_have_text(page.title.en)
            await expect(seen.page.locator("main .card").first).to_be_visible()
        await reader.open("tills")
        await reader.send("list_clients", admin_pin="12345")
        await reader.reads("POS-9")


async def act(
    proof: Proof, directory: Path, given: dict[str, Any], desktop: dict[str, Any], phone: dict[str, Any]
) -> None:
    """All acts of operators, on one gateway with a fresh TSE and one in service."""
    async with running(settings_for(directory, **{**given, "simulators": 2})) as gateway:
        old, new = gateway.simulators
        await _set_up(gateway)
        served = Served(gateway.settings, gateway.registry, gateway.metrics, gateway.tokens, old, gateway.port)
        token = await gateway.tokens.add(NewToken("chef", Role.OPERATOR), 0)
        async with proof.visit(**desktop) as seen:
            await seen.log_in(token)
            await seen.page.click("text=Jetzt einrichten")
            await expect(seen.page.locator("h1")).to_have_text("Einrichten")
            await every_act(Operator(seen, served.serial), seen, served)
            await read_and_take(Operator(seen, served.serial))
            seen.expect_silence()
        await roles(proof, gateway, served.serial, desktop)
        async with proof.visit("en-GB", **{**phone, "color_scheme": "dark"}) as seen:
            await seen.log_in(token)
            await expect(seen.page.locator("header ul")).not_to_be_visible()
            await seen.page.click(".menu summary")
            await seen.page.click("header ul >> text=Tills")
            await expect(seen.page.locator("h1")).to_have_text("Tills")
            for page in PAGES:
                await Operator(seen, new.serial.hex().upper()).open(page.name)
                await Operator(seen, new.serial.hex().upper()).look(f"en-phone-dark-{page.name}")
            await replace(Operator(seen, served.serial), new.serial.hex().upper())
            seen.expect_silence()
        assert old.lifecycle == Lifecycle.DECOMMISSIONED
        await read_without_scripts(proof, token, new.serial.hex().upper(), desktop)


async def _set_up(gateway: Gateway) -> None:
    """Put the second TSE into service."""
    tse = gateway.simulators[1]
    device = gateway.registry.find(tse.serial.hex())
    await set_up(device.command, tse.serial, b"POS-9", now=int(time.time()))
    await device.read_info()
