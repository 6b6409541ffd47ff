"""What happens around every request: its id, log line and metrics, the check of its token, errors as responses."""

import asyncio
import logging
import math
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from itertools import chain, count

from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.typedefs import Handler, Middleware

from gateway.access.caller import current
from gateway.errors import BadRequest, CommandRejected, DeviceError, Forbidden, GatewayError, LockRefused, Unauthorized
from gateway.i18n.text import Text
from gateway.server import lan_errors
from gateway.server.api import problems
from gateway.server.api.endpoint import language_of
from gateway.server.docs_page import handlers as docs_page
from gateway.server.http import bodies, callers, connection, unix_socket
from gateway.server.http.auth import Gatekeeper
from gateway.server.pages import error_page
from gateway.telemetry import log as logs
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
_ID = web.RequestKey("request_id", str)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SERIAL = re.compile(r"[0-9A-F]{64}")
# An id for each request without one: random for the process, then counted, which spares asking the kernel each time.
_PROCESS, _NUMBERS = secrets.token_hex(4), count(1)
OPEN_PATHS = frozenset({"/healthz", "/readyz", problems.DOCUMENT})
# Only these show that the serial in the path is that of a TSE here; a label must not hold whatever clients write.
_OF_A_TSE = (DeviceError, CommandRejected, LockRefused)
_TELL_AGAIN = 60.0  # seconds
_MOST_TOLD = 256  # addresses
_REALM = 'Basic realm="TSE gateway", charset="UTF-8"'


OnRefusal = Callable[[str, GatewayError, str], None]  # serial of the TSE or "", the error, the till
IsLoggedIn = Callable[[web.Request], bool]


def ignore_refusal(_serial: str, _error: GatewayError, _client: str) -> None:
    """Count no refused requests."""


def never_logged_in(_: web.Request) -> bool:
    """Take nothing but the API token."""
    return False


def middlewares(
    metrics: Metrics,
    gatekeeper: Gatekeeper,
    on_refusal: OnRefusal = ignore_refusal,
    logged_in: IsLoggedIn = never_logged_in,
) -> list[Middleware]:
    """Return the middlewares of the gateway, the outermost first; a request that is `logged_in` needs no token."""
    return [_observed(metrics), _errors_told(metrics, on_refusal), _guarded(gatekeeper, logged_in)]


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id into the head of its response, and no name of a library; for `on_response_prepare`."""
    response.headers[REQUEST_ID] = request.get(_ID, "")
    response.headers[hdrs.SERVER] = "tse-gateway"


def _observed(metrics: Metrics) -> Middleware:
    @web.middleware
    async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        request_id = _request_id(request)
        # Proxies and cut-off clients must not find their way into the log through a path: only its pattern.
        route = _route(request)
        logs.begin_request(request_id, _serial(request))
        request[_ID] = request_id
        response = await handler(request)
        seconds = time.perf_counter() - began
        metrics.requests.answered(route, response.status, None if _is_stream(response) else seconds)
        _log(request, route, response.status, seconds)
        return response

    return observed


def _errors_told(metrics: Metrics, on_refusal: OnRefusal) -> Middleware:
    forbidden = _ForbiddenLog()

    @web.middleware
    async def errors_told(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except GatewayError as error:
            serial = _serial(request) if isinstance(error, _OF_A_TSE) else ""
            metrics.requests.refused(serial, error)
            on_refusal(serial, error, callers.till_of(request))
            if isinstance(error, Forbidden):
                forbidden.tell(request, error)
            await _skip_rest(request)
            return _error_response(request, error)
        except web.HTTPException as error:
            await _skip_rest(request)
            return _http_error_response(request, error)
        except Exception as error:
            if _is_of_the_client(request, error):
                log.debug("the request of %s broke off: %s", request.remote, error)
                return _error_response(
                    request, BadRequest(Text("the body of the request broke off", "der Body der Anfrage brach ab"))
                )
            log.exception("unexpected error", extra=event(Event.DEFECT))
            return _error_response(
                request,
                GatewayError(
                    Text(
                        "the gateway made an error; its log tells more",
                        "das Gateway hat einen Fehler gemacht; sein Log sagt mehr",
                    )
                ),
            )

    return errors_told


class _ForbiddenLog:
    """Tells once a minute for each address that its token is not for what it asks: a till asks again and again."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, float] = OrderedDict()

    def tell(self, request: web.Request, error: Forbidden) -> None:
        address, now = request.remote or "", time.monotonic()
        if now - self._told.get(address, -math.inf) < _TELL_AGAIN:
            return
        self._told[address] = now
        self._told.move_to_end(address)
        if len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        told = event(Event.FORBIDDEN, peer=address, client=callers.till_of(request))
        log.warning("refused to %s: %s", address or "this machine", error, extra=told)


