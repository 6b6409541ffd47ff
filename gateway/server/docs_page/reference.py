"""The OpenAPI document as a page: each operation with its parameters, bodies and responses, and a form to try it.

It is in English, as the document is. Without scripts all but trying works.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.i18n.locales import Locale
from gateway.server.docs_page.layout import document as whole_document
from gateway.server.status_page.html import HtmlElement, el

Json = Mapping[str, Any]
_JSON = "application/json"
_FAILED = "The answer comes here."
_ACCESS = (
    "Requests go to this gateway with the token that you give here; it stays in this page. The first simulated TSE is "
    "filled in. What is sent to a real TSE is done for real."
)


def page(document: Json) -> str:
    """Return the whole page of an OpenAPI document."""
    info, schemas = document["info"], document["components"]["schemas"]
    tags = [tag["name"] for tag in document["tags"]]
    main = el(
        "main",
        el("h1", f"{info['title']} {info['version']}: REST API"),
        *_paragraphs(info["description"]),
        el("p", "The same for programs: ", el("a", "openapi.json", href="/api/v1/openapi.json"), "."),
        _token_form(),
        *(_section(tag, document, schemas) for tag in document["tags"]),
        el("h2", "Schemas", id="schemas"),
        *(_schema(name, form) for name, form in sorted(schemas.items())),
    )
    links = (el("a", name, href=f"#{_anchor(name)}") for name in (*tags, "schemas"))
    contents = el("nav", *links, aria_label="Contents", class_="contents")
    return whole_document("REST API", Locale("en"), contents, main, script=True)


def _token_form() -> HtmlElement:
    return el(
        "form",
        el("label", "Token", for_="token"),
        el("input", id="token", type="password", autocomplete="off", size="40"),
        el("button", "Use it", type="submit"),
        el("p", _ACCESS, class_="quiet"),
        el("p", role="status", id="told"),
        id="access",
    )


def _section(tag: Json, document: Json, schemas: Json) -> HtmlElement:
    operations = (
        _operation(method.upper(), path, operation, schemas)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag["name"] in operation["tags"]
    )
    heading = el("h2", tag["name"], id=_anchor(tag["name"]))
    return el("section", heading, el("p", *_marked(tag["description"])), *operations)


def _operation(method: str, path: str, operation: Json, schemas: Json) -> HtmlElement:
    name = operation["operationId"]
    parameters = operation["parameters"]
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    summary = el("summary", el("code", f"{method} {path}"), " ", el("span", operation["summary"]))
    rows = [(it["name"], it["in"], it.get("required", False), it["schema"], it["description"]) for it in parameters]
    return el(
        "details",
        summary,
        *_paragraphs(operation["description"]),
        el("h3", "Parameters") if rows else None,
        _table(("Name", "In", "Form", "Meaning"), (_parameter(*row) for row in rows)) if rows else None,
        *(() if body is None else (el("h3", "Body"), _form_of(body["schema"], schemas))),
        el("h3", "Responses"),
        _table(("Status", "Form", "Meaning"), _responses(operation["responses"])),
        _try(method, path, name, parameters, body),
        id=name,
        class_="card",
    )


def _parameter(name: str, place: str, required: bool, schema: Json, description: str) -> HtmlElement:
    return _row(_named(name, required=required), place, *_cells(schema, description))


def _form_of(schema: Json, schemas: Json) -> HtmlElement:
    name = schema["$ref"].rpartition("/")[2]
    form = schemas[name]
    return el("div", el("p", _reference(name), ". ", *_marked(form["description"])), _fields(form))


def _responses(responses: Json) -> Iterator[HtmlElement]:
    for status, response in responses.items():
        forms: list[HtmlElement | str] = []
        for media, content in response.get("content", {}).items():
            forms += [media, ": ", *_type(content["schema"]), el("br")]
        yield _row(el("code", status), el("span", *forms), el("span", *_marked(response["description"])))


def _schema(name: str, form: Json) -> HtmlElement:
    text = el("p", *_marked(form["description"])) if "description" in form else None
    inner = _fields(form) if "properties" in form else el("p", *_type(form))
    return el("section", el("h3", name), text, inner, id=f"schema-{name}", class_="card")


def _fields(form: Json) -> HtmlElement:
    required = form.get("required", ())
    return _table(
        ("Field", "Form", "Meaning"),
        (
            _row(_named(name, required=name in required), *_cells(part, part.get("description", "")))
            for name, part in form["properties"].items()
        ),
    )


def _cells(schema: Json, description: str) -> tuple[HtmlElement, HtmlElement]:
    return el("span", *_type(schema)), el("span", *_marked(description))


def _type(schema: Json) -> list[HtmlElement | str]:
    """Return the form of a value: its type, with a link if it is a schema of its own, and its bounds."""
    if "$ref" in schema:
        return [_reference(schema["$ref"].rpartition("/")[2])]
    if "anyOf" in schema:
        parts: list[HtmlElement | str] = []
        for choice in schema["anyOf"]:
            parts += [*([" or "] if parts else []), *_type(choice)]
        return parts
    if schema.get("type") == "array":
        return ["list of ", *_type(schema["items"])]
    words = " ".join(filter(None, (schema.get("type", "any"), schema.get("format"))))
    bounds = ("enum", "const", "pattern", "minimum", "maximum", "minLength", "maxLength", "default")
    told = [f"{name} {json.dumps(schema[name], ensure_ascii=False)}" for name in bounds if name in schema]
    return [words, *([el("br"), el("code", ", ".join(told))] if told else [])]


def _try(method: str, path: str, name: str, parameters: Iterable[Json], body: Json | None) -> HtmlElement:
    """Return the form that static/docs.js sends."""
    inputs = [
        _input(f"{name}-{it['name']}", it["name"], it["in"], str(it.get("example", "")) if it.get("required") else "")
        for it in parameters
    ]
    text = None
    if body is not None:
        area = f"{name}-body"
        example = json.dumps(body["example"], indent=2, ensure_ascii=False)
        text = el("p", el("label", "Body", for_=area), el("textarea", example, id=area, name="body", rows="8"))
    return el(
        "form",
        el("h3", "Try it"),
        *inputs,
        text,
        el("button", f"Send {method}", type="submit"),
        el("pre", _FAILED, class_="answer", role="status", tabindex="0", aria_label="Response"),
        class_="try js",
        data_method=method,
        data_path=path,
    )


def _input(id_: str, name: str, place: str, value: str) -> HtmlElement:
    return el(
        "p", el("label", name, for_=id_), el("input", id=id_, name=name, value=value, data_in=place, autocomplete="off")
    )


def _table(heads: Iterable[str], rows: Iterable[HtmlElement]) -> HtmlElement:
    head = el("tr", *(el("th", name, scope="col") for name in heads))
    return el("div", el("table", el("thead", head), el("tbody", *rows)), class_="wide", tabindex="0", role="group")


def _row(*cells: HtmlElement | str) -> HtmlElement:
    return el("tr", *(el("td", cell) for cell in cells))


def _named(name: str, *, required: bool) -> HtmlElement:
    return el("span", el("code", name), " (required)" if required else None)


def _reference(name: str) -> HtmlElement:
    return el("a", name, href=f"#schema-{name}")


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _paragraphs(text: str) -> list[HtmlElement]:
    return [el("p", *_marked(part)) for part in text.split("\n\n")]


def _marked(text: str) -> list[HtmlElement | str]:
    """Return a text of the document: `code` in backticks, and words between two asterisks, are elements."""
    parts: list[HtmlElement | str] = []
    for number, part in enumerate(text.split("`")):
        if number % 2:
            parts.append(el("code", part))
            continue
        parts += [el("strong", piece) if strong % 2 else piece for strong, piece in enumerate(part.split("**"))]
    return parts
