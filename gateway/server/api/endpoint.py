"""One row of the JSON API's table: routing, validation and the OpenAPI document all read it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from gateway.archive.deletion import Deletion
from gateway.archive.service import ArchiveService
from gateway.errors import BadRequest, GatewayError
from gateway.fleet.registry import Registry
from gateway.operations.administration import Administration
from gateway.operations.forecast import Forecasts
from gateway.operations.outage_report import OutageReports
from gateway.operations.transactions import Transactions
from gateway.server.api.errors import InvalidRequest
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import Place
from gateway.server.http.responses import JSON

KEY_HEADER = "Idempotency-Key"
KEY_PATTERN = r"^[!-~]{1,128}$"
_KEY = re.compile(KEY_PATTERN)
_BIG = 256 * 1024  # bytes from which reading JSON takes longer than changing to a thread
_PLACEHOLDER = re.compile(r"{(\w+)}")

P = TypeVar("P", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Services:
    """What the handlers work with."""

    registry: Registry
    transactions: Transactions
    administration: Administration
    deletion: Deletion
    outages: OutageReports
    archives: ArchiveService
    forecasts: Forecasts


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """One validated request: `params` of path and query, the body, and the Idempotency-Key if one was sent."""

    services: Services
    request: web.Request
    params: P
    body: B
    key: str | None


Handler = Callable[[Call[P, B]], Awaitable[BaseModel | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[P, B]):
    """`answer` is a model, or the media type of a body that is none. `errors` beside those that all have."""

    method: str
    path: str
    tag: str
    summary: str
    handler: Handler[P, B]
    answer: type[BaseModel] | str
    params: type[P]
    body: type[B]
    errors: tuple[type[GatewayError], ...] = ()
    description: str = ""
    keyed: bool = False
    statuses: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A stable name of the operation, for generated clients."""
        return self.handler.__name__

    @property
    def path_names(self) -> frozenset[str]:
        """Parameters that stand in the path; all others are of the query."""
        return frozenset(_PLACEHOLDER.findall(self.path))

    @property
    def has_body(self) -> bool:
        return self.body is not NoBody


def route(endpoint: Endpoint[Any, Any], services: Services) -> web.RouteDef:
    """The route that validates, calls the handler, and makes its model the answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call: Call[Any, Any] = Call(
            services, request, _params(endpoint, request), await _body(endpoint, request), _key_of(endpoint, request)
        )
        answer = await endpoint.handler(call)
        if isinstance(answer, BaseModel):
            return web.Response(body=answer.model_dump_json().encode(), content_type=JSON)
        return answer

    if endpoint.method == hdrs.METH_GET:
        return web.get(endpoint.path, handle, allow_head=False)
    return web.route(endpoint.method, endpoint.path, handle)


def _params(endpoint: Endpoint[P, B], request: web.Request) -> P:
    names = list(request.query)
    if len(set(names)) != len(names) or endpoint.path_names.intersection(names):
        raise BadRequest("a parameter is given twice")
    try:
        return endpoint.params.model_validate({**request.query, **request.match_info})
    except ValidationError as error:
        raise BadRequest("; ".join(f"{place.at}: {place.message}" for place in _places(error))) from None


async def _body(endpoint: Endpoint[P, B], request: web.Request) -> B:
    if not endpoint.has_body:
        return endpoint.body()
    if request.content_type != JSON:
        raise web.HTTPUnsupportedMediaType
    body = await request.read()
    try:
        if len(body) > _BIG:
            return await asyncio.to_thread(endpoint.body.model_validate_json, body)
        return endpoint.body.model_validate_json(body)
    except ValidationError as error:
        places = _places(error)
        if error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid":
            raise BadRequest("the body is not JSON") from None
        raise InvalidRequest("the body does not have the documented form", places) from None


def _key_of(endpoint: Endpoint[P, B], request: web.Request) -> str | None:
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys or not endpoint.keyed:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest(f"{KEY_HEADER} has 1 to 128 visible ASCII characters")
    return keys[0]


def _places(error: ValidationError) -> list[Place]:
    """Where and what, without the given values: these may be PINs."""
    return [
        Place(at="/".join(map(str, item["loc"])), message=item["msg"].removeprefix("Value error, "))
        for item in error.errors(include_input=False, include_context=False, include_url=False)
    ]
