"""The OpenAPI document as a page: all of it stands there, for everybody, and nothing is loaded from elsewhere."""

import re

import aiohttp

from gateway.server.api.routes import ENDPOINTS, document
from gateway.server.http import tls
from tests.server.shop import Served
from tests.server.status_page.browser import Document


async def _get(served: Served, path: str) -> tuple[aiohttp.ClientResponse, str]:
    connector = aiohttp.TCPConnector(ssl=tls.client_context(served.settings))
    async with aiohttp.ClientSession(served.url, connector=connector) as session, session.get(path) as answer:
        return answer, await answer.text()


async def test_the_page_has_each_operation_and_each_schema_without_a_token(served: Served) -> None:
    answer, html = await _get(served, "/docs")
    assert (answer.status, answer.content_type) == (200, "text/html")
    page = Document(html)
    ids = page.attributes("id")
    assert {endpoint.name for endpoint in ENDPOINTS} <= ids
    assert {f"schema-{name}" for name in document()["components"]["schemas"]} <= ids
    targets = {href for href in page.attributes("href") if href.startswith("#")}
    assert {target.removeprefix("#") for target in targets} <= ids
    for operation in (operation for item in document()["paths"].values() for operation in item.values()):
        assert operation["summary"] in page.text
    assert "`" not in page.text


async def test_the_page_loads_nothing_from_elsewhere_and_runs_only_its_own_script(served: Served) -> None:
    answer, html = await _get(served, "/docs")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script[^>]*>[^<]|\son\w+=|style=|//(?!www\.w3\.org)\w+\.\w+/", html)
    loaded = re.findall(r'(?:src|rel="stylesheet" href)="([^"]*)"', html)
    assert sorted(loaded) == ["/docs/docs.css", "/docs/docs.js"]
    for path in loaded:
        file, text = await _get(served, path)
        assert (file.status, bool(text)) == (200, True)
        assert "innerHTML" not in text
