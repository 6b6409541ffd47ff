"""All endpoints of the JSON API, and the document that describes them."""

import asyncio
import functools
import json
from typing import Any

from aiohttp import web

from gateway.server.api import (
    administration,
    archives,
    audit,
    audit_package,
    clock,
    doctor,
    elster,
    event_stream,
    exports,
    log,
    notifications,
    outages,
    pool,
    tokens,
    transactions,
    tses,
)
from gateway.server.api.endpoint import BASE, Endpoint, Handler, Services, route
from gateway.server.http.responses import JSON

DOCUMENT = f"{BASE}/openapi.json"
SECTIONS = (
    tses.SECTION,
    transactions.SECTION,
    pool.SECTION,
    exports.SECTION,
    archives.SECTION,
    outages.SECTION,
    event_stream.SECTION,
    audit.SECTION,
    elster.SECTION,
    clock.SECTION,
    log.SECTION,
    audit_package.SECTION,
    administration.SECTION,
    tokens.SECTION,
    notifications.SECTION,
    doctor.SECTION,
)
ENDPOINTS = tuple(endpoint for section in SECTIONS for endpoint in section.endpoints)
_BY_HANDLER = {endpoint.handler: endpoint for endpoint in ENDPOINTS}


def endpoint_of(handler: Handler) -> Endpoint:
    """Return the endpoint whose work `handler` does, for those who ask for it without HTTP."""
    return _BY_HANDLER[handler]


def routes(services: Services) -> list[web.RouteDef]:
    """Return the route of each endpoint, and that of the document."""
    # Fixed paths before those with parameters: `transactions/open` is no number.
    ordered = sorted(ENDPOINTS, key=lambda endpoint: len(endpoint.path_names))
    return [
        web.get(DOCUMENT, _send_document, allow_head=False),
        *(route(endpoint, services) for endpoint in ordered),
    ]


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document as JSON values."""
    from gateway.server.api import openapi

    return openapi.document(SECTIONS)


async def _send_document(_: web.Request) -> web.Response:
    return web.Response(body=await asyncio.to_thread(_document_text), content_type=JSON)


@functools.cache
def _document_text() -> bytes:
    return json.dumps(document()).encode()
