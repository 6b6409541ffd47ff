"""What the page of the set-up shows beside its forms: the steps, the look at a fresh TSE, the sheet to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.clock.trusted import ClockStatus
from gateway.i18n.text import Text
from gateway.operations import masterdata
from gateway.server.api.responses import SignedReceipt
from gateway.server.pages.page import PageView
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.widgets import copyable, date, date_and_time, short
from gateway.tse.info import TseInfo

_STEPS = (
    Text("Look", "Ansehen"),
    Text("PINs and tills", "PINs und Kassen"),
    Text("Confirm", "Bestätigen"),
    Text("Print", "Drucken"),
)
_LOOK = Text("Is this the right TSE?", "Ist es die richtige TSE?")
_LOOK_INTRO = Text(
    "Compare the serial with the box of the TSE. Nothing is changed yet.",
    "Die Seriennummer mit der Packung der TSE vergleichen. Noch wird nichts verändert.",
)
_GENERATION = Text("Generation", "Generation")
_LIFECYCLE = Text("Life cycle", "Lebenszyklus")
_FRESH = Text("from the factory, never in service", "ab Werk, noch nie in Betrieb")
_CLOCK = Text("Clock of the gateway", "Uhr des Gateways")
_FIT = {
    "kernel": Text("right: the system keeps it synchronised", "geht richtig: das System hält sie synchron"),
    "sntp": Text("right: compared with time servers", "geht richtig: mit Zeitservern verglichen"),
}
_UNFIT = Text(
    "Nobody vouches for it. Let the machine synchronise it (chrony) or name time servers (GATEWAY_NTP_SERVERS); else "
    "the set-up asks whether you have compared it yourself.",
    "Niemand bürgt für sie. Den Rechner synchronisieren lassen (chrony) oder Zeitserver nennen (GATEWAY_NTP_SERVERS); "
    "sonst fragt die Einrichtung, ob Sie selbst verglichen haben.",
)
_TIME = Text("Time", "Uhrzeit")
_CHECK_DIGITS = Text("Check digits", "Prüfziffern")
_SHEET = Text("TSE {serial} is in service", "TSE {serial} ist in Betrieb")
_KEEP_SHEET = Text(
    "Print this sheet and keep it with the papers of the shop, not at the till. The gateway shows PINs and PUK only "
    "now.",
    "Dieses Blatt drucken und bei den Unterlagen des Betriebs aufbewahren, nicht an der Kasse. PINs und PUK zeigt das "
    "Gateway nur jetzt.",
)
_PRINT = Text("Print", "Drucken")
_KEPT = Text(
    "The gateway has the TimeAdmin PIN and does self test and time by itself.",
    "Das Gateway hat die TimeAdmin-PIN und macht Selbsttest und Uhrzeit selbst.",
)
_NOT_KEPT = Text(
    "The gateway does not have the TimeAdmin PIN: the tills do self test and time.",
    "Das Gateway hat die TimeAdmin-PIN nicht: die Kassen machen Selbsttest und Uhrzeit.",
)
_REPORT = Text(
    "Report the TSE to the tax office within one month (ELSTER, § 146a (4) AO).",
    "Die TSE binnen eines Monats dem Finanzamt melden (ELSTER, § 146a Abs. 4 AO).",
)
_SECRETS = (
    ("admin_puk", Text("PUK", "PUK")),
    ("admin_pin", Text("Admin PIN", "Admin-PIN")),
    ("time_admin_pin", Text("TimeAdmin PIN", "TimeAdmin-PIN")),
)
_TEST_RECEIPT = Text("Test receipt", "Testbeleg")
_RECEIPT = Text(
    "Transaction {number}, signature {counter}, for till {client_id}",
    "Transaktion {number}, Signatur {counter}, für Kasse {client_id}",
)
_QR = Text("QR code of the test receipt", "QR-Code des Testbelegs")


@dataclass(frozen=True, slots=True)
class DoneSetup:
    """A set-up that is done: what was typed, the test receipt, and what went wrong after it."""

    values: Mapping[str, str] = field(repr=False)
    receipt: SignedReceipt | None
    keeps_pin: bool
    troubles: Sequence[str]


def steps(view: PageView, present: int) -> HtmlElement:
    """Return the four steps, the `present` one marked."""
    items = (
        el("li", view.text(name), aria_current="step" if number == present else None)
        for number, name in enumerate(_STEPS, start=1)
    )
    return el("ol", *items, class_="steps")


def look(view: PageView, clock: ClockStatus, go_on: HtmlElement) -> HtmlElement:
    """Return what is to be looked at before the first question: TSE, generation, life cycle, clock."""
    told = [el("span", view.text(_FIT.get(clock.source, _UNFIT) if clock.fit else _UNFIT))]
    rows: list[tuple[Text, HtmlElement | str]] = [
        *_identity(view, view.tse.info),
        (_GENERATION, str(int(view.tse.info.generation))),
        (_LIFECYCLE, view.text(_FRESH)),
        (_CLOCK, told[0]),
        (_TIME, date_and_time(view.locale, view.snapshot.now)),
    ]
    return view.card("look", _LOOK, quiet(view.text(_LOOK_INTRO)), view.rows(rows), el("p", go_on))


def connection(view: PageView) -> HtmlElement:
    """Return the three values that the POS asks for."""
    values = (
        (texts.ADDRESS, view.snapshot.address),
        (texts.PORT, str(view.snapshot.port)),
        (texts.API_TOKEN, view.snapshot.token),
    )
    return view.rows([(name, copyable(value, name, view.locale)) for name, value in values])


def sheet(view: PageView, done: DoneSetup) -> HtmlElement:
    """Return the sheet to print."""
    rows: list[tuple[Text, HtmlElement | str]] = [
        *_identity(view, view.tse.info),
        *((name, el("code", done.values.get(key, ""))) for key, name in _SECRETS),
        (texts.CLIENTS, ", ".join(done.values.get("client_ids", "").splitlines())),
    ]
    serial = short(view.tse.serial)
    return el(
        "section",
        el("h2", view.text(_SHEET, serial=serial)),
        el("p", view.text(_KEEP_SHEET), role="status"),
        *(el("p", trouble, class_="error", role="alert") for trouble in done.troubles),
        view.rows(rows),
        el("h3", view.text(texts.CONNECTION)),
        connection(view),
        el("p", view.text(_KEPT if done.keeps_pin else _NOT_KEPT)),
        el("p", view.text(_REPORT)),
        *(() if done.receipt is None else (el("h3", view.text(_TEST_RECEIPT)), *receipt(view, done.receipt))),
        el("p", el("button", view.text(_PRINT), type="button", class_="js act", data_print=True)),
        id="sheet",
        class_="card",
    )


def receipt(view: PageView, signed: SignedReceipt) -> list[HtmlElement]:
    """Return a signed test receipt with its QR code."""
    told = view.text(
        _RECEIPT, number=signed.transaction_number, counter=signed.signature_counter, client_id=signed.client_id
    )
    path = f"/api/v1/tses/{signed.tse_serial}/transactions/{signed.transaction_number}/qr"
    return [
        el("p", told, ", ", date_and_time(view.locale, signed.log_time.timestamp())),
        el("img", src=path, alt=view.text(_QR), class_="qr"),
    ]


def _identity(view: PageView, info: TseInfo) -> list[tuple[Text, HtmlElement | str]]:
    return [
        (texts.SERIAL, el("span", copyable(view.tse.serial, texts.SERIAL, view.locale), class_="serial")),
        (_CHECK_DIGITS, masterdata.check_digits(info.serial)),
        (texts.DESCRIPTION, info.description or "-"),
        (texts.FIRMWARE, f"{info.software} ({info.form_factor})"),
        (texts.CERTIFICATE, date(view.locale, info.certificate_expires)),
    ]
