"""Replacing a TSE, step by step, and taking one out of service; what is done shows from the state of both TSEs."""

from gateway.access.caller import OPERATORS
from gateway.errors import BadRequest
from gateway.fleet.device import Device
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.fleet.status.readiness import ABSENT
from gateway.i18n.text import Text
from gateway.operations.confirmations import Irreversible
from gateway.server.api.endpoint import TSE, Call, Endpoint
from gateway.server.api.outages import retire_tse
from gateway.server.api.parameters import TseParams
from gateway.server.api.requests import ClientsTransfer, DecommissionRequest
from gateway.server.api.responses import ClientList, Done
from gateway.server.api.routes import endpoint_of
from gateway.server.http.callers import caller_of
from gateway.server.pages.exports import RUN
from gateway.server.pages.fields import ADMIN_PIN, RISK
from gateway.server.pages.forms import Field, Form, Kind
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.widgets import date_and_time, filled, short
from gateway.tse.info import Lifecycle

_NEW_PIN = "new_admin_pin"


async def register_clients_of(call: Call[TseParams, ClientsTransfer]) -> ClientList:
    """Register the clients of a TSE with another one."""
    administration, body = call.services.administration, call.body
    caller_of(call.request).check_tse(body.new_serial)
    old, new = body.admin_pin.get_secret_value().encode(), body.new_admin_pin.get_secret_value().encode()
    found = await administration.clients(call.params.serial, PinOrPuk(old, body.risk_lockout))
    for client in found:
        await administration.register_client(body.new_serial, PinOrPuk(new, body.risk_lockout), client)
    return ClientList(client_ids=[client.decode(errors="replace") for client in found])


async def decommission_tse(call: Call[TseParams, DecommissionRequest]) -> Done:
    """Deregister all clients of a TSE without open transactions, and take it out of service for good."""
    administration, serial = call.services.administration, call.params.serial
    if count := len(await administration.open_transactions(serial, b"")):
        raise BadRequest(
            Text(
                "{count} transactions are open: finish or cancel them at the tills first; nothing was done",
                "{count} Transaktionen sind offen: erst an den Kassen beenden oder abbrechen; nichts wurde getan",
            ),
            count=count,
        )
    pin = PinOrPuk(call.body.admin_pin.get_secret_value().encode(), call.body.risk_lockout)
    for client in await administration.clients(serial, pin):
        await administration.deregister_client(serial, pin, client)
    await administration.decommission(serial, pin, call.body.confirmation)
    return Done()


MOVE = Form(
    Endpoint("POST", f"{TSE}/clients/copy", OPERATORS, register_clients_of, "Copy the clients", "To another TSE."),
    Text("Register the tills with the new TSE", "Die Kassen an der neuen TSE anmelden"),
    Text("Register them", "Anmelden"),
    Text("These tills are registered with the new TSE:", "Diese Kassen sind an der neuen TSE angemeldet:"),
    (
        Field("new_serial", Text("New TSE", "Neue TSE"), Kind.CHOICE),
        Field("admin_pin", Text("Admin PIN of the old TSE", "Admin-PIN der alten TSE"), Kind.SECRET, length=5),
        Field(_NEW_PIN, Text("Admin PIN of the new TSE", "Admin-PIN der neuen TSE"), Kind.SECRET, length=5),
        RISK,
    ),
    intro=Text(
        "The old TSE names its tills, and the new one gets the same. After that the tills can sell with either.",
        "Die alte TSE nennt ihre Kassen, und die neue bekommt dieselben. Danach können die Kassen mit beiden "
        "verkaufen.",
    ),
)
DECOMMISSION = Form(
    Endpoint("POST", f"{TSE}/decommission", OPERATORS, decommission_tse, "Take it out of service", "For good."),
    Text("Take the TSE out of service", "TSE außer Betrieb nehmen"),
    Text("Out of service for good", "Endgültig außer Betrieb nehmen"),
    Text(
        "The TSE is out of service. Archive it once more: it has signed its end, too.",
        "Die TSE ist außer Betrieb. Noch einmal archivieren: sie hat auch ihr Ende signiert.",
    ),
    (ADMIN_PIN, RISK),
    intro=Text(
        "Deregisters all its tills first. Receipts that are open must be finished at the tills before.",
        "Meldet vorher alle ihre Kassen ab. Offene Belege vorher an den Kassen abschließen.",
    ),
    consequence=Text(
        "TSE {serial} is taken out of service for good and never signs again. Its data stay readable.",
        "TSE {serial} wird endgültig außer Betrieb genommen und signiert nie wieder. Ihre Daten bleiben lesbar.",
    ),
    irreversible=Irreversible.DECOMMISSION,
)
RETIRE = Form(
    endpoint_of(retire_tse),
    Text("Report a TSE that is gone no longer as missing", "Eine TSE, die weg ist, nicht mehr als fehlend melden"),
    Text("No longer report it", "Nicht mehr melden"),
    Text("It is no longer reported as missing.", "Sie wird nicht mehr als fehlend gemeldet."),
    (Field("serial", Text("TSE", "TSE"), Kind.CHOICE),),
    intro=Text(
        "For a TSE that was unplugged for good. Its outages and its archive stay.",
        "Für eine TSE, die endgültig abgezogen ist. Ihre Ausfälle und ihr Archiv bleiben.",
    ),
)
_STEPS = Text("The way from the old TSE to the new one", "Der Weg von der alten TSE zur neuen")
_OLD = Text(
    "This page is about the old TSE, {serial}; another one is chosen above.",
    "Diese Seite handelt von der alten TSE, {serial}; eine andere wird oben gewählt.",
)
_DONE, _OPEN = Text("done", "erledigt"), Text("open", "offen")
_NEW = Text("Plug the new TSE in and set it up", "Die neue TSE einstecken und einrichten")
_GO_SET_UP = Text("Set TSE {serial} up", "TSE {serial} einrichten")
_ARCHIVED = Text("Archive what the old TSE has signed", "Archivieren, was die alte TSE signiert hat")
_MOVED = Text("Register the tills with the new TSE", "Die Kassen an der neuen TSE anmelden")
_TILLS = Text("{count} tills there", "dort {count} Kassen")
_OUT = Text("Take the old TSE out of service", "Die alte TSE außer Betrieb nehmen")
_LAST = Text(
    "Archive the old TSE a last time, then unplug it", "Die alte TSE ein letztes Mal archivieren, dann abziehen"
)
_REPORT = Text(
    "Report both to the tax office within one month: the old one as out of service, the new one as in service "
    "(ELSTER).",
    "Beide binnen eines Monats dem Finanzamt melden: die alte als außer Betrieb, die neue als in Betrieb (ELSTER).",
)
_DEAD = Text(
    "If the old TSE does not work any more, its archive is what counts: skip the steps that need it, keep the TSE, and "
    "report it all the same.",
    "Arbeitet die alte TSE nicht mehr, zählt ihr Archiv: die Schritte auslassen, die sie brauchen, die TSE aufbewahren "
    "und sie trotzdem melden.",
)
_OPEN_TRANSACTIONS = Text(
    "{count} transactions are open: finish or cancel them at the tills first.",
    "{count} Transaktionen sind offen: erst an den Kassen beenden oder abbrechen.",
)


