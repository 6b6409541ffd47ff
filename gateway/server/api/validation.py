"""What is wrong with parameters and bodies, as sentences that name them, in both languages; never the given values."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.i18n.invalid_values import message_of
from gateway.i18n.text import Text, joined

_OF_FIELD = Text("{at} {message}", "{at} {message}")
_OTHER_FORM = frozenset({"string_pattern_mismatch", "value_error"})
_UNKNOWN = Text("is unknown here", "gibt es hier nicht")
_MEANT = Text("is unknown here; did you mean {near}?", "gibt es hier nicht; gemeint ist vielleicht {near}")


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with the parameter or field at the path `at`; empty: with the whole body.

    `has_other_form`: it has not the form that its pattern or its own check demands.
    """

    at: str
    message: Text
    has_other_form: bool = False

    @property
    def whole(self) -> Text:
        """What is wrong, with the name of the field."""
        return _OF_FIELD.filled(at=self.at, message=self.message) if self.at else self.message


def sentence(problems: Sequence[FieldProblem]) -> Text:
    """Return all problems, each with the name of its field."""
    return joined((problem.whole for problem in problems), "; ")


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[FieldProblem]:
    """Return what pydantic found wrong with the fields of `model`."""
    found = error.errors(include_input=False, include_url=False)
    known = [schema.alias or name for name, schema in model.model_fields.items()]
    return [_problem(item, known) for item in found]


def _problem(item: ErrorDetails, known: Sequence[str]) -> FieldProblem:
    at = "/".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        from difflib import get_close_matches  # late, since programs make such mistakes while they are written

        near = get_close_matches(str(item["loc"][-1]), known if len(item["loc"]) == 1 else (), 1)
        return FieldProblem(at, _MEANT.filled(near=near[0]) if near else _UNKNOWN)
    return FieldProblem(at, message_of(item), item["type"] in _OTHER_FORM)
