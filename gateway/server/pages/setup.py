"""The set-up of a TSE, step by step: look at it, choose PINs and tills, confirm, print the sheet; test receipts."""

import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gateway.access.caller import OPERATORS
from gateway.errors import GatewayError
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.i18n.text import Text
from gateway.operations.confirmations import Irreversible
from gateway.server.api import administration, problems, transactions
from gateway.server.api.endpoint import TSE, Call, Endpoint
from gateway.server.api.parameters import SigningParams, TseParams
from gateway.server.api.requests import ClientId, KeepPinRequest, RequestBody, SetupRequest, SignRequest
from gateway.server.api.responses import Done, SignedReceipt
from gateway.server.http.callers import caller_of
from gateway.server.pages import setup_steps
from gateway.server.pages.fields import CLIENT_ID, RISK, TRUST_CLOCK
from gateway.server.pages.forms import Field, Form, Kind
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page.browser import locale_of
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.widgets import sentence
from gateway.tse.credentials import PIN_LENGTH, PUK_LENGTH
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle

_VALUES = "values"  # ?step= of the form


class FirstSetup(SetupRequest):
    """A set-up and what follows it."""

    keep_time_admin_pin: bool = False
    test_receipt: bool = False


class SetupResult(BaseModel):
    """What followed a set-up; `troubles` are sentences."""

    keeps_pin: bool = False
    receipt: SignedReceipt | None = None
    troubles: tuple[str, ...] = ()


class TestReceipt(RequestBody):
    """In whose name a test receipt is signed."""

    client_id: ClientId


async def set_up_tse(call: Call[TseParams, FirstSetup]) -> SetupResult:
    """Put a fresh TSE into service as the API does; then keep its TimeAdmin PIN and sign a test receipt if wanted."""
    body, kept, receipt, troubles = call.body, False, None, list[str]()
    await administration.set_up_tse(Call(call.services, call.request, call.params, body, None))
    if body.keep_time_admin_pin:
        pin = PinOrPuk(body.time_admin_pin.get_secret_value().encode())
        try:
            await call.services.administration.keep_time_admin_pin(call.params.serial, pin)
            kept = True
        except GatewayError as error:  # the TSE is set up all the same, which the sheet must say
            troubles.append(_told(call, error))
    if body.test_receipt:
        try:
            receipt = await _test_receipt(call, body.client_ids[0])
        except GatewayError as error:
            troubles.append(_told(call, error))
    return SetupResult(keeps_pin=kept, receipt=receipt, troubles=tuple(troubles))


async def sign_test_receipt(call: Call[TseParams, TestReceipt]) -> SignedReceipt:
    """Sign a receipt of a training (DSFinV-K, AVTraining), which is no sale."""
    return await _test_receipt(call, call.body.client_id)


async def keep_time_admin_pin(call: Call[TseParams, KeepPinRequest]) -> Done:
    """Keep the PIN of the TimeAdmin in the gateway."""
    pin = PinOrPuk(call.body.pin.get_secret_value().encode(), call.body.risk_lockout)
    await call.services.administration.keep_time_admin_pin(call.params.serial, pin)
    return Done()


def _told(call: Call[Any, Any], error: GatewayError) -> str:
    problem = problems.describe(error, locale_of(call.request).language)
    return sentence(problem.detail or problem.title)


async def _test_receipt(call: Call[TseParams, Any], client_id: str) -> SignedReceipt:
    caller_of(call.request).check_client(client_id)
    request = SignRequest(
        client_id=client_id, process_type="Kassenbeleg-V1", process_data="AVTraining^0.00_0.00_0.00_0.00_0.00^"
    )
    params = SigningParams(serial=call.params.serial)
    return await transactions.sign_receipt(Call(call.services, call.request, params, request, None))


