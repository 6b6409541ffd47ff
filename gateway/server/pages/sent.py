"""A form that was sent, as the page that is shown next needs it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

KEPT = 600.0  # seconds; PINs that were typed, or made, stay in memory no longer than that


@dataclass(frozen=True, slots=True)
class Sent:
    """What was typed into the form `form` of the page at `path`, and what became of it.

    `problems` has sentences by the name of the field, "" for the whole form; `codes` those of the errors. `answer` is
    what the endpoint answered. A form that `awaits` a confirmation has done nothing yet, and still holds its secrets.
    """

    path: str
    form: str
    values: Mapping[str, str] = field(repr=False)
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: frozenset[str] = frozenset()
    answer: BaseModel | None = field(default=None, repr=False)
    awaits: bool = False
    id: str = field(default_factory=lambda: secrets.token_urlsafe(8))

    def counts(self, path: str, wanted: str) -> bool:
        """Return whether it is the one that is `wanted`, sent by the page at `path`."""
        return self.id == wanted and self.path == path
