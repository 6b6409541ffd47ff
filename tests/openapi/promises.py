"""What `/api/v1` promises: the document of the last release without its texts, and what breaks it.

`python -m tests.openapi.promises` writes released.json anew: part of a release.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.server.api.routes import document

RELEASED = Path(__file__).with_name("released.json")
Json = Mapping[str, Any]
_NARROWER = {
    "maxLength": 1,
    "maxItems": 1,
    "maximum": 1,
    "maxProperties": 1,
    "minLength": -1,
    "minItems": -1,
    "minimum": -1,
}


def promises(api: Json) -> dict[str, Any]:
    """Return of each operation what clients rely on: parameters, body, successful responses."""
    return {
        f"{method.upper()} {path}": {
            "parameters": {
                f"{it['in']} {it['name']}": {"required": it.get("required", False), "form": _form(it["schema"], api)}
                for it in operation["parameters"]
            },
            "body": _content(operation.get("requestBody", {}), api),
            "responses": {
                status: _content(response, api)
                for status, response in operation["responses"].items()
                if status.startswith("2")
            },
        }
        for path, item in api["paths"].items()
        for method, operation in item.items()
    }


def broken(old: Json, new: Json) -> Iterator[str]:
    """Yield each promise of `old` that `new` does not keep."""
    for name, before in old.items():
        now = new.get(name)
        if now is None:
            yield f"{name}: is gone"
            continue
        yield from _parameters_broken(before["parameters"], now["parameters"], name)
        if before["body"] is None and now["body"] is not None:
            yield f"{name}: has a body now"
        for media, form in (before["body"] or {}).items():
            yield from _narrowed(form, (now["body"] or {}).get(media), f"{name}: body")
        for status, content in before["responses"].items():
            for media, form in (content or {}).items():
                given = (now["responses"].get(status) or {}).get(media)
                yield from _widened(form, given, f"{name}: {status} {media}")


def _parameters_broken(old: Json, new: Json, at: str) -> Iterator[str]:
    for key, parameter in old.items():
        yield from _narrowed(parameter["form"], new.get(key, {}).get("form"), f"{at}: {key}")
    for key, parameter in new.items():
        if parameter["required"] and not old.get(key, {}).get("required"):
            yield f"{at}: {key} must be sent now"


def _content(part: Json, api: Json) -> dict[str, Any] | None:
    content = part.get("content")
    return None if content is None else {media: _form(it["schema"], api) for media, it in content.items()}


def _form(schema: Json, api: Json) -> dict[str, Any]:
    """Return types, bounds, values and fields of a schema, its references resolved."""
    if "$ref" in schema:
        return _form(api["components"]["schemas"][schema["$ref"].rpartition("/")[2]], api)
    choices = [_form(choice, api) for choice in schema.get("anyOf", ())]
    made: dict[str, Any] = {"types": sorted({kind for choice in choices for kind in choice["types"]})}
    for choice in choices:
        made = {**choice, **made}
    if "type" in schema:
        made["types"] = [schema["type"]]
    for name in ("enum", "required", *_NARROWER):
        if name in schema:
            made[name] = copy.copy(schema[name])
    if "properties" in schema:
        made["fields"] = {name: _form(part, api) for name, part in schema["properties"].items()}
    if "items" in schema:
        made["items"] = _form(schema["items"], api)
    return made


def _narrowed(old: Json, new: Json | None, at: str) -> Iterator[str]:
    """Yield what was accepted in a request and is not any more."""
    if new is None:
        yield f"{at} is gone"
        return
    yield from (f"{at} may not be {kind} any more" for kind in _without(old["types"], new["types"]))
    if "enum" in new:
        yield from (
            f"{at} may not be {value} any more" for value in _without(old.get("enum", ["anything"]), new["enum"])
        )
    for bound, sign in _NARROWER.items():
        if bound in new and (bound not in old or sign * new[bound] < sign * old[bound]):
            yield f"{at} has a narrower {bound}"
    yield from (f"{at}/{name} must be sent now" for name in _without(new.get("required", []), old.get("required", [])))
    for name, part in old.get("fields", {}).items():
        yield from _narrowed(part, new.get("fields", {}).get(name), f"{at}/{name}")
    if "items" in old:
        yield from _narrowed(old["items"], new.get("items"), f"{at}/*")


def _widened(old: Json, new: Json | None, at: str) -> Iterator[str]:
    """Yield what a response did not have to be expected to be, or always had."""
    if new is None:
        yield f"{at} is gone"
        return
    yield from (f"{at} may be {kind} now" for kind in _without(new["types"], old["types"]))
    yield from (
        f"{at}/{name} may be missing now" for name in _without(old.get("required", []), new.get("required", []))
    )
    for name, part in old.get("fields", {}).items():
        yield from _widened(part, new.get("fields", {}).get(name), f"{at}/{name}")
    if "items" in old:
        yield from _widened(old["items"], new.get("items"), f"{at}/*")


def _without(these: list[Any], those: list[Any]) -> list[Any]:
    return [it for it in these if it not in those]


if __name__ == "__main__":
    kept = {"version": __version__, "promises": promises(document())}
    RELEASED.write_text(json.dumps(kept, separators=(",", ":"), sort_keys=True) + "\n")
