"""Settings as they count, and where each comes from. They are changed in files, not here."""

from gateway.access.caller import OPERATORS
from gateway.config.settings import DEFAULT, effective
from gateway.i18n.text import Text
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page.html import el
from gateway.server.status_page.layout import quiet

_TITLE = Text("Settings", "Einstellungen")
_NAME, _VALUE = Text("Setting", "Einstellung"), Text("Value", "Wert")
_FROM, _MEANING = Text("Comes from", "Kommt aus"), Text("What it does", "Was sie tut")
_ABOUT = Text(
    "They are changed where each comes from, and count from the next start on. Secrets are not shown.",
    "Geändert werden sie dort, woher sie kommen; sie gelten ab dem nächsten Start. Geheimnisse stehen hier nicht.",
)
_GIVEN = Text("Set here", "Hier gesetzt")
_NONE_GIVEN = Text(
    "No file, variable or option sets anything. The values below are as delivered, or given by the program that "
    "started the gateway.",
    "Keine Datei, Variable oder Option setzt etwas. Die Werte unten sind wie ausgeliefert, oder das Programm hat sie "
    "gegeben, das das Gateway gestartet hat.",
)
_YES_NO = {"True": Text("yes", "ja"), "False": Text("no", "nein")}
_DEFAULTS = Text("As delivered", "Wie ausgeliefert")


async def _content(view: PageView) -> Content:
    known = effective(view.site.settings, view.locale.language)
    given = [row for row in known if row.source != view.text(DEFAULT)]
    rows = [(el("code", row.name), _told(view, row.value), row.source, row.meaning) for row in given]
    return (
        view.card(
            "given",
            _GIVEN,
            quiet(view.text(_ABOUT)),
            view.table((_NAME, _VALUE, _FROM, _MEANING), rows) if rows else quiet(view.text(_NONE_GIVEN)),
        ),
        view.card(
            "defaults",
            _DEFAULTS,
            view.table(
                (_NAME, _VALUE, _MEANING),
                [(el("code", row.name), _told(view, row.value), row.meaning) for row in known if row not in given],
            ),
        ),
    )


def _told(view: PageView, value: str) -> str:
    return view.text(_YES_NO[value]) if value in _YES_NO else value


PAGE = Page("settings", _TITLE, OPERATORS, _content)
