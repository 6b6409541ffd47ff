"""What all answers have in common: JSON, never empty, errors with the number that tills understand."""

import json

from aiohttp import web

from gateway.errors import GatewayError

JSON = "application/json"
INTERNAL_ERROR = GatewayError.worm_error


def ok(body: bytes) -> web.Response:
    """Status 200 with this JSON text."""
    return web.Response(body=body, content_type=JSON)


def ok_json(value: object) -> web.Response:
    """Status 200 with this value as JSON."""
    return ok(json.dumps(value).encode())


def refusal(status: int, number: int, name: str, message: str, request_id: str) -> web.Response:
    """An error: `number` for tills, `name` for programs, `message` for people."""
    text = {"error": number, "error_name": name, "error_message": message, "request_id": request_id}
    return web.Response(status=status, body=json.dumps(text).encode(), content_type=JSON)
