"""Which role may send which request: every endpoint, every request of the LAN protocol, metrics, each with each role.

The requests come from the tables of the gateway, so that a new one is in here, or fails.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp
import pytest
import pytest_asyncio

from gateway.access.caller import MONITORS, Role
from gateway.access.lan_token import Token
from gateway.access.tokens import NewToken, Tokens
from gateway.app.gateway import Gateway, running
from gateway.fleet.registry import Registry
from gateway.operations.lan import LanTse
from gateway.server import lan_protocol
from gateway.server.api.endpoint import Services
from gateway.server.api.routes import ENDPOINTS, document, routes
from gateway.server.docs_page import handlers as docs_page
from gateway.server.http import application, middleware, tls
from gateway.telemetry.metrics import Metrics
from tests.server.shop import TOKEN, settings_for

ROLES = (Role.LAN, Role.TILL, Role.OPERATOR, Role.AUDITOR, Role.MONITOR)
VALUES = {"number": "1", "name": "nobody", "session": "1", "series": "1"}


@dataclass(frozen=True)
class Asked:
    """One request, and the roles that may send it."""

    method: str
    path: str
    roles: frozenset[Role]


REQUESTS = [
    *(Asked(endpoint.method, endpoint.path, frozenset(endpoint.roles)) for endpoint in ENDPOINTS),
    Asked("GET", "/metrics", MONITORS),
    *(Asked(request.method, request.path, frozenset(request.roles)) for request in lan_protocol.REQUESTS),
]


class Site:
    """A gateway and a token of each role."""

    def __init__(self, gateway: Gateway, tokens: dict[str, str], session: aiohttp.ClientSession) -> None:
        self.gateway, self._tokens, self._session = gateway, tokens, session

    async def status(self, asked: Asked, role: str) -> tuple[int, str]:
        serial = self.gateway.simulators[0].serial.hex().upper()
        path = re.sub(r"{(\w+)[^}]*}", lambda found: {**VALUES, "serial": serial}[found[1]], asked.path)
        headers = {"Authorization": f"Bearer {self._tokens[role]}"} if role else {}
        url = f"https://127.0.0.1:{self.gateway.port}{path}"
        async with self._session.request(asked.method, url, headers=headers) as answer:
            text = "" if answer.status == 200 else await answer.text()
            return answer.status, text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    settings = settings_for(tmp_path_factory.mktemp("roles"), stop_timeout=1, lock_wait=1)
    async with running(settings) as gateway:
        tokens = {"lan": TOKEN, "wrong": "0815471142"}
        for role in ROLES[1:]:
            tokens[role] = await gateway.tokens.add(NewToken(f"a-{role}", role), 0)
        connector = aiohttp.TCPConnector(ssl=tls.client_context(settings), force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Site(gateway, tokens, session)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: f"{asked.method} {asked.path}")
async def test_each_role_gets_what_is_written_down_and_no_more(site: Site, asked: Asked) -> None:
    assert (await site.status(asked, ""))[0] == 401
    for role in ROLES:
        status, text = await site.status(asked, role)
        may = role in asked.roles
        refused = status == 403 and '"forbidden"' in text
        assert refused != may, (role, status, text)
        assert status != 401


@pytest.mark.asyncio(loop_scope="module")
async def test_a_wrong_token_is_a_401_for_each_kind_of_request(site: Site) -> None:
    kinds = (REQUESTS[0], REQUESTS[-1], Asked("GET", "/metrics", MONITORS))
    answers = await asyncio.gather(*(site.status(asked, "wrong") for asked in kinds))  # each comes late
    assert [status for status, _ in answers] == [401, 401, 401]


def test_every_endpoint_has_a_role_and_its_description_says_which() -> None:
    for endpoint in ENDPOINTS:
        assert endpoint.roles, endpoint.name
        described = document()["paths"][endpoint.path][endpoint.method.lower()]
        assert {"401", "403"} <= described["responses"].keys()
        named = set(re.findall(r"`(\w+)`", described["description"].rpartition("Roles of tokens:")[2]))
        assert named == set(endpoint.roles)


def test_every_route_stands_in_a_table_with_its_roles(tmp_path: Path) -> None:
    settings, metrics = settings_for(tmp_path), Metrics()
    registry = Registry(metrics)
    api = routes(cast("Services", None))
    web = application.build(settings, LanTse(registry, metrics), registry, metrics, Tokens(Token(TOKEN)), api=api)
    known = {(asked.method, re.sub(r"{(\w+)[^}]*}", r"{\1}", asked.path)) for asked in REQUESTS}
    found = {(route.method, getattr(route.resource, "canonical", "")) for route in web.router.routes()}
    rest = {(method, path) for method, path in found if method != "HEAD"} - known
    assert {path for _, path in rest if not docs_page.is_open(path)} == middleware.OPEN_PATHS
