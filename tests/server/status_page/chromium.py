"""`python -m tests.server.status_page.chromium [--keep DIRECTORY]`: the page in a real Chromium; see README.md.

A gateway with simulated TSEs runs in this process. A TSE is pulled and plugged in while the page is open, tokens right
and wrong are typed, the gateway is stopped and started again. axe-core looks at each view; the browser's console
must stay silent. `--keep` keeps a picture of each view.
"""

import argparse
import asyncio
import contextlib
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, async_playwright, expect

from gateway.app.gateway import Gateway, running
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.server.status_page import events
from gateway.tse.commands import Login, SelfTest, SetTime, User
from tests.server.docs_page.tried import tries_requests
from tests.server.shop import TOKEN, settings_for
from tests.server.status_page.acts import act
from tests.server.status_page.visit import PATIENCE, Proof
from tests.support import CLIENT, TIME_ADMIN_PIN, receipt, set_up

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
LIGHT = 150_000  # bytes of a first visit, everything together
AT_ONCE = 2.0  # seconds from the failure of a TSE to the words of it on an open page


async def a_day_at_the_shop(proof: Proof, gateway: Gateway) -> None:
    """Pulled and plugged in while the page is open; tokens wrong and right; reading, copying, leaving."""
    tse = gateway.simulators[0]
    device = gateway.registry.find(tse.serial.hex())
    async with proof.visit(**DESKTOP, permissions=["clipboard-read", "clipboard-write"]) as seen:
        page = seen.page
        await seen.says("Signiert")
        await seen.is_linked("live")
        weight = await seen.weigh()
        print(f"{'weight of a first visit':24} {weight} bytes")
        assert weight < LIGHT
        await seen.look("de-desktop")

        await page.evaluate("window.sameDocument = true")
        tse.faults.set("unplugged")
        await device.failed.wait()
        began = time.monotonic()
        await seen.says("Signiert nicht")
        seconds = time.monotonic() - began
        print(f"{'unplugged is shown after':24} {seconds:.2f} s")
        assert seconds < AT_ONCE
        assert await page.evaluate("window.sameDocument")
        await expect(page.locator("#icon")).to_have_attribute("href", "/page/bad.svg")
        await seen.look("de-unplugged")

        await seen.log_in("guessed")
        await expect(page.locator(".error")).to_contain_text("Das war nicht der apiToken")
        await seen.look("de-wrong-token")
        await seen.log_in(TOKEN)
        await expect(page.locator("#outages li.open")).to_contain_text("nicht erreichbar")
        await expect(page.get_by_text(TOKEN)).not_to_be_visible()
        await page.click("#connection summary")
        await page.click("#connection details button")
        assert await page.evaluate("navigator.clipboard.readText()") == TOKEN
        await seen.look("de-failed-administrator")

        await page.evaluate("window.sameDocument = true")
        tse.faults.clear()
        await seen.says("Noch nicht bereit")
        await device.command(SelfTest(CLIENT).encode())
        await device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
        await device.command(SetTime(int(time.time())).encode())
        await device.read_info()
        await seen.says("Signiert")
        assert await page.evaluate("window.sameDocument")
        assert await page.locator("#connection details[open]").count() == 1, "what was opened stays open"
        await expect(page.locator("figure .value")).to_contain_text("jetzt")
        await seen.look("de-administrator")

        async with page.expect_download() as downloading:
            await page.click("text=Export (TAR)")
        saved = await (await downloading.value).path()
        assert saved.stat().st_size > 10_000
        await page.click("text=Liste zum Drucken")
        await expect(page.locator("table")).to_contain_text("nicht erreichbar")
        await page.go_back()
        await page.click("text=English")
        await seen.says("Signing")
        await page.click("text=Help for every state")
        await expect(page.locator("#unplugged")).to_contain_text("Plug the TSE in again")
        await seen.look("en-help")
        await page.go_back()
        await page.click("text=Log out")
        await expect(page.locator("#login")).to_be_visible()
        seen.expect_silence()


async def each_view(proof: Proof) -> None:
    """Phone and desktop, light and dark, German and English."""
    for name, locale, options in (
        ("en-desktop-dark", "en-GB", {**DESKTOP, "color_scheme": "dark"}),
        ("de-phone", "de-DE", PHONE),
        ("en-phone-dark", "en-GB", {**PHONE, "color_scheme": "dark"}),
    ):
        async with proof.visit(locale, **options) as seen:
            await seen.look(f"{name}-everybody")
            await seen.log_in(TOKEN)
            await expect(seen.page.locator("#outages")).to_be_visible()
            wide = await seen.page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wide, "nobody scrolls sideways"
            await seen.look(name)
            seen.expect_silence()


