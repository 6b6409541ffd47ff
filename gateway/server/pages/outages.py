"""Outages of all TSEs: listed, to print, and for spreadsheets."""

from urllib.parse import urlencode

from gateway.access.caller import READERS
from gateway.i18n.text import Text
from gateway.server.api.outages import list_outages
from gateway.server.api.responses import LoggedOutage
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.pages.query import Input, asked, query_form
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.widgets import capitalized, date_and_time, short

_TITLE = Text("Outages", "Ausfälle")
_SPAN = Text("Which span of time", "Welcher Zeitraum")
_SHOW = Text("Show", "Anzeigen")
_TSE, _BEGAN, _ENDED = Text("TSE", "TSE"), Text("Began", "Beginn"), Text("Ended", "Ende")
_LENGTH, _WHY = Text("Length", "Dauer"), Text("Reason", "Grund")
_REFUSED = Text("Refused requests", "Abgewiesene Anfragen")
_GATEWAY = Text("gateway", "Gateway")
_LASTS = Text("lasts", "dauert an")
_NONE = Text("No outage is recorded.", "Kein Ausfall aufgezeichnet.")
_ABOUT = Text(
    "An auditor asks for this list: begin, end and reason of each time in which a TSE could not be used.",
    "Diese Liste verlangt ein Betriebsprüfer: Beginn, Ende und Grund jeder Zeit, in der eine TSE nicht benutzbar war.",
)
_INPUTS = (Input("from", Text("From", "Von"), "date"), Input("to", Text("To", "Bis"), "date"))
_SHOWN = 200


async def _content(view: PageView) -> Content:
    span = asked(view, _INPUTS)
    found = (await view.ask(endpoint_of(list_outages), **span)).outages
    heads = (_TSE, _BEGAN, _ENDED, _LENGTH, _WHY, _REFUSED)
    rows = [_row(view, outage) for outage in reversed(found[-_SHOWN:])]
    query = urlencode({"lang": view.locale.language, **span})
    links = [
        (texts.OUTAGE_LIST, f"/api/v1/outages.html?{query}"),
        (texts.OUTAGE_TABLE, f"/api/v1/outages.csv?{query}"),
    ]
    return (
        view.card("span", _SPAN, query_form(view, _INPUTS, _SHOW)),
        view.card(
            "outages",
            _TITLE,
            quiet(view.text(_ABOUT)),
            view.table(heads, rows) if rows else quiet(view.text(_NONE)),
            el("p", *(el("a", view.text(text), href=address) for text, address in links), class_="links"),
        ),
    )


def _row(view: PageView, outage: LoggedOutage) -> tuple[HtmlElement | str | None, ...]:
    return (
        short(outage.tse_serial) if outage.tse_serial else view.text(_GATEWAY),
        date_and_time(view.locale, outage.began.timestamp()),
        view.text(_LASTS) if outage.ended is None else date_and_time(view.locale, outage.ended.timestamp()),
        view.locale.duration(outage.seconds),
        capitalized(outage.reason_text),
        view.locale.number(outage.refused_requests),
    )


PAGE = Page("outages", _TITLE, READERS, _content)
