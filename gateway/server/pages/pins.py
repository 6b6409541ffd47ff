"""PINs and PUKs of a TSE: how many tries are left, changing one, setting a PIN anew by the PUK."""

from gateway.access.caller import OPERATORS
from gateway.i18n.text import Text
from gateway.server.api.administration import change_pin, change_puk, unblock_pin
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.fields import RISK
from gateway.server.pages.forms import Field, Form, Kind
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import quiet
from gateway.tse.credentials import PIN_LENGTH, PUK_LENGTH
from gateway.tse.fields import Generation
from gateway.tse.pins import USERS, PinOwner, has_tries, puk_of

_PIN_HINT = Text("5 characters", "5 Zeichen")
_PUK_HINT = Text("6 characters", "6 Zeichen")
_NEW_PIN_HINT = Text("5 characters; write it down first", "5 Zeichen; vorher notieren")
_USER = Field("user", Text("Whose PIN", "Wessen PIN"), Kind.CHOICE)
_NEW_PIN = Field("new_pin", Text("New PIN", "Neue PIN"), Kind.NEW_SECRET, _NEW_PIN_HINT, length=PIN_LENGTH)
_TRIES = Text("Tries until it is blocked", "Versuche bis zur Sperre")
_ALL_TRIES = Text("3, as far as the gateway knows", "3, soweit das Gateway weiß")
_LEFT = Text("{count}: a wrong one takes one away", "{count}: eine falsche kostet einen davon")
_BLOCKED = Text("0: blocked", "0: gesperrt")
_PAUSE = Text("takes none for {duration}, since one was wrong", "nimmt {duration} lang keine, weil eine falsch war")
_NO_PAUSE = Text(
    "as many as needed; after a wrong one the TSE takes none for a while",
    "beliebig viele; nach einer falschen nimmt die TSE eine Weile keine",
)
_GUARD = Text(
    "The gateway sends a PIN or PUK that was wrong before, or that has its last try, only when you say so.",
    "Eine PIN oder PUK, die schon falsch war oder ihren letzten Versuch hat, sendet das Gateway nur, wenn Sie es "
    "verlangen.",
)
_FIRST = Text(
    "Three wrong PINs block a PIN until the PUK sets a new one. Three wrong PUKs end the administration of this TSE "
    "for ever: it must then be replaced.",
    "Drei falsche PINs sperren eine PIN, bis die PUK eine neue setzt. Drei falsche PUKs beenden die Verwaltung dieser "
    "TSE für immer: sie ist dann zu ersetzen.",
)
_SECOND = Text(
    "Three wrong PINs block a PIN until the PUK sets a new one. After a wrong PUK the TSE takes none for a while.",
    "Drei falsche PINs sperren eine PIN, bis die PUK eine neue setzt. Nach einer falschen PUK nimmt die TSE eine "
    "Weile keine.",
)
CHANGE = Form(
    endpoint_of(change_pin),
    Text("Change a PIN", "PIN ändern"),
    Text("Change it", "Ändern"),
    Text("The PIN is changed.", "Die PIN ist geändert."),
    (
        _USER,
        Field("old_pin", Text("Present PIN", "Bisherige PIN"), Kind.SECRET, _PIN_HINT, length=PIN_LENGTH),
        _NEW_PIN,
        RISK,
    ),
)
UNBLOCK = Form(
    endpoint_of(unblock_pin),
    Text("Set a new PIN by the PUK", "Mit der PUK eine neue PIN setzen"),
    Text("Set it", "Setzen"),
    Text("The new PIN is set.", "Die neue PIN ist gesetzt."),
    (_USER, Field("puk", Text("PUK", "PUK"), Kind.SECRET, _PUK_HINT, length=PUK_LENGTH), _NEW_PIN, RISK),
    intro=Text("For a PIN that is blocked or lost.", "Für eine PIN, die gesperrt oder verloren ist."),
)
CHANGE_PUK = Form(
    endpoint_of(change_puk),
    Text("Change the PUK", "PUK ändern"),
    Text("Change it", "Ändern"),
    Text("The PUK is changed.", "Die PUK ist geändert."),
    (
        Field("old_puk", Text("Present PUK", "Bisherige PUK"), Kind.SECRET, _PUK_HINT, length=PUK_LENGTH),
        Field(
            "new_puk",
            Text("New PUK", "Neue PUK"),
            Kind.NEW_SECRET,
            Text("6 characters; write it down first", "6 Zeichen; vorher notieren"),
            length=PUK_LENGTH,
        ),
        RISK,
    ),
    intro=Text("For all users of the TSE at once.", "Für alle Benutzer der TSE zugleich."),
)


async def _content(view: PageView) -> Content:
    generation = view.tse.info.generation
    users = [user for user in USERS if generation is Generation.TWO or user is not PinOwner.LOGGER]
    options = {"user": [(user.value, view.text(texts.USER_NAMES[user])) for user in users]}
    puks = {puk_of(user.user, generation) for user in users} - {None}
    owners = [owner for owner in PinOwner if owner in users or owner in puks]
    rows: list[tuple[Text, HtmlElement | str]] = [
        (texts.PIN_NAMES[owner], _tries(view, owner, generation)) for owner in owners
    ]
    told = view.text(_FIRST if generation is Generation.ONE else _SECOND)
    return (
        view.card("tries", _TRIES, view.rows(rows), el("p", told), quiet(view.text(_GUARD))),
        view.form(CHANGE, options=options),
        view.form(UNBLOCK, options=options),
        view.form(CHANGE_PUK),
    )


def _tries(view: PageView, owner: PinOwner, generation: Generation) -> str:
    if not has_tries(owner, generation):
        user = next(user for user in USERS if puk_of(user.user, generation) is owner)
        seconds = view.tse.info.puk_blocked_seconds(user.user) - view.tse.info_age
        return view.text(_PAUSE, duration=view.locale.countdown(seconds)) if seconds > 0 else view.text(_NO_PAUSE)
    left = view.tse.pin_record.tries.get(owner)
    if left is None:
        return view.text(_ALL_TRIES)
    return view.text(_LEFT, count=left) if left else view.text(_BLOCKED)


PAGE = Page(
    "pins", Text("PINs and PUK", "PINs und PUK"), OPERATORS, _content, (CHANGE, UNBLOCK, CHANGE_PUK), of_tse=True
)
