"""Small pieces of which the page is made: serials, moments, sentences, values to copy."""

from datetime import UTC, datetime

from gateway.server.status_page.html import Element, el
from gateway.server.status_page.text import Words

_FAR_FUTURE = 2**34  # Unix seconds; a certificate field that holds nonsense must not break the page


def short(serial: str) -> str:
    """As people compare it with a receipt: the first eight digits."""
    return f"{serial[:4]} {serial[4:8]}"


def moment(words: Words, at: float) -> Element:
    """Date and time; a script spells them in the time zone of whoever looks."""
    return el("time", words.at(min(at, _FAR_FUTURE)), datetime=_iso(at), data_form="moment")


def day(words: Words, at: float) -> Element:
    """A date."""
    return el("time", words.day(min(at, _FAR_FUTURE)), datetime=_iso(at), data_form="day")


def sentence(text: str) -> str:
    """A clause as a sentence of its own."""
    return text[:1].upper() + text[1:]


def filled(text: str, *values: Element | str) -> list[Element | str]:
    """A text whose gaps are filled with elements."""
    first, *others = text.split("{}")
    return [first, *(piece for value, other in zip(values, others, strict=True) for piece in (value, other))]


def copyable(text: str, name: str, words: Words) -> Element:
    """A text and the button that copies it; `name` tells one button from the next to whoever hears them."""
    about = el("span", f" ({name})", class_="heard")
    button = el("button", words.copy, about, type="button", class_="js", data_copy=text, data_done=words.copied)
    return el("span", el("code", text), " ", button, class_="copyable")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(min(at, _FAR_FUTURE), UTC).isoformat(timespec="seconds")
