"""The tokens on the page of operators: their roles, last uses, ends, and who still uses one that was replaced."""

from dataclasses import dataclass

from gateway.access.caller import Role
from gateway.access.tokens import Tokens
from gateway.access.uses import Use
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.widgets import date_and_time

_MOST = 64
ROLES = {
    Role.LAN: Text("all (session.txt)", "alles (session.txt)"),
    Role.TILL: Text("till", "Kasse"),
    Role.OPERATOR: Text("operator", "Betreiber"),
    Role.AUDITOR: Text("auditor", "Prüfer"),
    Role.MONITOR: Text("monitor", "Überwachung"),
}


@dataclass(frozen=True, slots=True)
class TokenSnapshot:
    """One name of a token; `old_until` (Unix seconds) is when the last one that was replaced ends, if one counts."""

    name: str
    role: Role
    last: Use | None = None
    old_until: float | None = None
    laggards: tuple[str, ...] = ()


def snapshots(tokens: Tokens) -> list[TokenSnapshot]:
    """Return what is known of all names, sorted."""
    found = []
    for name in sorted({token.name for token in tokens.all()}):
        present, *older = tokens.named(name)
        late = tokens.uses.laggards(name) if older else []
        last, until = tokens.uses.last(name, old=present.old), max((token.ends for token in older), default=None)
        found.append(
            TokenSnapshot(name, present.role, last, until, tuple(use.client_id or use.address for use in late))
        )
    return found


def table(tokens: list[TokenSnapshot], locale: Locale) -> HtmlElement:
    """Return the table."""
    heads = (texts.TOKEN, texts.ROLE, texts.LAST_USE, texts.OLDER)
    head = el("tr", *(el("th", locale.text(name), scope="col") for name in heads))
    rows = [_row(token, locale) for token in tokens[:_MOST]]
    table = el("table", el("thead", head), el("tbody", *rows))
    return el("div", table, class_="listing", tabindex="0")  # on a phone it is scrolled, by keys as well


def _row(token: TokenSnapshot, locale: Locale) -> HtmlElement:
    last: list[HtmlElement | str] = []
    if token.last is not None:
        address = token.last.address or locale.text(texts.THIS_MACHINE)
        last = [date_and_time(locale, token.last.at), f" · {address}"]
    older: list[HtmlElement | str] = []
    if token.old_until is not None:
        who = ", ".join(token.laggards) or locale.text(texts.NOBODY)
        older = [locale.text(texts.UNTIL), " ", date_and_time(locale, token.old_until), f": {who}"]
    cells = ([token.name], [locale.text(ROLES[token.role])], last, older)
    return el("tr", *(el("td", *cell) for cell in cells))
