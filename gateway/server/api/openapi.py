"""The OpenAPI 3.1 document, made from the sections of endpoints."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway import __version__
from gateway.access.caller import Role
from gateway.errors import BadRequest, CommandRejected, Forbidden, GatewayError, Unauthorized, nearest
from gateway.fleet.pins.retry_guard import PinWithheld
from gateway.server.api.downloads import BYTES
from gateway.server.api.endpoint import KEY_HEADER, KEY_PATTERN, REPLAYED_HEADER, Endpoint, FileFormat, Section
from gateway.server.api.errors import Errors, InvalidRequest
from gateway.server.api.problem_types import PROBLEM_TYPES
from gateway.server.api.problems import MEDIA
from gateway.server.api.responses import Problem
from gateway.server.api.schema import BodySchema, PublicSchema, example_of
from gateway.server.http.responses import JSON
from gateway.tse.results import Result

_REFERENCE = "#/components/schemas/{model}"
_ALWAYS: Errors = (BadRequest, Unauthorized, Forbidden, GatewayError)
_WRONG_PIN = {Result.AUTHENTICATION_FAILED.name.lower(), Result.PIN_BLOCKED.name.lower()}
_OF_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_INFO = {
    "title": "TSE gateway",
    "version": __version__,
    "summary": "Receipts signed by Swissbit TSEs, exports, archives, outages, and administration.",
    "description": (
        "The gateway serves Swissbit TSEs (technical security systems of German cash registers) to the network.\n\n"
        "**Token**: send a token of the gateway as a bearer token, or as the password of the user `lantse`. Each has a "
        "role: `till` signs, `operator` administers, `auditor` reads exports, archives and outages, `monitor` reads "
        "states and metrics; `lan`, the token of session.txt, may do all of this. Each operation names the roles that "
        "it is for; others get 403 (`forbidden`). A token may also be limited to TSEs and client ids: "
        "it acts for these only, reads receipts and events of these only, and gets no export of all. A client "
        "certificate may stand for a token.\n\n"
        "**Errors** are problem details (RFC 9457) with a stable `code`; each operation names its codes. "
        "After a 503 send the same request again later, with the same `Idempotency-Key` if there was one.\n\n"
        "**Outages**: while a TSE is away requests fail at once; nothing is kept for later signing.\n\n"
        "**Files** can also be requested with `Accept: application/octet-stream`."
    ),
    "contact": {"name": "The administrator of your gateway"},
    "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
}
_SERVERS = [
    {
        "url": "https://{host}:{port}",
        "description": "A gateway in your network.",
        "variables": {
            "host": {"default": "127.0.0.1", "description": "Name or address of the gateway."},
            "port": {"default": "4433", "description": "Its port (setting `port`)."},
        },
    }
]
_KEY = {
    "name": KEY_HEADER,
    "in": "header",
    "description": "One key for each receipt, kept for three days. The same request under the same key gets the same "
    "signature, also after a restart or a lost response; another request under it is refused.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
    "example": "7f9c2ba4-e88f-4d2b-9a31-5c1de0a8f1b2",
}
_REPLAYED = {
    REPLAYED_HEADER: {
        "description": "`true` if this key was used before, and nothing was signed again; left out otherwise.",
        "schema": {"type": "string"},
    }
}
_RANGE_HEADERS = {
    "Accept-Ranges": "`bytes`: parts of the file can be requested with `Range`.",
    "Content-Range": "Which part of the file this is; of a 206 only.",
}


def document(sections: Iterable[Section]) -> dict[str, Any]:
    """Return the document as JSON values."""
    sections = tuple(sections)
    schemas = _schemas(endpoint for section in sections for endpoint in section.endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for section in sections:
        for endpoint in section.endpoints:
            paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = {
                "tags": [section.name],
                **_operation(endpoint, schemas),
            }
    return {
        "openapi": "3.1.1",
        "info": _INFO,
        "servers": _SERVERS,
        "security": [{"bearer": []}, {"basic": []}],
        "tags": [{"name": section.name, "description": section.description} for section in sections],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The API token of the gateway."},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "User `lantse`, with the API token of the gateway as password.",
                },
            },
        },
    }


def errors_of(endpoint: Endpoint) -> Errors:
    """Return all kinds of errors that a request to this endpoint may end with."""
    return (*_ALWAYS, *endpoint.errors, *((InvalidRequest,) if endpoint.has_body else ()))


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for endpoint in endpoints:
        if endpoint.has_body:
            models[endpoint.body, "validation"] = None
        given = [file.model for file in endpoint.file.formats] if endpoint.file else [endpoint.response]
        models.update({(model, "serialization"): None for model in given if model is not None})
    _, made = models_json_schema(list(models), ref_template=_REFERENCE, schema_generator=BodySchema)
    found: dict[str, Any] = made["$defs"]
    # pydantic describes an enum by its docstring, after the generator is done with it.
    return {
        name: {"enum": form["enum"], "type": form["type"]} if "enum" in form else form for name, form in found.items()
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"{endpoint.description}\n\n{_roles(endpoint)}",
        "parameters": [*_parameters(endpoint), *([_KEY] if endpoint.keyed else []), *endpoint.headers],
        **(_request_body(endpoint.body, schemas) if endpoint.has_body else {}),
        "responses": {**_successes(endpoint, schemas), **_problems(endpoint)},
    }


def _roles(endpoint: Endpoint) -> str:
    named = ", ".join(f"`{role}`" for role in Role if role in endpoint.roles)
    return f"Roles of tokens: {named}."


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = endpoint.params.model_json_schema(schema_generator=PublicSchema)
    required = schema.get("required", ())
    return [
        _parameter(name, form, in_path=name in endpoint.path_names, required=name in required)
        for name, form in schema["properties"].items()
    ]


def _parameter(name: str, form: dict[str, Any], *, in_path: bool, required: bool) -> dict[str, Any]:
    # A query cannot say null: what is left out is null.
    chosen: list[dict[str, Any]] = [choice for choice in form.pop("anyOf", ()) if choice["type"] != "null"]
    form = {**(chosen[0] if chosen else {}), **form}
    parameter = {"name": name, "in": "path" if in_path else "query", "required": required, "schema": form}
    parameter["description"] = form.pop("description")
    if "examples" in form:
        parameter["example"] = form.pop("examples")[0]
    return parameter


def _request_body(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {JSON: _json(model, schemas)}}}


def _successes(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    file = endpoint.file
    if file is None:
        name = endpoint.response.__name__
        content = {JSON: _json(endpoint.response, schemas)}
        headers = {"headers": _REPLAYED} if endpoint.keyed else {}
        return {"200": {"description": schemas[name]["description"], **headers, "content": content}}
    response: dict[str, Any] = {"description": file.description, "content": _files(file.formats, schemas)}
    texts = {**file.headers, **(_RANGE_HEADERS if file.ranges else {})}
    if texts:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()
        }
    return {str(status): response for status in ((200, 206) if file.ranges else (200,))}


def _files(formats: Iterable[FileFormat], schemas: dict[str, Any]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = {}
    for file in formats:
        if file.model is not None:
            content[file.media] = _json(file.model, schemas)
        elif file.example is not None:
            content[file.media] = {"schema": {"type": "string"}, "example": file.example}
        else:
            content[file.media] = binary
        if not file.media.startswith("text/"):  # as clients take it that know few media types
            content.setdefault(BYTES, binary)
    return content


def _json(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    name = model.__name__
    return {"schema": {"$ref": _REFERENCE.format(model=name)}, "example": example_of(schemas[name], schemas)}


def _problems(endpoint: Endpoint) -> dict[str, Any]:
    codes: dict[HTTPStatus, set[str]] = {}
    for kind in errors_of(endpoint):
        codes.setdefault(nearest(PROBLEM_TYPES, kind).status, set()).add(kind.code)
        if issubclass(kind, PinWithheld):  # then a PIN or PUK is sent, and the TSE may refuse it
            codes[HTTPStatus.FORBIDDEN] |= _WRONG_PIN
    for status in _OF_BODIES if endpoint.has_body else ():
        codes.setdefault(status, set()).add(status.name.lower())
    content = {MEDIA: {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}}}
    return {
        str(int(status)): {"description": _description(status, found), "content": content}
        for status, found in sorted(codes.items())
    }


def _description(status: HTTPStatus, codes: set[str]) -> str:
    named = ", ".join(f"`{code}`" for code in sorted(codes))
    result = ", or the code of another result of the TSE" if CommandRejected.code in codes else ""
    return f"{status.phrase}: {named}{result}."
