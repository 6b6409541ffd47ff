"""Settings as they count, and where each comes from. They are changed in files, not here."""

from gateway.access.caller import OPERATORS
from gateway.config.settings import effective
from gateway.i18n.text import Text
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page.html import el
from gateway.server.status_page.layout import quiet

_TITLE = Text("Settings", "Einstellungen")
_NAME, _VALUE = Text("Setting", "Einstellung"), Text("Value", "Wert")
_FROM, _MEANING = Text("Comes from", "Kommt aus"), Text("What it does (in English)", "Was sie tut (englisch)")
_ABOUT = Text(
    "They are changed where each comes from, and count from the next start on. Secrets are not shown.",
    "Geändert werden sie dort, woher sie kommen; sie gelten ab dem nächsten Start. Geheimnisse stehen hier nicht.",
)
_GIVEN = Text("Set here", "Hier gesetzt")
_DEFAULTS = Text("As delivered", "Wie ausgeliefert")


async def _content(view: PageView) -> Content:
    known = effective(view.site.settings)
    given = [row for row in known if row.source != "default"]
    heads = (_NAME, _VALUE, _FROM, _MEANING)
    return (
        view.card(
            "given",
            _GIVEN,
            quiet(view.text(_ABOUT)),
            view.table(heads, [(el("code", row.name), row.value, row.source, row.meaning) for row in given]),
        ),
        view.card(
            "defaults",
            _DEFAULTS,
            view.table(
                (_NAME, _VALUE, _MEANING),
                [(el("code", row.name), row.value, row.meaning) for row in known if row not in given],
            ),
        ),
    )


PAGE = Page("settings", _TITLE, OPERATORS, _content)