async def without_scripts(proof: Proof) -> None:
    """The state, the login and the details are there."""
    async with proof.visit("en-GB", java_script_enabled=False, **DESKTOP) as seen:
        await seen.says("Signing")
        await seen.log_in(TOKEN)
        await expect(seen.page.locator("#outages")).to_be_visible()
        await expect(seen.page.locator("button.js").first).not_to_be_visible()


async def one_too_many(proof: Proof) -> None:
    """A page that is not kept up to date is no lost one: it loads itself anew now and then."""
    most, events._MOST_OF_ONE = events._MOST_OF_ONE, 0
    try:
        async with proof.visit(**DESKTOP) as seen:
            await seen.page.clock.install()
            await seen.page.reload()
            await seen.is_linked("none")
            await expect(seen.page.locator(".lost, .live")).to_have_count(2)
            for hidden in (".lost", ".live"):
                await expect(seen.page.locator(hidden)).not_to_be_visible()
            events._MOST_OF_ONE = most
            await seen.page.clock.fast_forward(31_000)
            await seen.is_linked("live")
            seen.expect_silence(but_for="status of 503")
    finally:
        events._MOST_OF_ONE = most


@asynccontextmanager
async def selling(gateway: Gateway, tses: int) -> AsyncIterator[None]:
    """A till rings all the time."""
    devices = [gateway.registry.find(tse.serial.hex()) for tse in gateway.simulators[:tses]]
    ringing = asyncio.create_task(_ring(devices))
    try:
        yield
    finally:
        ringing.cancel()
        await asyncio.gather(ringing, return_exceptions=True)


async def _ring(devices: list[Device]) -> None:
    while True:
        for device in devices:
            with contextlib.suppress(GatewayError):
                await receipt(device.command, device)
        await asyncio.sleep(0.3)


async def _set_up(gateway: Gateway, tses: int) -> None:
    for tse in gateway.simulators[:tses]:
        device = gateway.registry.find(tse.serial.hex())
        await set_up(device.command, tse.serial, now=int(time.time()))
        await receipt(device.command, device)
        await device.read_info()


async def prove(browser: Browser, directory: Path, keep: Path | None) -> None:
    """One site after the other; the last gateway is stopped and started again under an open page."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proof = Proof(browser, port, keep)
    given: dict[str, Any] = {"port": port, "keep_alive": 0.25, "site": "Köln-Ehrenfeld"}
    async with running(settings_for(directory / "one", **given)) as gateway:
        await _set_up(gateway, 1)
        async with selling(gateway, 1):
            await a_day_at_the_shop(proof, gateway)
            await without_scripts(proof)
            await tries_requests(proof, gateway.simulators[0].serial.hex().upper(), **DESKTOP)
            await one_too_many(proof)
    async with AsyncExitStack() as stack:
        async with running(settings_for(directory / "three", **{**given, "simulators": 3})) as gateway:
            await _set_up(gateway, 2)
            gateway.simulators[1].faults.set("unplugged")
            async with selling(gateway, 2):
                await each_view(proof)
                seen = await stack.enter_async_context(proof.visit(**DESKTOP))
                await seen.says("Signiert, aber nicht mit jeder TSE")
            stopping = time.monotonic()
        print(f"{'stopped under a page in':24} {time.monotonic() - stopping:.2f} s")
        await expect(seen.page.locator(".lost")).to_be_visible(timeout=PATIENCE)
        await seen.look("de-no-gateway")
        async with running(settings_for(directory / "three", **{**given, "simulators": 0, "discover": False})):
            await expect(seen.page.locator(".lost")).not_to_be_visible(timeout=PATIENCE)
            await seen.says("Signiert nicht")
            await expect(seen.page.locator(".tse").first).to_contain_text("fehlt seit dem Start")
            await seen.look("de-absent")
            seen.expect_silence(but_for="net::ERR_CONNECTION_")  # refused, or reset when it stopped
    await act(proof, directory / "acts", given, DESKTOP, PHONE)
    nothing = running(settings_for(directory / "none", **{**given, "simulators": 0, "discover": False}))
    async with nothing, proof.visit(**DESKTOP) as seen:
        await seen.says("Signiert nicht")
        await seen.look("de-no-tse")
        seen.expect_silence()


def found_chromium() -> str:
    """The path of Chromium."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("needs Chromium: apt install chromium")
    return found


async def main(program: str, keep: Path | None) -> None:
    began = time.monotonic()
    with TemporaryDirectory() as directory:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            await prove(browser, Path(directory), keep)
            await browser.close()
    print(f"all is well, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="where to keep pictures")
    where: Path | None = parser.parse_args().keep
    if where is not None:
        where.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(found_chromium(), where))
