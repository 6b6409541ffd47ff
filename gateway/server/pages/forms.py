"""What a form of a page is: the endpoint that does its act, and a field for each value that this takes.

A form adds nothing to its endpoint but words: roles, checks, the act and the audit log are those of the endpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from gateway.errors import BadRequest, CommandRejected, GatewayError
from gateway.fleet.pins.retry_guard import PinWithheld
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.operations.administration import ClockNotTrusted, PukPaused
from gateway.operations.confirmations import Irreversible
from gateway.server.api import problems
from gateway.server.api.endpoint import Endpoint
from gateway.server.api.errors import InvalidRequest
from gateway.server.api.validation import FieldProblem
from gateway.server.status_page.widgets import sentence
from gateway.tse.results import refuses_secret

Values = Mapping[str, str]
Problems = Mapping[str, tuple[str, ...]]
WHOLE = ""  # the name of the problems that are of no field
_LAST_DIGITS = 4


class Kind(Enum):
    """How a value is typed, and which JSON value it becomes."""

    TEXT = auto()
    SECRET = auto()  # is never shown
    NEW_SECRET = auto()  # is shown while it is typed, since nobody can look it up later, and never again
    NUMBER = auto()
    CHECK = auto()  # true, or nothing
    CHOICE = auto()
    NUMBER_CHOICE = auto()
    LINES = auto()  # a list: one entry in each line
    DATE = auto()  # a day of the calendar
    DAY = auto()  # the end of a day, in the time zone of the gateway
    FIXED = auto()  # is not typed: the page gives it


SECRETS = frozenset({Kind.SECRET, Kind.NEW_SECRET})


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a form, by its name in the body or the path of the endpoint.

    `after` are codes of errors: the field is shown only after one of them. `wrong` is what to say of a value of the
    wrong form, in place of a pattern.
    """

    name: str
    label: Text
    kind: Kind = Kind.TEXT
    hint: Text | None = None
    options: Sequence[tuple[str, Text]] = ()
    value: str = ""
    length: int | None = None
    required: bool = True
    after: frozenset[str] = frozenset()
    wrong: Text | None = None

    def json_value(self, typed: str) -> object:
        """Return what was typed as the JSON value; what does not fit is left to the endpoint's own check."""
        match self.kind:
            case Kind.CHECK:
                return True
            case Kind.NUMBER | Kind.NUMBER_CHOICE:
                return int(typed) if typed.strip().isdecimal() else typed
            case Kind.LINES:
                return [line.strip() for line in typed.splitlines() if line.strip()]
            case Kind.DAY:
                return _end_of_day(typed)
            case _:
                return typed


@dataclass(frozen=True, slots=True)
class Form:
    """One act: its endpoint, its words, its fields.

    `done` is said when it is done, with the values that were typed. With a `consequence` it is sent in two steps; an
    `irreversible` act also wants the end of the serial.
    """

    endpoint: Endpoint
    title: Text
    button: Text
    done: Text
    fields: tuple[Field, ...] = ()
    intro: Text | None = None
    consequence: Text | None = None
    irreversible: Irreversible | None = None

    @property
    def name(self) -> str:
        """The name in its path: that of the endpoint."""
        return self.endpoint.name

    def read(self, typed: Values) -> tuple[dict[str, object], dict[str, object]]:
        """Return parameters of the path and the body that the typed values stand for."""
        values = {field.name: field.json_value(typed[field.name]) for field in self.fields if field.name in typed}
        path = {name: values.pop(name) for name in list(values) if name in self.endpoint.params.model_fields}
        return path, values

    def kept(self, typed: Values) -> dict[str, str]:
        """Return what may be shown again: no secrets."""
        shown = {field.name for field in self.fields if field.kind not in SECRETS}
        return {name: value for name, value in typed.items() if name in shown}

    def words(self, typed: Values) -> dict[str, str]:
        """Return what the texts of the form may name: each value that may be shown, empty if none was typed."""
        return {field.name: "" for field in self.fields} | self.kept(typed)

    def problems_of(self, error: GatewayError, locale: Locale) -> Problems:
        """Return what to say of an error, beside the fields that it is about."""
        if isinstance(error, InvalidRequest):
            found: dict[str, tuple[str, ...]] = {}
            for problem in error.problems:
                name = problem.at.split("/")[0]
                field = next((field for field in self.fields if field.name == name), None)
                text = sentence(f"{problem.at} {problem.message.in_language(locale.language)}".strip())
                if field is not None:
                    text = _told(field, problem, locale)
                name = WHOLE if field is None else name
                found[name] = (*found.get(name, ()), text)
            return found
        described = problems.describe(error, locale.language)
        detail = sentence(described.detail or "")
        about = self._about(error)
        return {about: (detail,) if type(error) is BadRequest else (sentence(described.title), detail)}

    def _about(self, error: GatewayError) -> str:
        """Return the field that an error is about: the one that is tried as a PIN or PUK, or what allows a risk."""
        refused = isinstance(error, CommandRejected) and refuses_secret(error.result)
        if refused or isinstance(error, PinWithheld | PukPaused):
            return next((field.name for field in self.fields if field.kind is Kind.SECRET), WHOLE)
        if isinstance(error, ClockNotTrusted):
            return next((field.name for field in self.fields if error.code in field.after), WHOLE)
        return WHOLE


def end_of(serial: str) -> str:
    """Return the digits that are typed to confirm an act that cannot be undone."""
    return serial[-_LAST_DIGITS:]


def _told(field: Field, problem: FieldProblem, locale: Locale) -> str:
    if field.wrong is not None and problem.has_other_form:
        return locale.text(field.wrong)
    return sentence(f"{locale.text(field.label)} {problem.message.in_language(locale.language)}")


def _end_of_day(typed: str) -> str:
    try:
        day = datetime.fromisoformat(typed)
    except ValueError:
        return typed
    return day.replace(hour=23, minute=59, second=59).astimezone().isoformat()
