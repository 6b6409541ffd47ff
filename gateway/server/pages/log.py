"""The log of the last hour."""

from gateway.access.caller import OPERATORS
from gateway.i18n.text import Text
from gateway.server.api.log import list_log
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.pages.query import Choice, asked, query_form
from gateway.server.status_page.html import el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.widgets import date_and_time

_TITLE = Text("Log", "Protokoll")
_LAST_HOUR = Text("What the gateway logged in the last hour", "Was das Gateway in der letzten Stunde aufgezeichnet hat")
_WHEN, _LEVEL, _WHAT = Text("When", "Wann"), Text("Level", "Stufe"), Text("What (in English)", "Was (englisch)")
_LEVELS = (
    ("INFO", Text("all", "alle")),
    ("WARNING", Text("warnings and errors", "Warnungen und Fehler")),
    ("ERROR", Text("errors", "Fehler")),
)
_SHOW = Text("Show", "Anzeigen")
_NONE = Text("Nothing was logged.", "Nichts aufgezeichnet.")
_INPUTS = (Choice("level", _LEVEL, _LEVELS),)


async def _content(view: PageView) -> Content:
    found = await view.ask(endpoint_of(list_log), **asked(view, _INPUTS))
    rows = [
        (date_and_time(view.locale, line.at.timestamp()), line.level, el("span", line.message, class_="line"))
        for line in reversed(found.lines)
    ]
    return (
        view.card(
            "log",
            _LAST_HOUR,
            query_form(view, _INPUTS, _SHOW),
            view.table((_WHEN, _LEVEL, _WHAT), rows) if rows else quiet(view.text(_NONE)),
        ),
    )


PAGE = Page("log", _TITLE, OPERATORS, _content)
