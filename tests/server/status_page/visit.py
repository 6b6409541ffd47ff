"""One person with one browser window: what they see, and what must not happen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect

PATIENCE = 20_000  # milliseconds


class Visit:
    """One person with one browser window: what they see, and what must not happen."""

    def __init__(self, context: BrowserContext, page: Page, url: str, keep: Path | None) -> None:
        self.context, self.page, self.url, self._keep = context, page, url, keep
        self._weight = 0
        self.faults: list[str] = []  # of the browser
        self.barriers: list[str] = []  # that axe-core found
        self._tasks: set[asyncio.Task[None]] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("requestfinished", self._finished)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _finished(self, request: Request) -> None:
        if not request.url.startswith("https://127.0.0.1:"):
            self.faults.append(f"asked another host: {request.url}")
        task = asyncio.create_task(self._weigh(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _weigh(self, request: Request) -> None:
        with contextlib.suppress(Error):  # the window was closed meanwhile
            sizes = await request.sizes()
            self._weight += sizes["responseBodySize"] + sizes["responseHeadersSize"]

    async def weigh(self) -> int:
        """Bytes of all that was loaded until now."""
        await self.page.wait_for_load_state("load")
        await asyncio.gather(*self._tasks)
        return self._weight

    async def says(self, headline: str) -> None:
        """The big words on top."""
        await expect(self.page.locator("#state h1")).to_have_text(headline, timeout=PATIENCE)

    async def is_linked(self, how: str) -> None:
        """To the gateway: live, lost, or none."""
        await expect(self.page.locator("html")).to_have_attribute("data-link", how, timeout=PATIENCE)

    async def log_in(self, token: str) -> None:
        await self.page.fill("#token", token)
        await self.page.click("#login button")

    async def look(self, name: str) -> None:
        """Let axe-core look at it, and keep a picture."""
        if self._keep is not None:
            await self.page.screenshot(path=self._keep / f"{name}.png", full_page=True)
        found = (await Axe().run(self.page)).response["violations"]
        faults = [f"{fault['impact']} {fault['id']}: {fault['nodes'][0]['html'][:120]}" for fault in found]
        print(f"{name:24} axe: {len(faults)} faults", *faults, sep="\n  " if faults else " ")
        self.barriers += faults

    def expect_silence(self, *, but_for: str = "nothing") -> None:
        """Of the console, of axe-core, of foreign hosts."""
        faults = [fault for fault in self.faults if but_for not in fault]
        assert not faults + self.barriers, "\n".join(faults + self.barriers)


class Proof:
    """Views of one gateway."""

    def __init__(self, browser: Browser, port: int, keep: Path | None) -> None:
        self._browser, self.url, self._keep = browser, f"https://127.0.0.1:{port}/", keep

    @asynccontextmanager
    async def visit(self, locale: str = "de-DE", **options: Any) -> AsyncIterator[Visit]:
        options = {"ignore_https_errors": True, "locale": locale, "timezone_id": "Europe/Berlin", **options}
        context = await self._browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        seen = Visit(context, await context.new_page(), self.url, self._keep)
        try:
            await seen.page.goto(self.url)
            yield seen
        finally:
            await context.close()
