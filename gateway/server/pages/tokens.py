"""Tokens: who may ask for what, when each was used; make, replace and end one."""

from collections.abc import Mapping, Sequence

from gateway.access.caller import TOKEN_OPERATORS, Role
from gateway.access.tokens import LAN
from gateway.i18n.text import Text
from gateway.server.api.routes import endpoint_of
from gateway.server.api.token_models import TokenSecret
from gateway.server.api.tokens import add_token, revoke_token, rotate_token
from gateway.server.pages.fields import CLIENT_ID
from gateway.server.pages.forms import Field, Form, Kind
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page import texts
from gateway.server.status_page.html import el
from gateway.server.status_page.layout import quiet
from gateway.server.status_page.tokens import ROLES, token_table
from gateway.server.status_page.widgets import copyable

_NAME = Text("Name", "Name")
_WHICH = Field("name", Text("Token", "Token"), Kind.CHOICE)
_NEW = Text(
    "This is the new token. It is shown only now: the gateway keeps none, copy it at once.",
    "Das ist das neue Token. Es steht nur jetzt hier, das Gateway bewahrt es nicht auf: gleich kopieren.",
)
_OPTIONAL = Text("One in each line; empty: all.", "Eine je Zeile; leer: alle.")
_DAYS = (
    ("604800", Text("7 days", "7 Tage")),
    ("86400", Text("1 day", "1 Tag")),
    ("2592000", Text("30 days", "30 Tage")),
    ("0", Text("not at all", "gar nicht")),
)
ADD = Form(
    endpoint_of(add_token),
    Text("Make a token", "Token anlegen"),
    Text("Make it", "Anlegen"),
    Text("The token {name} is made.", "Das Token {name} ist angelegt."),
    (
        Field(
            "name",
            _NAME,
            hint=Text(
                "For example tax-adviser: up to 40 letters without umlauts, digits, . _ -",
                "Zum Beispiel steuerberater: bis zu 40 Buchstaben ohne Umlaute, Ziffern, . _ -",
            ),
            length=40,
        ),
        Field(
            "role",
            texts.ROLE,
            Kind.CHOICE,
            Text(
                "till: sells. operator: everything. auditor: reads and exports. monitor: reads states.",
                "Kasse: verkauft. Betreiber: alles. Prüfer: liest und exportiert. Überwachung: liest Zustände.",
            ),
            options=[(role.value, ROLES[role]) for role in (Role.TILL, Role.OPERATOR, Role.AUDITOR, Role.MONITOR)],
        ),
        Field(
            "client_ids",
            Text("Only for these client ids", "Nur für diese Kassen-IDs"),
            Kind.LINES,
            _OPTIONAL,
            required=False,
            wrong=CLIENT_ID.wrong,
        ),
        Field(
            "tses",
            Text("Only for these TSEs", "Nur für diese TSEs"),
            Kind.LINES,
            Text(
                "Beginnings of serials, one in each line; empty: all.",
                "Anfänge von Seriennummern, einer je Zeile; leer: alle.",
            ),
            required=False,
            wrong=Text(
                "A serial has only the digits 0 to 9 and A to F.",
                "Eine Seriennummer hat nur die Ziffern 0 bis 9 und A bis F.",
            ),
        ),
        Field(
            "ends",
            Text("Last day", "Letzter Tag"),
            Kind.DAY,
            Text("Empty: it never ends.", "Leer: es endet nie."),
            required=False,
        ),
    ),
)
ROTATE = Form(
    endpoint_of(rotate_token),
    Text("Replace a token", "Token ersetzen"),
    Text("Replace it", "Ersetzen"),
    Text("The token {name} is replaced.", "Das Token {name} ist ersetzt."),
    (
        _WHICH,
        Field(
            "overlap_seconds",
            Text("The old one still counts for", "Das alte gilt noch"),
            Kind.NUMBER_CHOICE,
            options=_DAYS,
        ),
    ),
    intro=Text(
        "The old one counts for a while, so that tills can be changed one by one; the table shows who still uses it.",
        "Das alte gilt noch eine Weile, damit die Kassen eine nach der anderen umgestellt werden können; wer es noch "
        "benutzt, zeigt die Tabelle.",
    ),
)
REVOKE = Form(
    endpoint_of(revoke_token),
    Text("End a token", "Token widerrufen"),
    Text("End it", "Widerrufen"),
    Text("The token {name} has ended.", "Das Token {name} ist widerrufen."),
    (
        _WHICH,
        Field("old_only", Text("Only those that were replaced", "Nur die ersetzten, nicht das heutige"), Kind.CHECK),
    ),
    consequence=Text(
        "Whoever uses the token {name} is refused at once: a till can sell no more until it has another one.",
        "Wer das Token {name} benutzt, wird sofort abgewiesen: eine Kasse kann nicht mehr verkaufen, bis sie ein "
        "anderes hat.",
    ),
)


async def _content(view: PageView) -> Content:
    tokens = view.snapshot.tokens
    names = [(token.name, token.name) for token in tokens]
    own = [entry for entry in names if entry[0] != LAN]
    choices: Mapping[str, Sequence[tuple[str, str]]] = {"name": names}
    return (
        view.card("tokens", texts.TOKENS, token_table(list(tokens), view.locale)),
        view.form(ADD, _secret(view, ADD)),
        view.form(ROTATE, _secret(view, ROTATE), options=choices),
        view.form(REVOKE, options={"name": own or names}),
    )


def _secret(view: PageView, form: Form) -> Content:
    answer = view.answer(form)
    if not isinstance(answer, TokenSecret):
        return ()
    shown = el("p", copyable(answer.token, texts.TOKEN, view.locale), class_="secret")
    return (el("p", view.text(_NEW)), shown, quiet(answer.warning) if answer.warning else None)


PAGE = Page("tokens", texts.TOKENS, TOKEN_OPERATORS, _content, (ADD, ROTATE, REVOKE))
