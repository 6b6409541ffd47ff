"""The page of all errors: `type` of a problem leads to its row."""

from collections.abc import Sequence

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.api import error_list
from gateway.server.api.error_list import ErrorRow
from gateway.server.api.problems import remedy_of
from gateway.server.docs_page.layout import document
from gateway.server.status_page.html import HtmlElement, el

_TITLE = Text("Errors of the REST API", "Fehler der REST-API")
_INTRO = Text(
    "Each refusal names one of these codes. 4xx: change the request, or with 409 the state of the TSE. 503: send the "
    "same again later, with the same Idempotency-Key. 507: make room on the disk of the gateway.",
    "Jede Ablehnung nennt einen dieser Codes. 4xx: die Anfrage ändern, bei 409 den Zustand der TSE. 503: dasselbe "
    "später noch einmal senden, mit demselben Idempotency-Key. 507: auf dem Datenträger des Gateways Platz schaffen.",
)
_REFUSED = Text("What the TSE itself refuses (409 or 403)", "Was die TSE selbst ablehnt (409 oder 403)")
_COLUMNS = (Text("Code", "Code"), Text("Status", "Status"), Text("Meaning and remedy", "Bedeutung und Abhilfe"))


def page(locale: Locale) -> str:
    """Return the whole page."""
    main = el(
        "main",
        el("h1", locale.text(_TITLE)),
        el("p", locale.text(_INTRO)),
        _table(error_list.of_the_api(), locale),
        el("h2", locale.text(_REFUSED)),
        _table(error_list.of_tses(), locale),
    )
    return document(locale.text(_TITLE), locale, main)


def _table(rows: Sequence[ErrorRow], locale: Locale) -> HtmlElement:
    head = el("tr", *(el("th", locale.text(column), scope="col") for column in _COLUMNS))
    return el("table", el("thead", head), el("tbody", *(_row(row, locale) for row in rows)))


def _row(row: ErrorRow, locale: Locale) -> HtmlElement:
    remedy = remedy_of(row.code, locale.language)
    meaning = ". ".join(filter(None, (locale.text(row.meaning), remedy)))
    return el("tr", el("td", el("code", row.code)), el("td", row.number), el("td", f"{meaning}."), id=row.code)
