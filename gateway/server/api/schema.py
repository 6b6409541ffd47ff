"""How models become schemas of the OpenAPI document: their texts are chosen for its readers, not taken from code."""

from typing import Any

from pydantic import ConfigDict
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


def about(description: str) -> ConfigDict:
    """Return the configuration of a model with this public description."""
    return ConfigDict(json_schema_extra={"description": description})


class PublicSchema(GenerateJsonSchema):
    """Schemas without docstrings, without titles made from names, and without `default: null`."""

    drops_defaults = False

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (signature of the base)
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made.pop("title", None)
        chosen = schema["cls"].model_config.get("json_schema_extra")
        if not isinstance(chosen, dict) or "description" not in chosen:
            made.pop("description", None)
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        drops = self.drops_defaults and self.mode == "validation"
        return {name: value for name, value in made.items() if name != "default" or (value is not None and not drops)}


class BodySchema(PublicSchema):
    """The same; bodies of requests have no defaults, since generated clients send them, or demand them to be sent."""

    drops_defaults = True


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return the example that the parts of `schema` make; `schemas` are those that references name."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    for known in ("examples", "enum"):
        if known in schema:
            return schema[known][0]
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    required = schema.get("required", ())
    return {
        name: example_of(part, schemas)
        for name, part in schema["properties"].items()
        if name in required or "examples" in part
    }
