"""Self test and time of a TSE: when each is due, whether the gateway does it, and doing it now."""

from gateway.access.caller import READERS
from gateway.i18n.text import Text
from gateway.server.api.administration import run_self_test, set_time
from gateway.server.api.responses import TseTime
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.fields import CLIENT_ID, RISK, TRUST_CLOCK
from gateway.server.pages.forms import Field, Form, Kind
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.widgets import date_and_time, filled
from gateway.tse.fields import Generation
from gateway.tse.pins import USERS, PinOwner

_DUE = Text("What is due", "Was ansteht")
_PASSED = Text("passed, due in {duration}", "bestanden, fällig in {duration:dative}")
_IS_SET = Text("set, due in {duration}", "gestellt, fällig in {duration:dative}")
_DUE_NOW = Text("due now", "jetzt fällig")
_NOW = Text("Time of this gateway", "Uhrzeit dieses Gateways")
_BY_GATEWAY = Text("Done by the gateway", "Macht das Gateway selbst")
_YES = Text("yes: it has the TimeAdmin PIN", "ja: es hat die TimeAdmin-PIN")
_NO = Text(
    "no: it has no TimeAdmin PIN (GATEWAY_TIME_ADMIN_PIN_FILE), so the tills do it",
    "nein: es hat keine TimeAdmin-PIN (GATEWAY_TIME_ADMIN_PIN_FILE), also machen es die Kassen",
)
_HELD_BACK = Text("no: its TimeAdmin PIN was refused", "nein: seine TimeAdmin-PIN wurde abgelehnt")
_TIME_IS = Text("In the TSE it is now {time}.", "In der TSE ist es jetzt {time}.")
SELF_TEST = Form(
    endpoint_of(run_self_test),
    Text("Run the self test", "Selbsttest ausführen"),
    Text("Run it now", "Jetzt ausführen"),
    Text("The TSE has passed its self test.", "Die TSE hat ihren Selbsttest bestanden."),
    (
        Field(
            CLIENT_ID.name,
            CLIENT_ID.label,
            hint=Text(
                "A registered till, in whose name it is run. Generation 2 needs none.",
                "Eine angemeldete Kasse, in deren Namen er läuft. Generation 2 braucht keine.",
            ),
            length=30,
            required=False,
            wrong=CLIENT_ID.wrong,
        ),
    ),
    intro=Text(
        "Takes up to a minute. Tills wait meanwhile: best done when nobody is paying. Needs no PIN.",
        "Dauert bis zu einer Minute. Kassen warten solange: am besten, wenn gerade niemand bezahlt. Braucht keine PIN.",
    ),
)
SET_TIME = Form(
    endpoint_of(set_time),
    Text("Set the time", "Uhrzeit stellen"),
    Text("Set it now", "Jetzt stellen"),
    Text("The time is set.", "Die Uhrzeit ist gestellt."),
    (
        Field(
            "user",
            Text("Whose PIN", "Wessen PIN"),
            Kind.CHOICE,
            options=[(owner.value, texts.USER_NAMES[owner]) for owner in (PinOwner.TIME_ADMIN, PinOwner.ADMIN)],
        ),
        Field("pin", Text("PIN", "PIN"), Kind.SECRET, Text("5 characters", "5 Zeichen"), length=5),
        TRUST_CLOCK,
        RISK,
    ),
    intro=Text(
        "The TSE gets the time of this gateway, which stands in every receipt from then on.",
        "Die TSE bekommt die Uhrzeit dieses Gateways; sie steht von da an in jedem Beleg.",
    ),
)


async def _content(view: PageView) -> Content:
    tse, device, locale = view.shown_tse, view.tse, view.locale
    info = device.info
    test, time = info.self_test_due_seconds - tse.age, info.time_sync_due_seconds - tse.age
    by_gateway = _HELD_BACK if tse.no_login else _YES if device.has_pin else _NO
    users: tuple[PinOwner, ...] = USERS if info.generation is Generation.TWO else (PinOwner.ADMIN, PinOwner.TIME_ADMIN)
    tries = [
        (texts.PIN_NAMES[owner], str(left)) for owner, left in tse.pin_tries.items() if owner in users and left < 3
    ]
    facts: list[tuple[Text, HtmlElement | str]] = [
        (texts.SELF_TEST, _state(view, _PASSED, test if info.self_test_passed else 0)),
        (texts.SET_TIME, _state(view, _IS_SET, time if info.valid_time else 0)),
        (_BY_GATEWAY, view.text(by_gateway)),
        (_NOW, date_and_time(locale, view.snapshot.now)),
        *tries,
    ]
    return (
        view.card("due", _DUE, view.rows(facts)),
        view.form(SELF_TEST, values={CLIENT_ID.name: device.pin_record.client_id}),
        view.form(SET_TIME, _time(view)),
    )


def _state(view: PageView, text: Text, seconds: float) -> str:
    return view.text(text, duration=view.locale.countdown(seconds)) if seconds > 0 else view.text(_DUE_NOW)


def _time(view: PageView) -> Content:
    answer = view.answer(SET_TIME)
    if not isinstance(answer, TseTime):
        return ()
    return (el("p", *filled(view.locale, _TIME_IS, time=date_and_time(view.locale, answer.time.timestamp()))),)


PAGE = Page(
    "maintenance",
    Text("Self test and time", "Selbsttest und Uhrzeit"),
    READERS,
    _content,
    (SELF_TEST, SET_TIME),
    of_tse=True,
)
