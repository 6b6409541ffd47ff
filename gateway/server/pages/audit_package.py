"""The day the auditor comes: everything asked for, of all TSEs, in one file."""

from urllib.parse import urlencode

from gateway.access.caller import AUDITORS
from gateway.i18n.text import Text
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.pages.query import Input, asked, query_form
from gateway.server.status_page.layout import download, quiet

_TITLE = Text("Auditor", "Betriebsprüfung")
_ABOUT = Text(
    "One file with what an auditor asks for, of all TSEs: exports, certificates, the report of their verification, "
    "files of DSFinV-K, outages, master data, checksums, and a page in German that explains each. It is made while it "
    "is sent, which takes minutes for a year. Tills go first.",
    "Eine Datei mit allem, was ein Betriebsprüfer verlangt, von allen TSEs: Exporte, Zertifikate, Prüfbericht, "
    "Dateien der DSFinV-K, Ausfälle, Stammdaten, Prüfsummen und ein Deckblatt, das jede Datei erklärt. Sie entsteht, "
    "während sie gesendet wird; für ein Jahr dauert das Minuten. Kassen haben Vorrang.",
)
_PERIOD = Text("Period", "Zeitraum")
_CHOOSE = Text("Choose", "Auswählen")
_DOWNLOAD = Text("Download the package (ZIP)", "Prüfpaket herunterladen (ZIP)")
_INPUTS = (Input("from", Text("From", "Von"), "date"), Input("to", Text("To", "Bis"), "date"))


async def _content(view: PageView) -> Content:
    period = asked(view, _INPUTS)
    link = download(view.text(_DOWNLOAD), f"/api/v1/audit-package?{urlencode(period)}") if period else None
    parts = (view.lacks_all(),) if view.caller.clients else (query_form(view, _INPUTS, _CHOOSE), link)
    return (view.card("package", _PERIOD, quiet(view.text(_ABOUT)), *parts),)


PAGE = Page("auditor", _TITLE, AUDITORS, _content)