async def _content(view: PageView) -> Content:
    info = view.tse.info
    others = [it for it in view.site.services.registry.devices() if it.serial != view.tse.serial]
    new = [it for it in others if it.info.lifecycle == Lifecycle.INITIALIZED and view.caller.may_use(it.serial)]
    absent = [(tse.serial, f"TSE {short(tse.serial)}") for tse in view.snapshot.tses if tse.reason == ABSENT]
    in_service, ended = info.lifecycle == Lifecycle.INITIALIZED, info.lifecycle == Lifecycle.DECOMMISSIONED
    open_now = info.open_transactions if in_service else 0
    choices = {"new_serial": [(device.serial, f"TSE {short(device.serial)}") for device in new]}
    return (
        view.card(
            "steps",
            _STEPS,
            quiet(view.text(_OLD, serial=short(view.tse.serial))),
            _steps(view, others, new, ended=ended),
            quiet(view.text(_DEAD)),
        ),
        view.form(RUN),
        view.form(MOVE, _moved(view), options=choices) if in_service and new else None,
        el("p", view.text(_OPEN_TRANSACTIONS, count=open_now), class_="consequence") if open_now else None,
        view.form(DECOMMISSION) if in_service or _was_sent(view, DECOMMISSION) else None,
        view.form(RETIRE, options={"serial": absent}) if absent or _was_sent(view, RETIRE) else None,
    )


def _steps(view: PageView, others: list[Device], new: list[Device], *, ended: bool) -> HtmlElement:
    archive = view.shown_tse.archive
    success = None if archive is None else archive.last_success
    stand: list[HtmlElement | str] = [view.text(texts.ARCHIVE_EMPTY)]
    if success is not None:
        stand = filled(view.locale, texts.ARCHIVE_UNTIL, time=date_and_time(view.locale, success.timestamp()))
    fresh = [
        el("a", view.text(_GO_SET_UP, serial=short(it.serial)), href=f"/page/setup/{it.serial}")
        for it in others
        if it.info.lifecycle == Lifecycle.UNINITIALIZED
    ]
    there = ", ".join(f"TSE {short(device.serial)}" for device in new)
    counts = ", ".join(view.text(_TILLS, count=device.info.registered_clients) for device in new)
    return el(
        "ol",
        _step(view, _NEW, [there, *fresh], done=bool(new)),
        _step(view, _ARCHIVED, stand, done=success is not None),
        _step(view, _MOVED, [counts], done=any(device.info.registered_clients for device in new)),
        _step(view, _OUT, [], done=ended),
        _step(view, _LAST, [], done=False),
        _step(view, _REPORT, [], done=False),
        class_="checklist",
    )


def _step(view: PageView, title: Text, more: list[HtmlElement | str], *, done: bool) -> HtmlElement:
    state = el("span", view.text(_DONE if done else _OPEN), class_="badge good" if done else "badge")
    told = [part for part in more if part]
    return el(
        "li", el("b", view.text(title)), " ", state if done else None, el("p", *told, class_="quiet") if told else None
    )


def _moved(view: PageView) -> Content:
    answer = view.answer(MOVE)
    if not isinstance(answer, ClientList):
        return ()
    return (el("ul", *(el("li", client) for client in answer.client_ids), class_="names"),)


def _was_sent(view: PageView, form: Form) -> bool:
    return view.sent is not None and view.sent.form == form.name


PAGE = Page(
    "replacement",
    Text("Replace a TSE", "TSE ersetzen"),
    OPERATORS,
    _content,
    (RUN, MOVE, DECOMMISSION, RETIRE),
    of_tse=True,
)
