"""An endpoint of the JSON API: routing, validation and the OpenAPI document all read the same `Endpoint`."""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, get_args, get_type_hints

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from gateway.access.audit import DONE, AuditLog
from gateway.access.caller import Caller, Role
from gateway.access.tokens import Tokens
from gateway.archive.deletion import Deletion
from gateway.archive.service import ArchiveService
from gateway.checks import CheckResult
from gateway.errors import BadRequest, GatewayError
from gateway.fleet.pool import Pool
from gateway.fleet.registry import Registry
from gateway.i18n.negotiation import from_accept_language
from gateway.i18n.text import Language, Text
from gateway.notifications.service import Notifications
from gateway.operations.administration import Administration
from gateway.operations.elster import SiteTills
from gateway.operations.forecast import Forecasts
from gateway.operations.outage_report import OutageReports
from gateway.operations.pool_signing import PoolSigning
from gateway.operations.transactions import Transactions
from gateway.server.api.errors import InvalidRequest
from gateway.server.api.requests import NoBody, RequestBody
from gateway.server.api.validation import problems_of, sentence
from gateway.server.audit_package.place import PackagePlace
from gateway.server.http import bodies
from gateway.server.http.callers import about, caller_of, name_client, tell_about
from gateway.server.http.responses import JSON
from gateway.telemetry.metrics.series import result_of
from gateway.telemetry.recent_events import RecentEvents
from gateway.telemetry.recent_log import RecentLog

BASE = "/api/v1"
TSE = f"{BASE}/tses/{{serial}}"
KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
KEY_PATTERN = r"^[!-~]{1,128}$"
LANGUAGE: web.RequestKey[Language] = web.RequestKey("language")  # of the page that asks
_KEY = re.compile(KEY_PATTERN)
_BIG = 256 * 1024  # bytes from which reading JSON takes longer than changing to a thread
_BEGINNING = re.compile("[0-9A-Fa-f]{4,63}")
_NAMES = {
    "client_id",
    "client_ids",
    "new_client_id",
    "user",
    "action",
    "name",
    "role",
    "tses",
    "ends",
    "number",
    "old_only",
    "overlap_seconds",
}
_PLACEHOLDER = re.compile(r"{(\w+)}")

P = TypeVar("P", bound=BaseModel)
B = TypeVar("B", bound=RequestBody)


class Doctor(Protocol):
    """Examines what the gateway rests on; stands above the server."""

    async def examine(self) -> Sequence[CheckResult]:
        """Return what was found, in the order of the layers."""
        ...

    async def support_bundle(self) -> tuple[str, bytes]:
        """Return the name of a new support bundle and its bytes, a ZIP file."""
        ...


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
    translates_old_tills: Callable[[str], bool]
    tokens: Tokens
    recent_events: RecentEvents
    recent_log: RecentLog
    audit: AuditLog
    pool: Pool
    pool_signing: PoolSigning
    site_tills: SiteTills
    package_place: PackagePlace
    notifications: Notifications
    doctor: Doctor

    def whole_serial(self, beginning: str) -> str:
        """Return the serial of the one TSE that is or was here, and begins so; else `beginning` itself.

        Raises:
            BadRequest: several begin so.
        """
        if not _BEGINNING.fullmatch(beginning):
            return beginning
        known = {*self.registry.expected, *(device.serial for device in self.registry.devices())}
        known |= {archive.serial for archive in self.archives.all()}
        found = sorted(serial for serial in known if serial.startswith(beginning.upper()))
        if len(found) > 1:
            raise BadRequest(
                Text(
                    "{given} TSEs have a serial that begins with {beginning}: give more of it",
                    "{given} TSEs haben eine Seriennummer, die mit {beginning} beginnt: mehr davon angeben",
                ),
                given=len(found),
                beginning=beginning,
            )
        return found[0] if found else beginning


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """One validated request: `params` of path and query, the body, and the Idempotency-Key if one was sent."""

    services: Services
    request: web.Request
    params: P
    body: B
    key: str | None

    @property
    def language(self) -> Language:
        """The language that the client wants its texts in; English unless it says so."""
        return language_of(self.request)


