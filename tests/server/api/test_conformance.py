"""Whatever is asked, the answer is one that the OpenAPI document tells of, and never a 5xx.

Here each endpoint gets what people and programs get wrong, several hundred requests in all; `tests/schemathesis/run`
lets schemathesis think of thousands more.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from openapi_schema_validator import OAS31Validator

from gateway.server.api import routes
from gateway.server.api.endpoint import Endpoint
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import Served

DOCUMENT = routes.document()
VALUES: tuple[Any, ...] = (None, True, -1, 2**70, 1.5, "", "x", "\u0000", "\U0001f9fe" * 200, "9" * 5000, [], {}, [[]])
TEXTS = ("", "-1", "99999999999999999999", "x", "%00", "\U0001f9fe", "a b;c", "../..", "2026-02-30")
# What makes sense, so that something is reached behind the validation.
RIGHT: dict[str, Any] = {
    **RECEIPT,
    "number": "1",
    "admin_pin": "12345",
    "pin": "98765",
    "user": "time_admin",
    "action": "setup",
    "trust_system_clock": True,
    "old_pin": "98765",
    "new_pin": "98765",
    "old_puk": "123456",
    "new_puk": "123456",
    "puk": "123456",
    "admin_puk": "123456",
    "time_admin_pin": "98765",
    "client_ids": ["POS-1"],
    "confirmation": "x",
    "name": "0001-000001.tar",
}


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: dict[str, str]
    query: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    media: str = "application/json"


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served)
    async with api_of(served) as made:
        await made.post("/sign", RECEIPT)
        yield made


async def test_every_answer_is_one_that_the_document_tells_of(api: Api) -> None:
    for endpoint in routes.ENDPOINTS:
        if endpoint.name == "follow_events":  # its response never ends
            continue
        statuses = await _statuses(endpoint, api)
        assert statuses - {400, 415, 422}, f"nothing was reached behind the validation of {endpoint.name}"


async def _statuses(endpoint: Endpoint, api: Api) -> set[int]:
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    statuses: set[int] = set()
    for asked in _requests(endpoint, api.served.serial):
        url = api.served.url + endpoint.path.format(**asked.path)
        headers = {"Content-Type": asked.media} if asked.body is not None else {}
        async with api._session.request(
            endpoint.method, url, params=asked.query, data=asked.body, headers=headers
        ) as answer:
            await _check(answer, operation, asked)
            statuses.add(answer.status)
    return statuses


async def _check(answer: aiohttp.ClientResponse, operation: dict[str, Any], asked: Asked) -> None:
    body = await answer.read()
    assert answer.status < 500, (asked, body)
    assert str(answer.status) in operation["responses"], (asked, body)
    content = operation["responses"][str(answer.status)]["content"]
    assert answer.content_type in content
    if answer.content_type.endswith("json"):
        schema = content[answer.content_type]["schema"]
        OAS31Validator({**schema, "components": DOCUMENT["components"]}).validate(json.loads(body))


def _requests(endpoint: Endpoint, serial: str) -> Iterator[Asked]:
    right = {name: serial if name == "serial" else RIGHT.get(name, "x") for name in endpoint.path_names}
    body = _right_body(endpoint) if endpoint.has_body else None
    yield Asked(right, body=body)
    yield Asked({**right, "serial": "0" * 64} if "serial" in right else right, body=body)
    for name in endpoint.params.model_json_schema().get("properties", {}):
        for text in TEXTS if name not in right else ("0", "-1", "x", "9" * 30):
            in_path = name in right
            yield Asked({**right, name: text} if in_path else right, {} if in_path else {name: text}, body)
    yield Asked(right, {"surprise": "1"}, body)
    if body is not None:
        yield from _wrong_bodies(right, json.loads(body))


def _right_body(endpoint: Endpoint) -> bytes:
    names = endpoint.body.model_json_schema()["properties"]
    return json.dumps({name: RIGHT[name] for name in names if name in RIGHT}).encode()


def _wrong_bodies(path: dict[str, str], body: dict[str, Any]) -> Iterator[Asked]:
    for name in body:
        yield Asked(path, body=json.dumps({key: value for key, value in body.items() if key != name}).encode())
        for value in VALUES:
            yield Asked(path, body=json.dumps({**body, name: value}).encode())
    yield Asked(path, body=json.dumps({**body, "surprise": 1}).encode())
    for raw in (b"", b"null", b"[]", b"{", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"client_id": "\\ud800"}', b"NaN"):
        yield Asked(path, body=raw)
    yield Asked(path, body=json.dumps(body).encode(), media="text/plain")
    yield Asked(path, body=json.dumps(body).encode(), media="application/x-www-form-urlencoded")
