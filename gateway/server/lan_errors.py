"""Errors as clients of the LAN-TSE protocol read them, on every path outside the JSON API.

{"error": <number>, "error_name": "<for programs>", "error_message": "<for people>", "request_id": "<as in the log>"}
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from gateway.errors import (
    BadRequest,
    CommandRejected,
    DeviceError,
    ExportInterrupted,
    Forbidden,
    GatewayError,
    InvalidSession,
    LockRefused,
    ProtocolError,
    Unauthorized,
    UnknownDevice,
    nearest,
)
from gateway.server.http.responses import JSON
from gateway.server.status_page.events import TooManyViewers
from gateway.telemetry import log as logs
from gateway.tse.error_numbers import NUMBERS, number_of

PREFIX = "/lantse/"
# Never 404: the vendor's client would show no error number, and some tills crash.
STATUSES: Mapping[type[GatewayError], HTTPStatus] = {
    GatewayError: HTTPStatus.INTERNAL_SERVER_ERROR,
    BadRequest: HTTPStatus.BAD_REQUEST,
    InvalidSession: HTTPStatus.BAD_REQUEST,
    UnknownDevice: HTTPStatus.BAD_REQUEST,
    CommandRejected: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    ExportInterrupted: HTTPStatus.CONFLICT,
    ProtocolError: HTTPStatus.BAD_GATEWAY,
    DeviceError: HTTPStatus.SERVICE_UNAVAILABLE,
    LockRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    TooManyViewers: HTTPStatus.SERVICE_UNAVAILABLE,
}
_NAMES = {Unauthorized.code: "InvalidApiToken"}  # the one name that the LAN-TSE protocol fixes


def of_error(error: GatewayError) -> web.Response:
    """Return the response to a request that ended with `error`."""
    name = _NAMES.get(error.code, error.code)
    return _response(nearest(STATUSES, type(error)), number_of(error), name, str(error))


def of_http_error(error: web.HTTPException, path: str) -> web.Response:
    """Return the response to a request for `path` that aiohttp refused."""
    status, message = HTTPStatus(error.status), error.reason
    if path.startswith(PREFIX) and status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        status, message = HTTPStatus.BAD_REQUEST, "no such request in the LAN protocol"
    return _response(status, NUMBERS[BadRequest], status.name.lower(), message)


def _response(status: HTTPStatus, number: int, name: str, message: str) -> web.Response:
    text = {"error": number, "error_name": name, "error_message": message, "request_id": logs.request_id.get()}
    return web.Response(status=status, body=json.dumps(text).encode(), content_type=JSON)