def _guarded(gatekeeper: Gatekeeper, logged_in: IsLoggedIn) -> Middleware:
    turn = asyncio.Lock()

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if hdrs.AUTHORIZATION not in request.headers and not connection.is_authenticated(request):
            async with turn:  # what anybody may ask is answered one by one, and tills in between
                await asyncio.sleep(0)
        current.set(None)
        if connection.is_local(request):
            callers.identify(request, unix_socket.admit(request))
        elif not (request.path in OPEN_PATHS or docs_page.is_open(request.path) or logged_in(request)):
            callers.identify(request, await gatekeeper.admit_request(request, request.headers.get(hdrs.AUTHORIZATION)))
        _refuse_unfit(request)
        return await handler(request)

    return guarded


async def _skip_rest(request: web.Request) -> None:
    if connection.is_authenticated(request):
        await bodies.skip_rest(request)


def _refuse_unfit(request: web.Request) -> None:
    """Refuse heads that are too large, and bodies that are packed: a megabyte may become a gigabyte."""
    # Without a step of Python for each field: this took as long as the check of the token.
    if sum(map(len, chain.from_iterable(request.raw_headers))) + len(request.raw_path) > connection.HEAD:
        raise web.HTTPRequestHeaderFieldsTooLarge
    given = request.headers.getall(hdrs.CONTENT_ENCODING, None)
    if given and {encoding.strip().lower() for encoding in given} - {"identity"}:
        raise web.HTTPUnsupportedMediaType


def _is_of_the_client(request: web.Request, error: Exception) -> bool:
    """Return whether the client hung up, or its body is no HTTP: its body then fails with this very error."""
    return error is request.content.exception() or isinstance(error, ClientConnectionResetError)


def _is_api(request: web.Request) -> bool:
    return request.path.startswith(problems.PREFIX)


def _error_response(request: web.Request, error: GatewayError) -> web.Response:
    if _is_api(request):
        response = problems.of_error(error, language_of(request), _serial(request))
    elif error_page.is_wanted(request):
        response = error_page.of_error(request, error)
    else:
        response = lan_errors.of_error(error)
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers[hdrs.RETRY_AFTER] = "1"
    if isinstance(error, Unauthorized):
        response.headers[hdrs.WWW_AUTHENTICATE] = _REALM
        if hdrs.AUTHORIZATION in request.headers:
            response.force_close()  # one try a connection
    return response


def _http_error_response(request: web.Request, error: web.HTTPException) -> web.Response:
    if _is_api(request):
        response = problems.of_http_error(error, language_of(request))
    elif error_page.is_wanted(request):
        response = error_page.of_http_error(request, error)
    else:
        response = lan_errors.of_http_error(error, request.path)
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def _log(request: web.Request, route: str, status: int, seconds: float) -> None:
    # Tills ask several times a second: at INFO their requests would bury what an operator acts on. Nor does anybody
    # without the token fill the log: health is asked all the time, and other paths by whoever wants to.
    failed = status >= 500 and connection.is_authenticated(request)
    level = logging.WARNING if failed and request.path not in OPEN_PATHS else logging.DEBUG
    if not log.isEnabledFor(level):
        return  # before the fields are made
    log.log(
        level,
        "%s %s: %d in %.0f ms",
        request.method,
        route,
        status,
        1000 * seconds,
        extra={"peer": request.remote, "status": status, "seconds": round(seconds, 6)},
    )


def _is_stream(response: web.StreamResponse) -> bool:
    # Open as long as somebody looks; most responses are no stream, and their type need not be understood.
    return not isinstance(response, web.Response) and response.content_type == "text/event-stream"


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else f"{_PROCESS}{next(_NUMBERS):08x}"


def _serial(request: web.Request) -> str:
    given = request.match_info.get("serial", "").upper()
    return given if _SERIAL.fullmatch(given) else ""


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
