"""The tokens on the page of operators: their roles, last uses, ends, and who still uses one that was replaced."""

import math
from dataclasses import dataclass

from gateway.access.caller import Role
from gateway.access.tokens import Tokens
from gateway.access.uses import Use
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.widgets import date, date_and_time, table

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
    """One name of a token.

    `only`: the client ids and beginnings of serials that it is for; empty ones limit nothing. `ends` (Unix seconds) is
    when it ends, `old_until` when the last one that was replaced does, if one counts.
    """

    name: str
    role: Role
    only: tuple[str, ...] = ()
    ends: float | None = None
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
            TokenSnapshot(
                *(name, present.role, (*present.clients, *(f"TSE {tse}" for tse in present.tses))),
                None if math.isinf(present.ends) else present.ends,
                *(last, until, tuple(use.client_id or use.address for use in late)),
            )
        )
    return found


def token_table(tokens: list[TokenSnapshot], locale: Locale) -> HtmlElement:
    """Return the table."""
    heads = (texts.TOKEN, texts.ROLE, texts.ONLY_FOR, texts.ENDS, texts.LAST_USE, texts.OLDER)
    return table(locale, heads, [_row(token, locale) for token in tokens[:_MOST]])


def _row(token: TokenSnapshot, locale: Locale) -> tuple[HtmlElement | str | None, ...]:
    last = older = None
    if token.last is not None:
        address = token.last.address or locale.text(texts.THIS_MACHINE)
        last = el("span", date_and_time(locale, token.last.at), f" · {address}")
    if token.old_until is not None:
        who = ", ".join(token.laggards) or locale.text(texts.NOBODY)
        older = el("span", locale.text(texts.UNTIL), " ", date_and_time(locale, token.old_until), f": {who}")
    ends = None if token.ends is None else date(locale, token.ends)
    return token.name, locale.text(ROLES[token.role]), ", ".join(token.only), ends, last, older