SET_UP = Form(
    Endpoint("POST", f"{TSE}/setup", OPERATORS, set_up_tse, "Set up", "Set up."),
    Text("PINs, PUK and tills", "PINs, PUK und Kassen"),
    Text("Set the TSE up", "TSE einrichten"),
    Text("The TSE is in service.", "Die TSE ist in Betrieb."),
    (
        Field(
            "admin_puk",
            Text("PUK", "PUK"),
            hint=Text(
                "6 characters; sets a new PIN when one is lost. Nobody can reset it.",
                "6 Zeichen; setzt eine neue PIN, wenn eine verloren ist. Niemand kann sie zurücksetzen.",
            ),
            length=PUK_LENGTH,
        ),
        Field(
            "admin_pin",
            Text("Admin PIN", "Admin-PIN"),
            hint=Text("5 characters; registers tills", "5 Zeichen; meldet Kassen an und ab"),
            length=PIN_LENGTH,
        ),
        Field(
            "time_admin_pin",
            Text("TimeAdmin PIN", "TimeAdmin-PIN"),
            hint=Text("5 characters; sets the time", "5 Zeichen; stellt die Uhrzeit"),
            length=PIN_LENGTH,
        ),
        Field(
            "client_ids",
            Text("First tills (client ids)", "Erste Kassen (Client-IDs)"),
            Kind.LINES,
            Text(
                "One in each line, letter by letter as the POS sends them. More can follow later.",
                "Eine je Zeile, Zeichen für Zeichen, wie die Kassensoftware sie sendet. Weitere können später folgen.",
            ),
            wrong=CLIENT_ID.wrong,
        ),
        Field(
            "keep_time_admin_pin",
            Text(
                "The gateway keeps the TimeAdmin PIN: then it does self test and time by itself, at night",
                "Das Gateway bewahrt die TimeAdmin-PIN auf: dann macht es Selbsttest und Uhrzeit selbst, nachts",
            ),
            Kind.CHECK,
            value="yes",
        ),
        Field(
            "test_receipt",
            Text("Sign a test receipt at the end", "Zum Schluss einen Testbeleg signieren"),
            Kind.CHECK,
            Text("A receipt of a training: no sale.", "Ein Beleg zum Üben (AVTraining): kein Umsatz."),
            value="yes",
        ),
        Field(
            "credential_seed",
            Text("Credential seed of the reseller", "Credential-Seed des Händlers"),
            hint=Text(
                "Empty: the one of TSEs that are sold in shops. A wrong one costs one of three tries.",
                "Leer: der von TSEs aus dem Handel. Ein falscher kostet einen von drei Versuchen.",
            ),
            required=False,
        ),
        TRUST_CLOCK,
        RISK,
    ),
    intro=Text(
        "These PINs and the PUK were made for this TSE; type others over them if you like. Write them down before you "
        "go on: if the set-up breaks off, it goes on with the same ones.",
        "Diese PINs und die PUK sind für diese TSE erzeugt; andere einfach darüberschreiben. Vor dem Fortfahren "
        "notieren: bricht die Einrichtung ab, geht sie mit denselben weiter.",
    ),
    consequence=Text(
        "TSE {serial} is put into service for good, with these PINs and this PUK: have you written them down? Nobody "
        "can reset them. It takes up to two minutes; keep the page open.",
        "TSE {serial} wird endgültig in Betrieb genommen, mit diesen PINs und dieser PUK: sind sie notiert? Niemand "
        "kann sie zurücksetzen. Es dauert bis zu zwei Minuten; die Seite offen lassen.",
    ),
    irreversible=Irreversible.SETUP,
)
TEST_RECEIPT = Form(
    Endpoint("POST", f"{TSE}/test-receipt", OPERATORS, sign_test_receipt, "Sign a test receipt", "Of a training."),
    Text("Sign a test receipt", "Testbeleg signieren"),
    Text("Sign", "Signieren"),
    Text("The TSE has signed a test receipt for {client_id}.", "Die TSE hat einen Testbeleg für {client_id} signiert."),
    (CLIENT_ID,),
    intro=Text(
        "A receipt of a training (AVTraining): no sale. It stays in the TSE and in exports like any other.",
        "Ein Beleg zum Üben (AVTraining): kein Umsatz. Er bleibt in der TSE und in Exporten wie jeder andere.",
    ),
)
KEEP = Form(
    Endpoint("POST", f"{TSE}/time-admin-pin", OPERATORS, keep_time_admin_pin, "Keep the TimeAdmin PIN", "Keep it."),
    Text("Give the gateway the TimeAdmin PIN", "Dem Gateway die TimeAdmin-PIN geben"),
    Text("Keep it", "Aufbewahren"),
    Text(
        "The PIN is right, and the gateway does self test and time by itself from now on.",
        "Die PIN stimmt, und das Gateway macht Selbsttest und Uhrzeit ab jetzt selbst.",
    ),
    (Field("pin", Text("TimeAdmin PIN", "TimeAdmin-PIN"), Kind.SECRET, length=PIN_LENGTH), RISK),
    intro=Text(
        "Then it runs the self test at night and sets the time, and no till waits for that in the morning. The PIN is "
        "kept in its state directory, readable by the gateway alone.",
        "Dann führt es den Selbsttest nachts aus und stellt die Uhrzeit, und morgens wartet keine Kasse darauf. Die "
        "PIN liegt in seinem Zustandsverzeichnis, lesbar nur für das Gateway.",
    ),
)
_IN_SERVICE = Text("This TSE is in service", "Diese TSE ist in Betrieb")
_ENDED = Text(
    "This TSE is out of service for good. A new one takes its place.",
    "Diese TSE ist endgültig außer Betrieb. Eine neue tritt an ihre Stelle.",
)
_OTHER_STATE = Text("This TSE cannot be set up", "Diese TSE kann nicht eingerichtet werden")
_BROKE_OFF = Text(
    "An earlier set-up of this TSE broke off. Type in the PINs and the PUK of then.",
    "Eine frühere Einrichtung dieser TSE brach ab. Die PINs und die PUK von damals eingeben.",
)
_USERS = Text(
    "A TSE of generation 2 has three users. They get the same PUK; the PIN of the Logger becomes 00000, as with the "
    "vendor's software.",
    "Eine TSE der Generation 2 hat drei Benutzer. Sie bekommen dieselbe PUK; die PIN des Loggers wird 00000, wie mit "
    "der Software des Herstellers.",
)
_GO_ON = Text("Go on: PINs and tills", "Weiter: PINs und Kassen")


