"""What is wrong with parameters and bodies, as sentences that name them, in both languages; never the given values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.i18n.text import Language, Text

_OTHER = Text("is not as documented ({message})", "ist nicht wie dokumentiert ({message})")
_UNKNOWN = Text("is unknown here", "gibt es hier nicht")
_MEANT = Text("is unknown here; did you mean {near}?", "gibt es hier nicht; gemeint ist vielleicht {near}")
_OBJECT = Text("must be an object with the documented fields", "muss ein Objekt mit den dokumentierten Feldern sein")
_WHOLE = Text("must be a whole number", "muss eine ganze Zahl sein")
_LONG = Text("has more than {max_length} characters", "hat mehr als {max_length} Zeichen")
_SHORT = Text("has fewer than {min_length} characters", "hat weniger als {min_length} Zeichen")
# By the type of pydantic's error; placeholders are the names in its context.
_TEXTS: Mapping[str, Text] = {
    "missing": Text("is missing", "fehlt"),
    "string_type": Text("must be a string", "muss eine Zeichenkette sein"),
    "string_too_long": _LONG,
    "string_too_short": _SHORT,
    "string_pattern_mismatch": Text("does not have the form {pattern}", "hat nicht die Form {pattern}"),
    "bool_type": Text("must be true or false", "muss true oder false sein"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "list_type": Text("must be a list", "muss eine Liste sein"),
    "tuple_type": Text("must be a list", "muss eine Liste sein"),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "literal_error": Text("is none of {expected}", "ist nichts von {expected}"),
    "union_tag_invalid": Text("is none of {expected_tags}", "ist nichts von {expected_tags}"),
    "union_tag_not_found": Text("must be an object with a type", "muss ein Objekt mit einem Typ sein"),
    "greater_than_equal": Text("is less than {ge}", "ist kleiner als {ge}"),
    "less_than_equal": Text("is more than {le}", "ist größer als {le}"),
    "too_long": Text("has more than {max_length} entries", "hat mehr als {max_length} Einträge"),
    "too_short": Text("has fewer than {min_length} entries", "hat weniger als {min_length} Einträge"),
}


class UnfitValue(ValueError):
    """What a validator of a model finds wrong; `text` is a clause, after the name of the field if it is of one."""

    def __init__(self, text: Text, **values: object) -> None:
        super().__init__(text.in_language("en", **values))
        self.text, self.values = text, values


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with the parameter or field at the path `at`; empty: with the whole body."""

    at: str
    text: Text
    values: Mapping[str, object] = field(default_factory=dict)

    def message(self, language: Language) -> str:
        """Return what is wrong, without the name."""
        return self.text.in_language(language, **self.values)


def sentence(problems: Sequence[FieldProblem], language: Language) -> str:
    """Return all problems, each with the name of its field."""
    return "; ".join(f"{problem.at} {problem.message(language)}".strip() for problem in problems)


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[FieldProblem]:
    """Return what pydantic found wrong with the fields of `model`."""
    found = error.errors(include_input=False, include_url=False)
    known = [schema.alias or name for name, schema in model.model_fields.items()]
    return [_problem(item, known) for item in found]


def _problem(item: ErrorDetails, known: Sequence[str]) -> FieldProblem:
    at, context = "/".join(map(str, item["loc"])), item.get("ctx", {})
    told = context.get("error")
    if isinstance(told, UnfitValue):
        return FieldProblem(at, told.text, told.values)
    if item["type"] == "extra_forbidden":
        near = get_close_matches(str(item["loc"][-1]), known if len(item["loc"]) == 1 else (), 1)
        return FieldProblem(at, _MEANT, {"near": near[0]}) if near else FieldProblem(at, _UNKNOWN)
    text = _TEXTS.get(item["type"])
    if text is None:
        return FieldProblem(at, _OTHER, {"message": item["msg"].removeprefix("Value error, ")})
    if context.get("field_type") == "Value":  # a secret, which is no string to pydantic
        text = _LONG if item["type"] == "too_long" else _SHORT
    return FieldProblem(at, text, {name: str(value).replace(" or ", ", ") for name, value in context.items()})
