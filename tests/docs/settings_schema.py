"""What the chart's schema says of `settings`: each setting of the gateway by name, type and limits.

`python -m tests.docs.settings_page` writes it into helm/tse-gateway/values.schema.json.
"""

import json
from pathlib import Path
from typing import Any

from gateway.config.meanings import MEANINGS
from gateway.config.settings import Settings
from gateway.config.sources import setting_names

SCHEMA = Path(__file__).parents[2] / "helm/tse-gateway/values.schema.json"
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxLength", "pattern")

Object = dict[str, Any]


def with_settings(schema: str) -> str:
    """Return `schema` with its part on `settings` made anew."""
    whole: Object = json.loads(schema)
    known = Settings.model_json_schema()["properties"]
    whole["properties"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _described(name, known) for name in setting_names(Settings)},
    }
    return json.dumps(whole, indent=2) + "\n"


def _described(name: str, known: Object) -> Object:
    meaning = {"description": MEANINGS[name].en} if name in MEANINGS else {}
    return meaning | _setting(known.get(name, {"type": "string"}))


def _setting(known: Object) -> Object:
    """A value as TOML has it, or its text as the environment would have it, which the gateway takes as well."""
    if "anyOf" in known:
        known |= next(kind for kind in known["anyOf"] if kind["type"] != "null")
    if "enum" in known:
        values = [*known["enum"], *(value.lower() for value in known["enum"] if value.isupper())]
        return {"enum": values}
    kinds = "string" if known["type"] == "string" else [known["type"], "string"]
    return {"type": kinds} | {name: known[name] for name in _LIMITS if name in known}