def language_of(request: web.Request) -> Language:
    """Return the language of texts for the client of `request`: that of its page, else English or German."""
    return request.get(LANGUAGE) or from_accept_language(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), "en")


Handler = Callable[[Call[Any, Any]], Awaitable[BaseModel | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One media type of a file; without `example` and `model` its bytes are no text."""

    media: str
    example: str | None = None
    model: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class FileResponse:
    """A response that is a file in one of some formats. `ranges`: parts of it can be requested."""

    description: str
    formats: tuple[FileFormat, ...]
    ranges: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation; `errors` are those beside what every request may meet.

    `roles` may ask for it. The annotations of `handler` say what parameters and body it takes, and which model it
    returns if not a `file`.
    `keyed` operations take an Idempotency-Key; `headers` are other parameters in the head, as the document has them.
    `of_all` ones tell what all tills have signed: a token for some client ids has to name one of them.
    """

    method: str
    path: str
    roles: AbstractSet[Role]
    handler: Handler
    summary: str
    description: str
    errors: tuple[type[GatewayError], ...] = ()
    file: FileResponse | None = None
    keyed: bool = False
    headers: tuple[Mapping[str, Any], ...] = ()
    of_all: bool = False

    @property
    def name(self) -> str:
        """The operation id: a stable name for generated clients."""
        return self.handler.__name__

    @property
    def is_act(self) -> bool:
        """Whether operators change something by it, so that it belongs into the audit log."""
        return self.method != hdrs.METH_GET and Role.OPERATOR in self.roles

    @property
    def params(self) -> type[BaseModel]:
        return _types(self.handler)[0]

    @property
    def body(self) -> type[RequestBody]:
        return _types(self.handler)[1]

    @property
    def response(self) -> type[BaseModel]:
        """The model of the response, if that is no `file`."""
        return _types(self.handler)[2]

    @property
    def path_names(self) -> frozenset[str]:
        """Parameters that stand in the path; all others are of the query."""
        return frozenset(_PLACEHOLDER.findall(self.path))

    @property
    def has_body(self) -> bool:
        return self.body is not NoBody


@dataclass(frozen=True, slots=True)
class Section:
    """Endpoints about one subject; a tag in the OpenAPI document."""

    name: str
    description: str
    endpoints: tuple[Endpoint, ...]


@functools.cache
def _types(handler: Handler) -> tuple[type[BaseModel], type[RequestBody], type[BaseModel]]:
    hints = get_type_hints(handler)
    params, body = get_args(hints["call"])
    return params, body, hints["return"]


def route(endpoint: Endpoint, services: Services) -> web.RouteDef:
    """Return the route that validates a request, calls the handler, and makes its model the response."""

    async def handle(request: web.Request) -> web.StreamResponse:
        given, body = functools.partial(_query, endpoint, request), functools.partial(_body, endpoint, request)
        result = await perform(endpoint, services, request, given, body)
        if not isinstance(result, BaseModel):
            return result
        response = web.Response(body=result.model_dump_json().encode(), content_type=JSON)
        if getattr(result, "replayed", False):
            response.headers[REPLAYED_HEADER] = "true"
        return response

    if endpoint.method == hdrs.METH_GET:
        return web.get(endpoint.path, handle, allow_head=False)
    return web.route(endpoint.method, endpoint.path, handle, expect_handler=bodies.expect)


async def perform(
    endpoint: Endpoint,
    services: Services,
    request: web.Request,
    given: Callable[[], Mapping[str, object]],
    body: Callable[[], AbstractAsyncContextManager[RequestBody]],
) -> BaseModel | web.StreamResponse:
    """Do what an endpoint is for, if the caller of `request` may, and note an act of an operator in the audit log.

    `given` returns the parameters, `body` reads the body once all else was checked. The status page does the same acts
    by this, with what a form holds.
    """
    call = functools.partial(_perform, endpoint, services, request, given, body)
    # What a till may do of what operators do, it does every day.
    if not endpoint.is_act or caller_of(request).role is Role.TILL:
        return await call()
    try:
        result = await call()
    except GatewayError as error:
        await _note(services.audit, endpoint, request, result_of(error).lower())
        raise
    await _note(services.audit, endpoint, request, DONE)
    return result


async def _perform(
    endpoint: Endpoint,
    services: Services,
    request: web.Request,
    given: Callable[[], Mapping[str, object]],
    body: Callable[[], AbstractAsyncContextManager[RequestBody]],
) -> BaseModel | web.StreamResponse:
    caller = caller_of(request)
    caller.check_role(endpoint.roles)
    if "serial" in request.match_info:  # whole from here on, also for the log and the outages
        request.match_info["serial"] = services.whole_serial(request.match_info["serial"])
    params, key = _params(endpoint, given()), _key_of(endpoint, request)
    _check_tse(caller, params)
    async with body() as read:
        if not _check_client(request, services.tokens, params, read) and endpoint.of_all:
            caller.check_all_clients()
        tell_about(request, **_named_in(params), **_named_in(read))
        return await endpoint.handler(Call(services, request, params, read, key))


async def _note(audit: AuditLog, endpoint: Endpoint, request: web.Request, result: str) -> None:
    serial = request.match_info.get("serial", "").upper()
    await audit.note(caller_of(request), endpoint.name, result, serial=serial, about=about(request))


def _named_in(model: BaseModel) -> dict[str, Any]:
    """Return what an act is about: names only, nothing that may be a PIN or a token."""
    given = model.model_dump(mode="json", include=_NAMES, exclude_defaults=True)
    return {name: value for name, value in given.items() if value not in (None, "", [])}


def _check_tse(caller: Caller, params: BaseModel) -> None:
    caller.check_tse(getattr(params, "serial", None) or "")


def _check_client(request: web.Request, tokens: Tokens, *models: BaseModel) -> bool:
    """Refuse a client id that is not the token's, note for which one a till acts, and return whether one is named."""
    caller, named = caller_of(request), False
    for model in models:
        client_id = getattr(model, "client_id", None)
        if client_id:
            caller.check_client(client_id)
            tokens.uses.note(caller, client_id)
            name_client(request, client_id)
            named = True
    return named


def _query(endpoint: Endpoint, request: web.Request) -> Mapping[str, object]:
    names = list(request.query)
    if len(set(names)) != len(names) or endpoint.path_names.intersection(names):
        raise BadRequest(Text("a parameter is given twice", "ein Parameter ist zweimal angegeben"))
    return {**request.query, **request.match_info}


def _params(endpoint: Endpoint, given: Mapping[str, object]) -> BaseModel:
    try:
        return endpoint.params.model_validate(given)
    except ValidationError as error:
        raise BadRequest(sentence(problems_of(error, endpoint.params))) from None


@asynccontextmanager
async def _body(endpoint: Endpoint, request: web.Request) -> AsyncIterator[RequestBody]:
    if not endpoint.has_body:
        yield endpoint.body()
        return
    if request.content_type != JSON:
        raise web.HTTPUnsupportedMediaType
    async with bodies.received(request, endpoint.body.longest) as text:
        yield await asyncio.to_thread(validated, endpoint, text) if len(text) > _BIG else validated(endpoint, text)


def validated(endpoint: Endpoint, text: bytes) -> RequestBody:
    """Return the body in a JSON text.

    Raises:
        BadRequest, InvalidRequest: it is no JSON, or not as the endpoint takes it.
    """
    bodies.from_json(text)  # pydantic takes keys that are given twice
    try:
        return endpoint.body.model_validate_json(text)
    except ValidationError as error:
        if error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid":
            raise BadRequest(Text("the body is not JSON", "der Body ist kein JSON")) from None
        raise InvalidRequest(problems_of(error, endpoint.body)) from None


def _key_of(endpoint: Endpoint, request: web.Request) -> str | None:
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys or not endpoint.keyed:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest(
            Text("{header} has 1 to 128 visible ASCII characters", "{header} hat 1 bis 128 sichtbare ASCII-Zeichen"),
            header=KEY_HEADER,
        )
    return keys[0]
