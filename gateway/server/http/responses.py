"""JSON responses."""

import json

from aiohttp import web

JSON = "application/json"


def ok(body: bytes) -> web.Response:
    """Return status 200 with this JSON text."""
    return web.Response(body=body, content_type=JSON)


def ok_json(value: object) -> web.Response:
    """Return status 200 with this value as JSON."""
    return ok(json.dumps(value).encode())
