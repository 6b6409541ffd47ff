"""Receipts of a TSE: searched, listed by pages, and one with its steps and its QR code."""

from collections.abc import Mapping
from urllib.parse import urlencode

from gateway.access.caller import TILLS_AND_AUDITORS
from gateway.i18n.text import Text
from gateway.operations.receipt import NoQrCode, qr_outline
from gateway.server.api.responses import SignedReceipt
from gateway.server.api.routes import endpoint_of
from gateway.server.api.transaction_list import get_transaction_steps, list_transactions
from gateway.server.api.transaction_responses import ListedTransaction
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.pages.query import Choice, Input, asked, query_form
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.widgets import copyable, date_and_time
from gateway.tse import processdata

_TITLE = Text("Receipts", "Belege")
_SEARCH = Text("Find receipts", "Belege suchen")
_SHOW = Text("Show", "Anzeigen")
_TILL = Text("Till (client id)", "Kasse (Client-ID)")
_FROM, _TO = Text("From", "Von"), Text("To", "Bis")
_NUMBER = Text("Number", "Nummer")
_STATE = Text("State", "Stand")
_ANY, _OPEN, _FINISHED = Text("all", "alle"), Text("open", "offen"), Text("finished", "beendet")
_TYPE = Text("Type", "Art")
_BEGAN, _ENDED = Text("Began", "Beginn"), Text("Ended", "Ende")
_NONE = Text("No receipt was found.", "Kein Beleg gefunden.")
_OLDER = Text("Older receipts", "Ältere Belege")
_FROM_ARCHIVE = Text(
    "The TSE does not show its store now: these come from the archive.",
    "Die TSE zeigt ihren Speicher gerade nicht: Diese kommen aus dem Archiv.",
)
_ONE = Text("Receipt {number}", "Beleg {number}")
_BACK = Text("All receipts", "Alle Belege")
_COUNTER = Text("Signature counter", "Signaturzähler")
_DATA = Text("Signed data", "Signierte Daten")
_SIGNATURE = Text("Signature", "Signatur")
_CODE = Text("Text of the QR code", "Text des QR-Codes")
_CODE_OF = Text("QR code of receipt {number}", "QR-Code von Beleg {number}")
_SIMULATED = Text(
    "A simulated TSE signed this: it is no receipt before the law.",
    "Von einer simulierten TSE signiert: kein Beleg im Sinne des Gesetzes.",
)
_NO_CODE = Text("Only a finished receipt has a QR code.", "Nur ein beendeter Beleg hat einen QR-Code.")
_STEPS = {
    "start": Text("Start", "Beginn"),
    "update": Text("Update", "Aktualisierung"),
    "finish": Text("Finish", "Abschluss"),
}
_WHEN = Text("Signed at", "Signiert am")
_KIND = Text("Kind of receipt", "Vorgang")
_RATES = (  # in the order of DSFinV-K
    Text("Standard VAT rate", "Allgemeiner Steuersatz"),
    Text("Reduced VAT rate", "Ermäßigter Steuersatz"),
    Text("Average rate (§ 24 (1) no. 3 UStG)", "Durchschnittsatz (§ 24 Abs. 1 Nr. 3 UStG)"),
    Text("Average rate (§ 24 (1) no. 1 UStG)", "Durchschnittsatz (§ 24 Abs. 1 Nr. 1 UStG)"),
    Text("VAT rate 0 %", "Steuersatz 0 %"),
)
_PAID = {"Bar": Text("Paid in cash", "Bar bezahlt"), "Unbar": Text("Paid without cash", "Unbar bezahlt")}
_INPUTS = (
    Input("client_id", _TILL),
    Input("from", _FROM, "date"),
    Input("to", _TO, "date"),
    Input("from_number", _NUMBER, "number"),
    Choice("state", _STATE, (("", _ANY), ("finished", _FINISHED), ("open", _OPEN))),
)
_EACH_PAGE = 25


