"""The OpenAPI 3.1 document, made from the table of endpoints."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from openapi_pydantic import (
    Components,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Response,
    SecurityScheme,
    Tag,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from gateway import __version__
from gateway.errors import BadRequest, CommandRejected, GatewayError, Unauthorized
from gateway.server.api.endpoint import KEY_HEADER, KEY_PATTERN, Endpoint
from gateway.server.api.errors import InvalidRequest
from gateway.server.api.problems import MEDIA, statuses_of
from gateway.server.api.responses import Problem
from gateway.server.http.responses import JSON

_ALWAYS: tuple[type[GatewayError], ...] = (BadRequest, Unauthorized, GatewayError)
_OF_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_TAGS = {
    "TSEs": "what is known of the TSEs",
    "Transactions": "signatures for tills",
    "Exports": "log messages as TAR archives",
    "Archive": "what the gateway keeps of each TSE, verified",
    "Outages": "times in which a TSE could not be used, as the law wants them documented",
    "Administration": "what an operator does; PINs stand in bodies only and are kept nowhere",
}
_DESCRIPTION = (
    "Signing without a client library, exports, and the administration of Swissbit TSEs. "
    "The token of the gateway is the password of the user lantse, or a bearer token. "
    "Errors are problem details (RFC 9457) with a stable `code`. "
    "While a TSE is away requests fail at once; nothing is kept for later signing."
)


def document(endpoints: Iterable[Endpoint[Any, Any]]) -> dict[str, Any]:
    """The document as JSON values."""
    paths: dict[str, dict[str, Operation]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    made = OpenAPI(
        info=Info(title="TSE gateway", version=__version__, description=_DESCRIPTION),
        paths={path: PathItem(**operations) for path, operations in paths.items()},
        tags=[Tag(name=name, description=text) for name, text in _TAGS.items()],
        components=Components(
            securitySchemes={
                "basic": SecurityScheme(type="http", scheme="basic", description="user lantse, password the token"),
                "bearer": SecurityScheme(type="http", scheme="bearer", description="the token"),
            }
        ),
        security=[{"basic": []}, {"bearer": []}],
    )
    complete = construct_open_api_with_schema_class(made)
    # Without what is default: the library spells some out where the specification does not allow them.
    return {"openapi": complete.openapi, **complete.model_dump(mode="json", by_alias=True, exclude_defaults=True)}


def _operation(endpoint: Endpoint[Any, Any]) -> Operation:
    return Operation(
        tags=[endpoint.tag],
        summary=endpoint.summary,
        description=endpoint.description or None,
        operationId=endpoint.name,
        parameters=[*_parameters(endpoint), *([_key_parameter()] if endpoint.keyed else [])] or None,
        requestBody=_body(endpoint.body) if endpoint.has_body else None,
        responses={**{str(status): _answer(endpoint) for status in endpoint.statuses}, **_problems(endpoint)},
    )


def _parameters(endpoint: Endpoint[Any, Any]) -> list[Parameter]:
    schema = endpoint.params.model_json_schema()
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", []))
    found = []
    for name, plain in schema.get("properties", {}).items():
        form = _flat(plain, definitions)
        in_path = name in endpoint.path_names
        found.append(
            Parameter.model_validate(
                {
                    "name": name,
                    "in": "path" if in_path else "query",
                    "required": in_path or name in required,
                    "description": form.pop("description", None),
                    "schema": form,
                }
            )
        )
    return found


def _flat(plain: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema without references, and without the null that a query cannot say."""
    form = dict(plain)
    for choice in form.pop("anyOf", []):
        if choice.get("type") != "null":
            form = {**choice, **form}
    if "$ref" in form:
        form = {**definitions[form.pop("$ref").rsplit("/", 1)[1]], **form}
    if form.get("default", "") is None:
        form.pop("default")
    form.pop("title", None)
    return form


def _key_parameter() -> Parameter:
    text = (
        "One key per receipt, kept for three days: the same request under the same key gets the same signature, "
        "also after a restart or a lost answer; another request is refused."
    )
    schema = {"type": "string", "pattern": KEY_PATTERN}
    return Parameter.model_validate({"name": KEY_HEADER, "in": "header", "description": text, "schema": schema})


def _body(model: type[BaseModel]) -> RequestBody:
    return RequestBody(required=True, content={JSON: MediaType(media_type_schema=PydanticSchema(schema_class=model))})


def _answer(endpoint: Endpoint[Any, Any]) -> Response:
    if isinstance(endpoint.answer, str):
        content = {endpoint.answer: MediaType()}
        headers = {name: _header(text) for name, text in endpoint.headers.items()} or None
        return Response(description="the file", content=content, headers=headers)
    schema: Any = PydanticSchema(schema_class=endpoint.answer)
    text = (endpoint.answer.__doc__ or "").strip()
    return Response(description=text, content={JSON: MediaType(media_type_schema=schema)})


def _header(text: str) -> Header:
    return Header.model_validate({"description": text, "schema": {"type": "string"}})


def _problems(endpoint: Endpoint[Any, Any]) -> dict[str, Response]:
    codes: dict[HTTPStatus, set[str]] = {}
    for kind in errors_of(endpoint):
        for status in statuses_of(kind):
            codes.setdefault(status, set()).update(() if issubclass(kind, CommandRejected) else (kind.code,))
    for status in _OF_BODIES if endpoint.has_body else ():
        codes.setdefault(status, set()).add(status.name.lower())
    content = {MEDIA: MediaType(media_type_schema=PydanticSchema(schema_class=Problem))}
    return {
        str(int(status)): Response(description=_told(status, found), content=content)
        for status, found in sorted(codes.items())
    }


def errors_of(endpoint: Endpoint[Any, Any]) -> tuple[type[GatewayError], ...]:
    """All that a request to it may end with."""
    return (*_ALWAYS, *endpoint.errors, *((InvalidRequest,) if endpoint.has_body else ()))


def _told(status: HTTPStatus, codes: set[str]) -> str:
    named = f": {', '.join(sorted(codes))}" if codes else ""
    refused = " or what the TSE refused" if status is HTTPStatus.CONFLICT else ""
    return f"{status.phrase}{named}{refused}"
