"""Around every request: its id, its log line, its metrics, its API token, and errors made answers."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import BadRequest, CommandRejected, DeviceError, GatewayError, LockRefused, Unauthorized
from gateway.server.api import problems
from gateway.server.http import responses, unix_socket
from gateway.server.http.auth import Gatekeeper
from gateway.telemetry import log as logs
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

LAN_PREFIX = "/lantse/"
REQUEST_ID = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SERIAL = re.compile(r"[0-9A-F]{64}")
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
# Only these show that the serial in the path is that of a TSE here; a label must not hold whatever clients write.
_OF_A_TSE = (DeviceError, CommandRejected, LockRefused)
_DEFECT = "the gateway made an error; its log tells more"
_REALM = 'Basic realm="TSE gateway", charset="UTF-8"'


Refused = Callable[[str, GatewayError, str], None]
LetIn = Callable[[web.Request], bool]


def nobody_counts(_serial: str, _error: GatewayError, _till: str) -> None:
    """Where nobody wants to know what is refused."""


def nobody_enters(_: web.Request) -> bool:
    """Where the API token is the only key."""
    return False


def around(
    metrics: Metrics, gatekeeper: Gatekeeper, refused: Refused = nobody_counts, lets_in: LetIn = nobody_enters
) -> list[Middleware]:
    """The middlewares of the gateway, the outermost first.

    `refused` is told each error, the TSE that it is of and the client's address; whom `lets_in` likes needs no token.
    """
    return [_observed(metrics), _answered(metrics, refused), _guarded(gatekeeper, lets_in)]


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
            metrics.requests.answered(route, answer.status, None if _is_stream(answer) else seconds)
            _tell(request, route, answer.status, seconds)
        return answer

    return observed


def _answered(metrics: Metrics, refused: Refused) -> Middleware:
    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except GatewayError as error:
            serial = _serial(request) if isinstance(error, _OF_A_TSE) else ""
            metrics.requests.refused(serial, error)
            refused(serial, error, request.remote or "")
            return _refused(request, error)
        except web.HTTPException as error:
            return _refused_by_library(request, error)
        except Exception:
            log.exception("unexpected error", extra=event(Event.DEFECT))
            return _defect(request)

    return answered


def _defect(request: web.Request) -> web.Response:
    if _is_api(request):
        return problems.of_status(HTTPStatus.INTERNAL_SERVER_ERROR, _DEFECT)
    number, name = responses.INTERNAL_ERROR, GatewayError.code
    return responses.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, number, name, _DEFECT, logs.request_id.get())


def _guarded(gatekeeper: Gatekeeper, lets_in: LetIn) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if unix_socket.is_local(request):
            unix_socket.admit(request)
        elif request.path not in OPEN_PATHS and not lets_in(request):
            await gatekeeper.admit(request.headers.get(hdrs.AUTHORIZATION), request.remote or "")
        return await handler(request)

    return guarded


def _is_api(request: web.Request) -> bool:
    return request.path.startswith(problems.PREFIX)


def _refused(request: web.Request, error: GatewayError) -> web.Response:
    if _is_api(request):
        answer = problems.of_error(error)
    else:
        answer = responses.refusal(error.status, error.worm_error, error.code, str(error), logs.request_id.get())
    if isinstance(error, Unauthorized):
        answer.headers[hdrs.WWW_AUTHENTICATE] = _REALM
    return answer


def _refused_by_library(request: web.Request, error: web.HTTPException) -> web.Response:
    status, message = error.status, error.reason
    if request.path.startswith(LAN_PREFIX) and status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        # A 404 would hide the error number from tills (and crash some of them).
        status, message = HTTPStatus.BAD_REQUEST, "no such request in the LAN protocol"
    name = HTTPStatus(status).name.lower()
    if _is_api(request):
        answer = problems.of_status(status, message)
    else:
        answer = responses.refusal(status, BadRequest.worm_error, name, message, logs.request_id.get())
    if hdrs.ALLOW in error.headers:
        answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return answer


def _tell(request: web.Request, route: str, status: int, seconds: float) -> None:
    # Tills ask several times a second: at INFO their requests would bury what an operator acts on.
    failed = (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and request.path not in OPEN_PATHS
    )  # which are asked all the time
    level = logging.WARNING if failed else logging.DEBUG
    log.log(
        level,
        "%s %s: %d in %.0f ms",
        request.method,
        route,
        status,
        1000 * seconds,
        extra={"peer": request.remote, "status": status, "seconds": round(seconds, 6)},
    )


def _is_stream(answer: web.StreamResponse) -> bool:
    return answer.content_type == "text/event-stream"  # open as long as somebody looks


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def _serial(request: web.Request) -> str:
    given = request.match_info.get("serial", "").upper()
    return given if _SERIAL.fullmatch(given) else ""


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
