"""What the tax office asks about a TSE, to be copied: for the notification by ELSTER, and for DSFinV-K."""

from gateway.access.caller import AUDITORS
from gateway.i18n import form_words
from gateway.i18n.text import Text
from gateway.server.api.masterdata import DsfinvkTse, ElsterData
from gateway.server.api.routes import endpoint_of
from gateway.server.api.tses import get_dsfinvk, get_elster_data
from gateway.server.pages import site_tills
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page.html import HtmlElement
from gateway.server.status_page.layout import download, quiet
from gateway.server.status_page.widgets import copyable
from gateway.tse import products

_TITLE = Text("Tax office", "Finanzamt")
_ELSTER = Text("Notification by ELSTER (§ 146a (4) AO)", "Mitteilung mit ELSTER (§ 146a Abs. 4 AO)")
_ELSTER_ABOUT = Text(
    "Within a month of the purchase of a till or its TSE, and again when it goes out of service; always for all tills "
    "of the place of business. The words are those of the form.",
    "Binnen eines Monats nach Anschaffung einer Kasse oder ihrer TSE, und wieder bei Außerbetriebnahme; immer für alle "
    "Kassen der Betriebsstätte. Die Wörter sind die des Formulars.",
)
_SIMULATED = Text(
    "A simulated TSE is not notified: it has no certification.",
    "Eine simulierte TSE wird nicht gemeldet: Sie ist nicht zertifiziert.",
)
_DSFINVK = Text("Row of tse.csv (DSFinV-K, Stamm_TSE)", "Zeile in tse.csv (DSFinV-K, Stamm_TSE)")
_DSFINVK_ABOUT = Text(
    "For POS software that asks for these values. The till adds its own columns.",
    "Für Kassensoftware, die nach diesen Werten fragt. Die Kasse ergänzt ihre eigenen Spalten.",
)
_FILE = Text("Download tse.csv", "tse.csv herunterladen")


async def _content(view: PageView) -> Content:
    elster: ElsterData = await view.ask(endpoint_of(get_elster_data))
    dsfinvk: DsfinvkTse = await view.ask(endpoint_of(get_dsfinvk))
    since, number = elster.in_service_since, (elster.certification_id or "").removeprefix(form_words.ID_PREFIX)
    sheet = [
        (form_words.SERIAL, _copied(view, elster.tse_serial, form_words.SERIAL)),
        (
            form_words.IN_SERVICE,
            _copied(view, "" if since is None else view.locale.date(since.timestamp()), form_words.IN_SERVICE),
        ),
        (form_words.CERTIFICATION, _copied(view, number, form_words.CERTIFICATION)),
        (form_words.CHECK_DIGITS, elster.serial_check_digits),
    ]
    names = {name: Text(name, name) for name, value in dsfinvk.model_dump().items() if value}
    columns = [(text, _copied(view, getattr(dsfinvk, name), text)) for name, text in names.items()]
    return (
        view.card(
            "elster",
            _ELSTER,
            quiet(view.text(_ELSTER_ABOUT)),
            quiet(view.text(_SIMULATED)) if products.is_simulated(view.tse.info.description) else None,
            view.rows(sheet),
        ),
        *await site_tills.cards(view),
        view.card(
            "dsfinvk",
            _DSFINVK,
            quiet(view.text(_DSFINVK_ABOUT)),
            view.rows(columns),
            download(view.text(_FILE), f"/api/v1/tses/{view.tse.serial}/dsfinvk.csv"),
        ),
    )


def _copied(view: PageView, value: str, name: Text) -> HtmlElement | str:
    return copyable(value, name, view.locale) if value else view.text(form_words.UNKNOWN)


PAGE = Page("tax-office", _TITLE, AUDITORS, _content, (site_tills.REPORT, site_tills.REMOVE), of_tse=True)
