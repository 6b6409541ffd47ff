"""German and English for people at a terminal; every text stands beside its translation."""

from collections.abc import Mapping
from typing import NamedTuple

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Words(NamedTuple):
    """One text in both languages; braces are filled by `in_`."""

    english: str
    german: str

    def in_(self, language: str, **values: object) -> str:
        """The text in `language`; English unless that is `de`."""
        return (self.german if language == "de" else self.english).format(**values)


def language_of(environment: Mapping[str, str]) -> str:
    """`de` for a German locale, else `en`."""
    locale = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return "de" if locale.lower().startswith("de") else "en"
