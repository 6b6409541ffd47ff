"""A text in both languages of the project. It is kept where it is used, so neither language can be forgotten."""

from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["de", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Text:
    """One text in English and German; both have the same placeholders, `{name}`."""

    en: str
    de: str

    def template(self, language: Language) -> str:
        """Return the text in `language`, its placeholders unfilled."""
        return self.de if language == "de" else self.en

    def in_language(self, language: Language, /, **values: object) -> str:
        """Return the text in `language`, its placeholders filled with `values`."""
        return self.template(language).format(**values)
