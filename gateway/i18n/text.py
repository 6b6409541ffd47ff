"""A text in both languages of the project. It is kept where it is used, so neither language can be forgotten."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from gateway.i18n.system_errors import in_german

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
        """Return the text in `language`, its placeholders filled with `values`; texts and errors in it likewise."""
        return self.template(language).format(**{name: _told(value, language) for name, value in values.items()})

    def filled(self, **values: object) -> "Text":
        """Return the text with its placeholders filled."""
        return literal(self.in_language("en", **values), self.in_language("de", **values))

    def __bool__(self) -> bool:
        return bool(self.en)

    def __str__(self) -> str:
        return self.in_language("en")


class TextError(Exception):
    """An error that says in both languages what is wrong. `str` is English, for logs and for the LAN-TSE protocol."""

    def __init__(self, text: Text, /, **values: object) -> None:
        super().__init__(text.in_language("en", **values))
        self._text, self._values = text, values

    def __reduce__(self) -> tuple[object, ...]:
        """Pass the error between processes, whatever its class is made of, with its text filled in."""
        return _error_of, (type(self), *self.args), vars(self) | {"_text": self.text, "_values": {}}

    @property
    def text(self) -> Text:
        """What is wrong, with nothing left to fill in."""
        return self._text.filled(**self._values)

    def in_language(self, language: Language) -> str:
        """Return what is wrong, in `language`."""
        return self._text.in_language(language, **self._values)


def _error_of(kind: type[TextError], *args: object) -> TextError:
    return kind.__new__(kind, *args)


def literal(en: str, de: str) -> Text:
    """Return a text without placeholders: its braces stay as they are."""
    return Text(*(text.replace("{", "{{").replace("}", "}}") for text in (en, de)))


def text_of(error: Exception) -> Text:
    """Return what an error says. Of a library's own words German has the system's reason or the place in a file."""
    return _WHATEVER.filled(error=error)


def reason_of(error: OSError) -> Text:
    """Return why the system refused something, without the name of the file."""
    reason = error.strerror or str(error)
    return literal(reason, in_german(reason, error.errno))


def joined(texts: Iterable[Text], separator: str) -> Text:
    """Return texts one after the other, with a separator between them."""
    found = list(texts)
    return literal(*(separator.join(text.in_language(language) for text in found) for language in ("en", "de")))


NOTHING = literal("", "")
_PLACE = re.compile(r"line (\d+),? column (\d+)")  # of what a parser of JSON or TOML finds wrong
_WHATEVER = Text("{error}", "{error}")


def _told(value: object, language: Language) -> object:
    match value:
        case Text() | TextError():
            return value.in_language(language)
        case OSError(strerror=str(reason), errno=number) if language == "de":
            return str(value).replace(reason, in_german(reason, number))
        case ValueError() if language == "de" and (found := _PLACE.search(str(value))):
            return "Zeile {}, Spalte {}".format(*found.groups())
        case _:
            return value
