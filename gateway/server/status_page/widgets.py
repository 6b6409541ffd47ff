"""Small parts of the page: serials, times, sentences, values to copy."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from string import Formatter

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el

_FAR_FUTURE = 2**34  # Unix seconds; a certificate field that holds nonsense must not break the page


def short(serial: str) -> str:
    """Return the first eight digits of a serial, as people compare them with a receipt."""
    return f"{serial[:4]} {serial[4:8]}"


def date_and_time(locale: Locale, at: float) -> HtmlElement:
    """Return date and time of a moment (Unix seconds); a script writes them in the time zone of the browser."""
    return el("time", locale.time(min(at, _FAR_FUTURE)), datetime=_iso(at), data_form="moment")


def date(locale: Locale, at: float) -> HtmlElement:
    """Return the date of a moment (Unix seconds)."""
    return el("time", locale.date(min(at, _FAR_FUTURE)), datetime=_iso(at), data_form="day")


def capitalized(clause: str) -> str:
    """Return a clause with a capital letter in front."""
    return clause[:1].upper() + clause[1:]


def sentence(clause: str) -> str:
    """Return a clause as a sentence of its own."""
    return f"{capitalized(clause)}."


def table(locale: Locale, heads: Sequence[Text], rows: Iterable[Sequence[HtmlElement | str | None]]) -> HtmlElement:
    """Return a table; where it is narrow each row is a block, with the heads beside its values."""
    names = [locale.text(head) for head in heads]
    head = el("tr", *(el("th", name, scope="col", role="columnheader") for name in names), role="row")
    body = (
        el(
            "tr",
            *(el("td", cell, data_head=name, role="cell") for name, cell in zip(names, row, strict=True)),
            role="row",
        )
        for row in rows
    )
    parts = (el("thead", head, role="rowgroup"), el("tbody", *body, role="rowgroup"))
    return el("table", *parts, role="table", class_="listing")


def filled(locale: Locale, text: Text, **elements: HtmlElement) -> list[HtmlElement | str]:
    """Return a text with elements in place of its placeholders."""
    parts: list[HtmlElement | str] = []
    for literal, name, _, _ in Formatter().parse(text.template(locale.language)):
        parts.append(literal)
        if name is not None:
            parts.append(elements[name])
    return parts


def marked(text: str) -> list[HtmlElement | str]:
    """Return a text whose `commands` in backticks are code elements."""
    return [el("code", part) if number % 2 else part for number, part in enumerate(text.split("`"))]


def copyable(value: str, name: Text, locale: Locale) -> HtmlElement:
    """Return a value and the button that copies it; `name` tells a screen reader one button from the next."""
    about = el("span", f" ({locale.text(name)})", class_="heard")
    button = el(
        "button",
        locale.text(texts.COPY),
        about,
        type="button",
        class_="js",
        data_copy=value,
        data_done=locale.text(texts.COPIED),
    )
    return el("span", el("code", value), " ", button, class_="copyable")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(min(at, _FAR_FUTURE), UTC).isoformat(timespec="seconds")
