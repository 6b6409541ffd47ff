"""As a browser without scripts: over TLS, with cookies; and the page's events."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

import aiohttp
from yarl import URL

from gateway.server.http import tls
from tests.server.shop import TOKEN, Served


class Document(HTMLParser):
    """What stands in a page: its text, its tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def attributes(self, name: str) -> set[str]:
        """Its values, wherever it stands."""
        return {value or "" for _, attributes in self.tags for at, value in attributes.items() if at == name}


class Events:
    """Server-sent events, one after the other."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> tuple[str, Any]:
        """Name and data; an empty name at the end."""
        name, data = "", ""
        async for raw in self._answer.content:
            key, _, value = raw.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                data = value
            elif not key and name:
                return name, json.loads(data) if data else None
        return "", None

    async def parts_with(self, wanted: str) -> dict[str, Any]:
        """The first message in whose parts this text stands."""
        while True:
            name, data = await self.next()
            assert name, "the stream ended"
            if name == "parts" and wanted in json.dumps(data["parts"], ensure_ascii=False):
                return dict(data)


class Browser:
    """One visitor."""

    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self._served, self.session = served, session

    async def get(self, path: str = "/", method: str = "GET", **options: Any) -> tuple[aiohttp.ClientResponse, str]:
        """The answer to one request, as it is: no redirect is followed."""
        options = {"allow_redirects": False, **options}
        async with self.session.request(method, self._served.url + path, **options) as answer:
            return answer, await answer.text(errors="replace")

    async def page(self) -> Document:
        answer, text = await self.get()
        assert answer.status == 200
        return Document(text)

    async def log_in(self, token: str = TOKEN) -> str:
        """Where the browser is sent."""
        answer, _ = await self.get("/page/login", "POST", data={"user": "lantse", "token": token})
        assert answer.status == 303
        return answer.headers["Location"]

    @asynccontextmanager
    async def events(self, version: str | None = None) -> AsyncIterator[Events]:
        """Of the page as it is now."""
        if version is None:
            (version,) = (await self.page()).attributes("data-version")
        url = URL(self._served.url) / "page/events" % {"version": version}
        async with self.session.get(url) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            yield Events(answer)


@asynccontextmanager
async def browser_of(served: Served, language: str = "en") -> AsyncIterator[Browser]:
    connector = aiohttp.TCPConnector(ssl=tls.client_context(served.settings))
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of a plain address, too
    headers = {"Accept-Language": language}
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, headers=headers) as session:
        yield Browser(served, session)