async def _content(view: PageView) -> Content:
    answer, info = view.answer(SET_UP), view.tse.info
    if isinstance(answer, SetupResult) and view.sent is not None:
        done = setup_steps.DoneSetup(view.sent.values, answer.receipt, answer.keeps_pin, answer.troubles)
        return (setup_steps.steps(view, 4), setup_steps.sheet(view, done))
    if info.lifecycle == Lifecycle.UNINITIALIZED:
        return await _fresh(view)
    if info.lifecycle != Lifecycle.INITIALIZED:
        return (view.card("ended", _OTHER_STATE, el("p", view.text(_ENDED))),)
    known = {CLIENT_ID.name: view.tse.pin_record.client_id}
    return (
        view.card("in-service", _IN_SERVICE, setup_steps.connection(view)),
        view.form(TEST_RECEIPT, _receipt(view), values=known),
        view.form(KEEP) if view.answer(KEEP) or view.shown_tse.no_login or not view.tse.has_pin else None,
    )


async def _fresh(view: PageView) -> Content:
    """Return the first step, or the form of the second and the third."""
    info, was_sent = view.tse.info, view.sent is not None and view.sent.form == SET_UP.name
    if not was_sent and view.request.query.get("step") != _VALUES:
        clock = await view.site.services.administration.clock_status()
        go_on = el("a", view.text(_GO_ON), href=f"{view.path}?step={_VALUES}", class_="act")
        return (setup_steps.steps(view, 1), setup_steps.look(view, clock, go_on))
    awaits = view.sent is not None and view.sent.awaits
    notes: list[HtmlElement] = []
    if info.credentials_changed and not awaits:
        notes.append(el("p", view.text(_BROKE_OFF), class_="consequence"))
    if info.generation is Generation.TWO:
        notes.append(quiet(view.text(_USERS)))
    made = {} if info.credentials_changed else _made()
    return (setup_steps.steps(view, 3 if awaits else 2), *notes, view.form(SET_UP, values=made))


def _made() -> Mapping[str, str]:
    """Return new PINs and a new PUK, in digits, which every POS takes."""
    lengths = {"admin_puk": PUK_LENGTH, "admin_pin": PIN_LENGTH, "time_admin_pin": PIN_LENGTH}
    return {name: f"{secrets.randbelow(10**length):0{length}}" for name, length in lengths.items()}


def _receipt(view: PageView) -> Content:
    answer = view.answer(TEST_RECEIPT)
    return setup_steps.receipt(view, answer) if isinstance(answer, SignedReceipt) else ()


PAGE = Page("setup", Text("Set-up", "Einrichten"), OPERATORS, _content, (SET_UP, TEST_RECEIPT, KEEP), of_tse=True)
