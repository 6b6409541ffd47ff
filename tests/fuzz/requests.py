"""What clients send, behind the HTTP parser: bodies, parameters, headers; the first byte chooses."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_urldispatcher import UrlMappingMatchInfo
from yarl import URL

from gateway.errors import GatewayError
from gateway.i18n.negotiation import from_accept_language
from gateway.operations.exports import Mark
from gateway.server import lan_protocol
from gateway.server.api import downloads, endpoint
from gateway.server.api.routes import ENDPOINTS
from gateway.server.http import auth
from gateway.tse import processdata

_REQUEST = make_mocked_request("GET", "/")
_WITH_BODY = [row for row in ENDPOINTS if row.has_body]


def _request(query: str = "", headers: Mapping[str, str] | None = None, **placeholders: str) -> web.Request:
    request = _REQUEST.clone(rel_url=URL.build(path="/", query_string=query), headers=headers or {})
    request._match_info = UrlMappingMatchInfo(placeholders, _REQUEST.match_info.route)
    return request


def _lan_body(data: bytes) -> None:
    lan_protocol._decoded(data)


def _json_body(data: bytes) -> None:
    if data:
        endpoint.validated(_WITH_BODY[data[0] % len(_WITH_BODY)], data[1:])


def _parameters(data: bytes) -> None:
    row = ENDPOINTS[data[0] % len(ENDPOINTS)]
    request = _request(data[1:].decode("latin-1"))
    endpoint._params(row, endpoint._query(row, request))


def _lan_parameters(data: bytes) -> None:
    session, _, query = data.decode(errors="replace").partition("?")
    request = _request(query, serial="AB", session=session)
    lan_protocol._address(request)
    lan_protocol._number(request, "offset")


def _headers(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    assert isinstance(auth._token(text), bytes)
    from_accept_language(text, "de")
    downloads.requested_range(_request(headers={"Range": data.decode("ascii", "ignore")}), 1000)


def _cursor(data: bytes) -> None:
    mark = Mark.decode(data.decode(errors="replace"))
    assert Mark.decode(mark.encode()) == mark


def _process_data(data: bytes) -> None:
    kind, _, content = data.partition(b"\n")
    processdata.findings(kind, content)


_READERS: tuple[Callable[[bytes], None], ...] = (
    _lan_body,
    _json_body,
    _parameters,
    _lan_parameters,
    _headers,
    _cursor,
    _process_data,
)


def run(data: bytes) -> None:
    """Read `data` as one part of a request."""
    if len(data) > 1:
        with suppress(GatewayError):
            _READERS[data[0] % len(_READERS)](data[1:])
