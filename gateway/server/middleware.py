"""Around every request: its id, its log line, its metrics, its API token, and errors made answers."""

import logging
import re
import secrets
import time
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from gateway import log as logs
from gateway.errors import BadRequest, GatewayError, Unauthorized
from gateway.metrics import Metrics
from gateway.server import answers
from gateway.server.auth import Gatekeeper

log = logging.getLogger(__name__)

LAN_PREFIX = "/lantse/"
REQUEST_ID = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SERIAL = re.compile(r"[0-9A-F]{64}")
_OPEN_PATHS = frozenset({"/healthz"})
_REALM = 'Basic realm="TSE gateway", charset="UTF-8"'


def around(metrics: Metrics, gatekeeper: Gatekeeper) -> list[Middleware]:
    """The middlewares of the gateway, the outermost first."""
    return [_observed(metrics), _answered, _guarded(gatekeeper)]


def _observed(metrics: Metrics) -> Middleware:
    @web.middleware
    async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        request_id = _request_id(request)
        # Proxies and cut-off clients must not find their way into the log through a path: only its pattern.
        route = _route(request)
        with logs.context(request=request_id, tse=_serial(request)):
            answer = await handler(request)
            answer.headers[REQUEST_ID] = request_id
            answer.headers[hdrs.SERVER] = "tse-gateway"  # nobody needs to know which libraries
            seconds = time.perf_counter() - began
            metrics.http_request(route, answer.status, seconds)
            _tell(request, route, answer.status, seconds)
        return answer

    return observed


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return _refused(error)
    except web.HTTPException as error:
        return _refused_by_library(request, error)
    except Exception:
        log.exception("unexpected error")
        number, name = answers.INTERNAL_ERROR, GatewayError.code
        message = "the gateway made an error; its log tells more"
        return answers.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, number, name, message, logs.request_id.get())


def _guarded(gatekeeper: Gatekeeper) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _OPEN_PATHS:
            await gatekeeper.admit(request.headers.get(hdrs.AUTHORIZATION), request.remote or "")
        return await handler(request)

    return guarded


def _refused(error: GatewayError) -> web.Response:
    answer = answers.refusal(error.status, error.worm_error, error.code, str(error), logs.request_id.get())
    if isinstance(error, Unauthorized):
        answer.headers[hdrs.WWW_AUTHENTICATE] = _REALM
    return answer


def _refused_by_library(request: web.Request, error: web.HTTPException) -> web.Response:
    status, message = error.status, error.reason
    if request.path.startswith(LAN_PREFIX) and status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        # A 404 would hide the error number from tills (and crash some of them).
        status, message = HTTPStatus.BAD_REQUEST, "no such request in the LAN protocol"
    name = HTTPStatus(status).name.lower()
    answer = answers.refusal(status, BadRequest.worm_error, name, message, logs.request_id.get())
    if hdrs.ALLOW in error.headers:
        answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return answer


def _tell(request: web.Request, route: str, status: int, seconds: float) -> None:
    # Tills ask several times a second: at INFO their requests would bury what an operator acts on.
    level = logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.DEBUG
    log.log(
        level,
        "%s %s: %d in %.0f ms",
        request.method,
        route,
        status,
        1000 * seconds,
        extra={"peer": request.remote, "status": status, "seconds": round(seconds, 6)},
    )


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def _serial(request: web.Request) -> str:
    given = request.match_info.get("serial", "").upper()
    return given if _SERIAL.fullmatch(given) else ""


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