async def _content(view: PageView) -> Content:
    query = view.request.query
    cursor = {"cursor": query["cursor"]} if "cursor" in query else {}
    if "number" in query:
        return await _one(view, query["number"], cursor)
    wanted = asked(view, _INPUTS)
    if "from_number" in wanted:
        wanted["to_number"] = wanted["from_number"]
    page = await view.ask(endpoint_of(list_transactions), **wanted, **cursor, limit=_EACH_PAGE)
    rows = [_row(view, found) for found in page.transactions]
    heads = (_NUMBER, texts.CLIENT, _TYPE, _BEGAN, _ENDED)
    following = None
    if page.next_cursor is not None:
        address = _address(view, {**wanted, "cursor": page.next_cursor})
        following = el("p", el("a", view.text(_OLDER), href=address, rel="next"))
    return (
        view.card("search", _SEARCH, query_form(view, _INPUTS, _SHOW)),
        view.card(
            "list",
            _TITLE,
            quiet(view.text(_FROM_ARCHIVE)) if page.source == "archive" else None,
            view.table(heads, rows) if rows else quiet(view.text(_NONE)),
            following,
        ),
    )


def _row(view: PageView, found: ListedTransaction) -> tuple[HtmlElement | str | None, ...]:
    number = str(found.transaction_number)
    ended = view.text(_OPEN)
    return (
        el("a", number, href=_address(view, {"number": number, "cursor": found.cursor})),
        found.client_id,
        found.process_type,
        None if found.start_time is None else date_and_time(view.locale, found.start_time.timestamp()),
        ended if found.end_time is None else date_and_time(view.locale, found.end_time.timestamp()),
    )


async def _one(view: PageView, number: str, cursor: Mapping[str, str]) -> Content:
    found = await view.ask(endpoint_of(get_transaction_steps), number=number, **cursor)
    last = found.steps[-1]
    return (
        el("p", el("a", view.text(_BACK), href=view.path)),
        view.card(
            "receipt",
            Text(_ONE.en.format(number=number), _ONE.de.format(number=number)),
            None if last.certified else quiet(view.text(_SIMULATED)),
            _amounts(view, last),
            _code(view, last),
        ),
        *(_step(view, number, step) for number, step in enumerate(found.steps, start=1)),
    )


def _amounts(view: PageView, last: SignedReceipt) -> HtmlElement | None:
    """Return what was sold and how it was paid, if the signed data say so."""
    found = processdata.amounts(last.process_type, last.process_data or "")
    if found is None:
        return None
    rows: list[tuple[Text, HtmlElement | str]] = [(_KIND, found.kind)]
    for rate, total in zip(_RATES, found.totals, strict=True):
        if total:
            rows.append((rate, view.locale.amount(total, "EUR")))
    rows += [(_PAID[how], view.locale.amount(paid, currency)) for paid, how, currency in found.payments]
    return view.rows(rows)


def _code(view: PageView, last: SignedReceipt) -> HtmlElement:
    if last.qr_text is None:
        return quiet(view.text(_NO_CODE))
    try:
        size, outline = qr_outline(last.qr_text)
    except NoQrCode as error:
        return quiet(view.text(error.text))
    title = view.text(_CODE_OF, number=last.transaction_number)
    return el(
        "div",
        el(
            "svg",
            el("title", title),
            el("path", d=outline),
            viewBox=f"-4 -4 {size + 8} {size + 8}",
            class_="qr",
            role="img",
        ),
        view.rows([(_CODE, copyable(last.qr_text, _CODE, view.locale))]),
    )


def _step(view: PageView, number: int, step: SignedReceipt) -> HtmlElement:
    data = step.process_data if step.process_data is not None else step.process_data_base64
    rows: list[tuple[Text, HtmlElement | str]] = [
        (_WHEN, date_and_time(view.locale, step.log_time.timestamp())),
        (_TILL, step.client_id),
        (_COUNTER, str(step.signature_counter)),
        (_TYPE, step.process_type or ""),
        (_DATA, copyable(data, _DATA, view.locale) if data else ""),
        (_SIGNATURE, copyable(step.signature, _SIGNATURE, view.locale)),
    ]
    return view.card(f"step-{number}", _STEPS[step.operation], view.rows([row for row in rows if row[1]]))


def _address(view: PageView, query: Mapping[str, str]) -> str:
    return f"{view.path}?{urlencode(query)}"


PAGE = Page("receipts", _TITLE, TILLS_AND_AUDITORS, _content, of_tse=True)
