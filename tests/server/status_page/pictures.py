"""`python -m tests.server.status_page.pictures`: make the pictures in docs/pictures anew, in German and English.

A TSE is set up in a real Chromium, and each page is looked at. Serials and times differ each time.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.async_api import Browser, async_playwright

from gateway.app.gateway import running
from gateway.i18n.text import Language
from gateway.server.pages.table import PAGES
from tests.server.shop import TOKEN, settings_for
from tests.server.status_page.acts import SET_UP_WORDS, Operator, first_set_up
from tests.server.status_page.chromium import found_chromium
from tests.server.status_page.visit import Proof

PICTURES = Path("docs/pictures")
_COLOURS, _HIGHEST = 64, 1400  # the latter in pixels: of a long list its beginning will do
_PORT = 4433
_NARROW: dict[str, Any] = {"viewport": {"width": 860, "height": 500}}
_LOCALES: dict[Language, str] = {"de": "de-DE", "en": "en-GB"}
_SHOPS: dict[Language, str] = {"de": "Autohaus Beispiel", "en": "Example Cars"}


async def take(browser: Browser, language: Language, directory: Path) -> None:
    """Keep a picture of each page of one gateway in `directory`."""
    given: dict[str, Any] = {"port": _PORT, "address": "192.168.178.20", "site": _SHOPS[language]}
    async with (
        running(settings_for(directory / language, **given)) as gateway,
        Proof(browser, _PORT, directory).visit(_LOCALES[language], **_NARROW) as seen,
    ):
        await seen.log_in(TOKEN)
        operator = Operator(seen, gateway.simulators[0].serial.hex().upper())
        await first_set_up(operator, language, SET_UP_WORDS[language])
        for page in PAGES:
            # The set-up is there already, tokens are not for the apiToken, the others show this machine.
            if page.name not in {"setup", "tokens", "settings", "log"}:
                await operator.open(page.name)
                await operator.look(f"{language}-{page.name}")
        seen.expect_silence()


async def take_all(directory: Path) -> None:
    """Keep a picture of each page in each language in `directory`."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found_chromium(), args=["--no-sandbox"])
        for language in _SHOPS:
            await take(browser, language, directory)
        await browser.close()


def main() -> None:
    """Take them all, and keep each with few colours."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as directory:
        asyncio.run(take_all(Path(directory)))
        for picture in sorted(Path(directory).glob("*.png")):
            whole = Image.open(picture).convert("RGB")
            top = whole.crop((0, 0, whole.width, min(whole.height, _HIGHEST)))
            few = top.quantize(_COLOURS, dither=Image.Dither.NONE)
            few.save(PICTURES / picture.name, optimize=True)
            print(PICTURES / picture.name, (PICTURES / picture.name).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
