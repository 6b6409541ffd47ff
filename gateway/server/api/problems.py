"""Errors of the JSON API as problem details (RFC 9457): a stable `code` for programs, `detail` for people."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from gateway.errors import (
    CommandRejected,
    GatewayError,
    nearest,
)
from gateway.fleet.pins.retry_guard import PinWithheld
from gateway.i18n.text import Language, Text, literal
from gateway.operations.administration import ClockNotTrusted
from gateway.server.api.errors import InvalidRequest
from gateway.server.api.problem_types import HTTP_TITLES, PROBLEM_TYPES
from gateway.server.api.remedies import REMEDIES
from gateway.server.api.responses import InvalidField, Problem
from gateway.telemetry import log as logs
from gateway.tse.results import name_of, refuses_secret, tries_left

PREFIX = "/api/"
MEDIA = "application/problem+json"
DOCUMENT = "/api/v1/openapi.json"
ERROR_PAGE = "/docs/errors"
_HELPS = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Text(
        "send the body as Content-Type: application/json, and without Content-Encoding",
        "den Body als Content-Type: application/json senden, und ohne Content-Encoding",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Text(
        "a shorter body is taken; GATEWAY_MAX_BODY_BYTES is the limit of uploads",
        "ein kürzerer Body wird genommen; GATEWAY_MAX_BODY_BYTES begrenzt, was hochgeladen wird",
    ),
    HTTPStatus.REQUEST_TIMEOUT: Text("send the request again", "die Anfrage noch einmal senden"),
    HTTPStatus.SERVICE_UNAVAILABLE: Text(
        "others send large bodies: try again", "andere senden große Bodys: noch einmal versuchen"
    ),
}


def of_error(error: GatewayError, language: Language, serial: str = "") -> web.Response:
    """Return the response to a request that ended with `error`, about the TSE with this serial if there is one."""
    return _response(describe(error, language, serial))


def describe(error: GatewayError, language: Language, serial: str = "") -> Problem:
    """Return what `error` is called, what happened and what helps."""
    kind, code = nearest(PROBLEM_TYPES, type(error)), error.code
    status, members = kind.status, _members(error, language)
    if isinstance(error, CommandRejected):  # each result of the TSE is a problem of its own
        name = name_of(error.result)
        code = code if name.startswith("0X") else name.lower()
        status = HTTPStatus.FORBIDDEN if refuses_secret(error.result) else status
    title, remedy = kind.title.in_language(language), remedy_of(code, language, serial)
    return _problem(status, code, title, error.in_language(language), remedy=remedy, **members)


def remedy_of(code: str, language: Language, serial: str = "") -> str | None:
    """Return the request or command that mends a problem; `None` if there is none to name."""
    remedy = REMEDIES.get(code)
    return None if remedy is None else remedy.in_language(language, tse=f"/api/v1/tses/{serial or '{serial}'}")


def of_http_error(error: web.HTTPException, language: Language) -> web.Response:
    """Return the response to a request that aiohttp refused."""
    return _response(describe_http(error, language))


def describe_http(error: web.HTTPException, language: Language) -> Problem:
    """Return what the refusal of a request is called, and what helps."""
    status = HTTPStatus(error.status)
    known = HTTP_TITLES.get(status)
    title = error.reason if known is None else known.in_language(language)
    return _problem(status, status.name.lower(), title, _what_helps(error).in_language(language))


def _members(error: GatewayError, language: Language) -> dict[str, Any]:
    """Members of the problem beside those that all have (RFC 9457, 3.2)."""
    match error:
        case CommandRejected():
            return {"device_result": error.result, "tries_left": tries_left(error.result)}
        case PinWithheld():
            return {"tries_left": error.tries_left}
        case ClockNotTrusted():
            return {"clock_offset_seconds": error.offset}
        case InvalidRequest():
            found = [
                InvalidField(at=problem.at, message=problem.message.in_language(language)) for problem in error.problems
            ]
            return {"errors": found or None}
        case _:
            return {}


def _what_helps(error: web.HTTPException) -> Text:
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Text(f"this path takes {allowed}", f"dieser Pfad nimmt {allowed}")
        case web.HTTPNotFound():
            return Text(f"{DOCUMENT} lists all paths", f"{DOCUMENT} nennt alle Pfade")
        case _:
            text = error.text or error.reason
            return _HELPS.get(HTTPStatus(error.status)) or literal(text, text)


def _problem(status: HTTPStatus, code: str, title: str, detail: str, **members: Any) -> Problem:
    return Problem(
        type=f"{ERROR_PAGE}#{code}",
        title=title,
        status=status,
        code=code,
        detail=detail,
        request_id=logs.request_id.get(),
        **members,
    )


def _response(problem: Problem) -> web.Response:
    body = problem.model_dump_json(exclude_none=True).encode()
    return web.Response(status=problem.status, body=body, content_type=MEDIA)
