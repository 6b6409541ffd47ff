"""What the auditor takes along: exports of a TSE, whole or in part, and the archive of it with its files."""

from urllib.parse import urlencode

from gateway.access.caller import AUDITORS
from gateway.archive.errors import NothingArchived
from gateway.archive.status import ArchiveStatus
from gateway.errors import GatewayError, UnknownDevice
from gateway.i18n.text import Text
from gateway.operations.confirmations import Irreversible
from gateway.server.api.administration import delete_stored_data
from gateway.server.api.archives import get_archive, run_archive
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.fields import ADMIN_PIN, RISK
from gateway.server.pages.forms import Form
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.pages.query import Input, asked, query_form
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import download, quiet
from gateway.server.status_page.widgets import date_and_time

_TITLE = Text("Exports and archive", "Exporte und Archiv")
_ALL = Text("All log messages", "Alle Protokolldaten")
_ALL_ABOUT = Text(
    "The TAR file that an auditor asks for. Tills go first, so the export of a full TSE takes hours; the browser "
    "shows how far it is. The archive gives the same in minutes.",
    "Die TAR-Datei, die ein Betriebsprüfer verlangt. Kassen haben Vorrang, der Export einer vollen TSE dauert darum "
    "Stunden; der Browser zeigt, wie weit er ist. Das Archiv liefert dasselbe in Minuten.",
)
_PART = Text("A part of them", "Ein Teil davon")
_PART_ABOUT = Text(
    "All limits are included; an empty field limits nothing.",
    "Alle Grenzen gehören dazu; ein leeres Feld begrenzt nichts.",
)
_FROM, _TO = Text("From", "Von"), Text("To", "Bis")
_FROM_NUMBER, _TO_NUMBER = Text("From number", "Ab Nummer"), Text("To number", "Bis Nummer")
_TILL = Text("Till (client id)", "Kasse (Client-ID)")
_CHOOSE = Text("Choose", "Auswählen")
_DOWNLOAD = Text("Download this part (TAR)", "Diesen Teil herunterladen (TAR)")
_ARCHIVE = Text("Archive", "Archiv")
_NOTHING = Text("Nothing is archived yet.", "Noch ist nichts archiviert.")
_HOLDS = Text("Holds everything up to", "Enthält alles bis")
_MESSAGES = Text("Log messages", "Protokollmeldungen")
_SIZE = Text("Size", "Größe")
_VERIFIED = Text("Verification", "Prüfung")
_VERDICTS = {
    "none": Text("nothing to verify yet", "noch nichts zu prüfen"),
    "ok": Text("in order", "in Ordnung"),
    "warning": Text("with warnings", "mit Warnungen"),
    "error": Text("with errors", "mit Fehlern"),
}
_FILE = Text("File", "Datei")
_INPUTS = (
    Input("from", _FROM, "date"),
    Input("to", _TO, "date"),
    Input("from_number", _FROM_NUMBER, "number"),
    Input("to_number", _TO_NUMBER, "number"),
    Input("client_id", _TILL),
)
_SHOWN = 50  # files; the rest is in the API
_MORE = Text("{count} older files are listed by /api/v1.", "{count} ältere Dateien listet /api/v1 auf.")
RUN = Form(
    endpoint_of(run_archive),
    Text("Bring the archive up to date", "Archiv auf den neuesten Stand bringen"),
    Text("Do it now", "Jetzt ausführen"),
    Text(
        "The archive holds everything that the TSE has signed.", "Das Archiv enthält alles, was die TSE signiert hat."
    ),
    intro=Text(
        "The gateway does this every night. The first run of a full TSE takes hours; it goes on if you leave this "
        "page.",
        "Das macht das Gateway jede Nacht. Der erste Lauf einer vollen TSE dauert Stunden; er geht weiter, wenn Sie "
        "diese Seite verlassen.",
    ),
)
DELETE = Form(
    endpoint_of(delete_stored_data),
    Text("Make room in a full TSE", "Platz in einer vollen TSE schaffen"),
    Text("Delete the stored data", "Gespeicherte Daten löschen"),
    Text(
        "The log messages in the TSE are deleted. The archive holds them: keep it as long as the books.",
        "Die Protokolldaten in der TSE sind gelöscht. Das Archiv enthält sie: so lange aufbewahren wie die Bücher.",
    ),
    (ADMIN_PIN, RISK),
    intro=Text(
        "Brings the archive up to date first. Unless that is whole and verified nothing is deleted.",
        "Bringt zuerst das Archiv auf den neuesten Stand. Ist es nicht vollständig und geprüft, wird nichts gelöscht.",
    ),
    consequence=Text(
        "All log messages in TSE {serial} are deleted. Only the archive of the gateway still holds them: is it backed "
        "up?",
        "Alle Protokolldaten in TSE {serial} werden gelöscht. Dann enthält sie nur noch das Archiv des Gateways: ist "
        "es gesichert?",
    ),
    irreversible=Irreversible.DELETE_STORED_DATA,
)


async def _content(view: PageView) -> Content:
    base = f"/api/v1/tses/{view.tse.serial}"
    chosen = asked(view, _INPUTS)
    address = f"{base}/export/filtered?{urlencode(chosen)}"
    return (
        view.card(
            "export-all",
            _ALL,
            quiet(view.text(_ALL_ABOUT)),
            view.lacks_all() or download(view.text(texts.EXPORT), f"{base}/export"),
        ),
        view.card(
            "export-part",
            _PART,
            quiet(view.text(_PART_ABOUT)),
            query_form(view, _INPUTS, _CHOOSE),
            download(view.text(_DOWNLOAD), address) if chosen else None,
        ),
        await _archive(view, base),
        view.form(RUN),
        view.form(DELETE),
    )


async def _archive(view: PageView, base: str) -> HtmlElement:
    lacks = view.lacks_all()
    if lacks is not None:
        return view.card("archive", _ARCHIVE, lacks)
    try:
        status: ArchiveStatus = await view.ask(endpoint_of(get_archive))
    except (NothingArchived, UnknownDevice):
        return view.card("archive", _ARCHIVE, quiet(view.text(_NOTHING)))
    except GatewayError as error:
        return view.card("archive", _ARCHIVE, quiet(view.text(error.text)))
    if not status.segments:
        return view.card("archive", _ARCHIVE, quiet(view.text(_NOTHING)))
    locale, until = view.locale, status.complete_up_to_time
    rows = [
        (_HOLDS, "-" if until is None else date_and_time(locale, until.timestamp())),
        (_MESSAGES, locale.number(status.messages)),
        (_SIZE, locale.size(status.bytes)),
        (_VERIFIED, view.text(_VERDICTS[status.verdict])),
    ]
    files = [
        (el("a", each.file, href=f"{base}/archive/files/{each.file}", download=True), locale.size(each.size))
        for each in reversed(status.segments[-_SHOWN:])
    ]
    older = len(status.segments) - len(files)
    return view.card(
        "archive",
        _ARCHIVE,
        view.rows(rows),
        download(view.text(texts.ARCHIVE_EXPORT), f"{base}/archive/export") if files else None,
        view.table((_FILE, _SIZE), files) if files else None,
        quiet(view.text(_MORE, count=older)) if older > 0 else None,
    )


PAGE = Page("exports", _TITLE, AUDITORS, _content, (RUN, DELETE), of_tse=True)
