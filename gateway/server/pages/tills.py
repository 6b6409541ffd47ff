"""Tills of a TSE: who holds it, who waits, which are registered; register, rename, deregister, take the lock back."""

from dataclasses import replace

from gateway.access.caller import OPERATORS, READERS
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.i18n.text import Text
from gateway.server.api.administration import deregister_client, list_clients, register_client
from gateway.server.api.endpoint import TSE, Call, Endpoint
from gateway.server.api.parameters import TseParams
from gateway.server.api.requests import RenameRequest
from gateway.server.api.responses import ClientList, Done
from gateway.server.api.routes import endpoint_of
from gateway.server.api.tses import release_lock
from gateway.server.http.callers import caller_of
from gateway.server.pages.fields import ADMIN_PIN, CLIENT_ID, RISK
from gateway.server.pages.forms import Form
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page import texts
from gateway.server.status_page.cards import till_table
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet

_IN_USE = Text("Who uses the TSE", "Wer die TSE benutzt")
_NONE_SEEN = Text("No till has used this TSE since the start.", "Seit dem Start hat keine Kasse diese TSE benutzt.")
_WITHOUT_PIN = Text(
    "A TSE names its registered tills only to the Admin, by the Admin PIN.",
    "Eine TSE nennt ihre angemeldeten Kassen nur dem Admin, mit der Admin-PIN.",
)


async def rename_client(call: Call[TseParams, RenameRequest]) -> Done:
    """Give a client another name."""
    body = call.body
    caller_of(call.request).check_client(body.new_client_id)
    pin = PinOrPuk(body.admin_pin.get_secret_value().encode(), body.risk_lockout)
    await call.services.administration.rename_client(
        call.params.serial, pin, body.client_id.encode(), body.new_client_id.encode()
    )
    return Done()


RELEASE = Form(
    endpoint_of(release_lock),
    Text("Take the TSE back from its holder", "Die TSE ihrem Inhaber wegnehmen"),
    Text("Take it back", "Wegnehmen"),
    Text("The TSE is free again.", "Die TSE ist wieder frei."),
    intro=Text(
        "For a till that hangs and keeps the others waiting. Else the TSE becomes free by itself.",
        "Für eine Kasse, die hängt und die anderen warten lässt. Sonst wird die TSE von selbst frei.",
    ),
    consequence=Text(
        "What the till has begun and not finished is aborted, and it must take the TSE anew. Its receipt of this "
        "moment may lack a signature.",
        "Was die Kasse begonnen und nicht beendet hat, wird abgebrochen, und sie muss die TSE neu belegen. Ihrem Beleg "
        "von eben kann die Signatur fehlen.",
    ),
)
LIST = Form(
    endpoint_of(list_clients),
    Text("Registered tills", "Angemeldete Kassen"),
    Text("Show", "Anzeigen"),
    Text("These tills are registered:", "Diese Kassen sind angemeldet:"),
    (ADMIN_PIN, RISK),
    intro=_WITHOUT_PIN,
)
REGISTER = Form(
    endpoint_of(register_client),
    Text("Register a till", "Kasse anmelden"),
    Text("Register", "Anmelden"),
    Text("The till {client_id} is registered.", "Die Kasse {client_id} ist angemeldet."),
    (CLIENT_ID, ADMIN_PIN, RISK),
)
RENAME = Form(
    Endpoint("POST", f"{TSE}/clients/rename", OPERATORS, rename_client, "Rename a client", "Under one login."),
    Text("Rename a till", "Kasse umbenennen"),
    Text("Rename", "Umbenennen"),
    Text("The till {client_id} is now {new_client_id}.", "Die Kasse {client_id} heißt jetzt {new_client_id}."),
    (
        replace(CLIENT_ID, label=Text("Client id until now", "Bisherige Kassen-ID"), hint=None),
        replace(CLIENT_ID, name="new_client_id", label=Text("New client id", "Neue Kassen-ID")),
        ADMIN_PIN,
        RISK,
    ),
    intro=Text(
        "The TSE gets the new name and forgets the old one. Change it in the POS at the same time.",
        "Die TSE bekommt den neuen Namen und vergisst den alten. In der Kassensoftware gleichzeitig ändern.",
    ),
)
DEREGISTER = Form(
    endpoint_of(deregister_client),
    Text("Deregister a till", "Kasse abmelden"),
    Text("Deregister", "Abmelden"),
    Text("The till {client_id} is deregistered.", "Die Kasse {client_id} ist abgemeldet."),
    (CLIENT_ID, ADMIN_PIN, RISK),
    consequence=Text(
        "The till {client_id} can sell no more with this TSE until it is registered again.",
        "Die Kasse {client_id} kann mit dieser TSE nicht mehr verkaufen, bis sie wieder angemeldet wird.",
    ),
)


async def _content(view: PageView) -> Content:
    tse, info = view.shown_tse, view.tse.info
    held = view.text(texts.FREE)
    if tse.lock is not None:
        by = texts.HELD_BY if tse.lock.peer else texts.HELD_BY_GATEWAY
        held = view.text(by, duration=view.locale.duration(tse.lock.seconds), holder=tse.lock)
    waits = {0: texts.NOBODY_WAITS, 1: texts.ONE_WAITS}.get(tse.waiting, texts.SOME_WAIT)
    tills = quiet(view.text(_NONE_SEEN))
    if tse.tills:
        tills = till_table(tse, view.locale, view.snapshot.now)
    registered = view.text(
        texts.CLIENTS_REGISTERED, used=info.registered_clients, total=view.locale.number(info.max_registered_clients)
    )
    return (
        view.card("in-use", _IN_USE, el("p", f"{held}, {view.text(waits, count=tse.waiting)}"), tills),
        view.form(RELEASE) if tse.lock is not None or _was_sent(view, RELEASE) else None,
        view.form(LIST, _registered(view)),
        view.form(REGISTER, (quiet(registered),)),
        view.form(RENAME),
        view.form(DEREGISTER, (quiet(registered),)),
    )


def _registered(view: PageView) -> Content:
    answer = view.answer(LIST)
    if not isinstance(answer, ClientList):
        return ()
    names: list[HtmlElement] = [el("li", client) for client in answer.client_ids]
    return (el("ul", *names, class_="names"),)


def _was_sent(view: PageView, form: Form) -> bool:
    return view.sent is not None and view.sent.form == form.name


PAGE = Page(
    "tills",
    Text("Tills", "Kassen"),
    READERS,
    _content,
    (RELEASE, LIST, REGISTER, RENAME, DEREGISTER),
    of_tse=True,
)
