"""The page: the parts that change while somebody looks at it, and the document around them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gateway.fleet.outages.log import Outage
from gateway.i18n.locales import Locale
from gateway.i18n.remedies import NO_TSE, NOT_SIGNING, reason_text
from gateway.server.status_page import svg, texts
from gateway.server.status_page.cards import card
from gateway.server.status_page.html import HtmlElement, as_plain, el
from gateway.server.status_page.layout import NAME, Link, card_of, foot, html, quiet, top
from gateway.server.status_page.recent_problems import RecentProblem
from gateway.server.status_page.snapshot import Snapshot, StatusLevel, TseSnapshot
from gateway.server.status_page.tokens import token_table
from gateway.server.status_page.widgets import (
    capitalized,
    copyable,
    date_and_time,
    marked,
    sentence,
    short,
)

View = Literal["anybody", "reader", "operator"]  # readers see all but the LAN token
LoginRefusal = Literal["", "refused", "forbidden"]


@dataclass(frozen=True)
class RenderedPage:
    """What changes: the title of the window, the level of the site, and the parts by their id."""

    title: str
    level: StatusLevel
    parts: Mapping[str, HtmlElement]

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The parts as JSON, made once for all browsers."""
        return {name: json.dumps(as_plain(part)) for name, part in self.parts.items()}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request for the page. `refused`: why the last login was; empty if it was not. `links`: the navigation.

    `back`: the name of the page that a login leads to.

    An open page whose `version` differs from the server's is loaded again, since its scripts may be too old.
    """

    view: View
    version: str
    refused: LoginRefusal = ""
    links: tuple[Link, ...] = ()
    back: str = ""

    @property
    def full(self) -> bool:
        """Whether somebody is logged in."""
        return self.view != "anybody"


def render(snapshot: Snapshot, locale: Locale, view: View) -> RenderedPage:
    """Return the parts that change."""
    full = view != "anybody"
    headline, text, remedy = _summary(snapshot, locale)
    parts = [
        _state(snapshot, locale, (headline, text, remedy), view),
        _tses(snapshot, locale, view),
        _connection(snapshot, locale, view),
    ]
    if full:
        parts += [_outages(snapshot, locale, view), _problems(snapshot, locale)]
    if view == "operator":
        parts.append(card_of("tokens", locale, texts.TOKENS, token_table(list(snapshot.tokens), locale)))
    site = f" · {snapshot.site}" if snapshot.site else ""
    return RenderedPage(f"{headline} · {NAME}{site}", snapshot.level, {part.attributes["id"]: part for part in parts})


def document(rendered: RenderedPage, snapshot: Snapshot, locale: Locale, page_request: PageRequest) -> str:
    """Return the whole page as HTML, with the parts in their places."""
    parts = rendered.parts
    columns = [parts["connection"], parts["outages"] if page_request.full else _login(locale, page_request)]
    simulated = el("p", svg.shape(StatusLevel.WARNING), locale.text(texts.SIMULATED), class_="simulated")
    body = (
        el("a", locale.text(texts.SKIP), href="#tses", class_="skip"),
        top(snapshot.site, locale, page_request.links, logged_in=page_request.full),
        el("p", locale.text(texts.LOST), class_="lost", role="alert"),
        el(
            "main",
            parts["state"],
            simulated if snapshot.simulated else None,
            parts["tses"],
            el("div", *columns, class_="columns"),
            parts.get("tokens"),
            parts.get("problems"),
        ),
        foot(snapshot, locale, full=page_request.full),
        el("p", id="said", class_="heard", role="status"),
    )
    return html(
        rendered.title, locale, el("body", *body), rendered.level, script="page.js", version=page_request.version
    )


def help_page(locale: Locale) -> str:
    """Return a page with all reasons for which a TSE does not sign, and what helps."""
    entries = [
        el(
            "div",
            el("dt", capitalized(locale.text(problem.text))),
            el("dd", *marked(sentence(locale.text(problem.remedy)))),
            id=reason,
        )
        for reason, problem in NOT_SIGNING.items()
    ]
    title = locale.text(texts.HELP)
    body = el(
        "main",
        el("h1", title),
        el("p", locale.text(texts.HELP_INTRO), " ", locale.text(texts.RECEIPTS)),
        el("dl", *entries, class_="help card"),
        el("p", el("a", locale.text(texts.BACK), href="/")),
    )
    return html(f"{title} · {NAME}", locale, el("body", body), StatusLevel.IDLE)


# ---- the parts that change --------------------------------------------------


def _summary(snapshot: Snapshot, locale: Locale) -> tuple[str, str, str]:
    """Return the headline, the sentence below it, and what helps unless the card of a TSE says so."""
    used = snapshot.in_use
    ready = sum(tse.level is StatusLevel.GOOD for tse in used)
    if not used:
        text, remedy = (sentence(locale.text(text)) for text in NO_TSE)
        return locale.text(texts.NOT_SIGNING), text, remedy
    if ready == len(used):
        text = locale.text(texts.ONE_READY if ready == 1 else texts.ALL_READY, total=ready)
        return locale.text(texts.SIGNING), text, ""
    if ready:
        return locale.text(texts.SIGNING_PARTLY), locale.text(texts.SOME_READY, ready=ready, total=len(used)), ""
    waiting = next((tse for tse in used if tse.level is StatusLevel.WARNING), None)
    first: TseSnapshot = waiting or used[0]
    reason = sentence(reason_text(first.reason, locale.language))
    if waiting:
        return locale.text(texts.NOT_READY), reason, ""
    return locale.text(texts.NOT_SIGNING), reason, locale.text(texts.RECEIPTS)


def _state(snapshot: Snapshot, locale: Locale, summary: tuple[str, str, str], view: View) -> HtmlElement:
    headline, text, remedy = summary
    examines = view == "operator" and snapshot.level is not StatusLevel.GOOD
    told = el(
        "div",
        el("h1", headline),
        el("p", text),
        el("p", remedy, class_="remedy") if remedy else None,
        el("p", el("a", locale.text(texts.DIAGNOSIS), href="/page/doctor")) if examines else None,
    )
    return el("section", svg.shape(snapshot.level), told, id="state", class_=f"state {snapshot.level}", role="status")


def _tses(snapshot: Snapshot, locale: Locale, view: View) -> HtmlElement:
    full, acts = view != "anybody", view == "operator"
    cards = (card(tse, locale, snapshot.now, full=full, acts=acts) for tse in snapshot.tses)
    return el("section", *cards, id="tses", class_="tses", aria_label="TSEs", tabindex="-1")


def _connection(snapshot: Snapshot, locale: Locale, view: View) -> HtmlElement:
    token = el("span", locale.text(texts.TOKEN_KEPT if view == "reader" else texts.TOKEN_HIDDEN), class_="quiet")
    if view == "operator":
        value = copyable(snapshot.token, texts.API_TOKEN, locale)
        token = el("details", el("summary", locale.text(texts.TOKEN_SHOW)), value)
    rows = (
        (texts.ADDRESS, copyable(snapshot.address, texts.ADDRESS, locale)),
        (texts.PORT, copyable(str(snapshot.port), texts.PORT, locale)),
        (texts.API_TOKEN, token),
    )
    listed = el("dl", *(el("div", el("dt", locale.text(name)), el("dd", value)) for name, value in rows), class_="rows")
    return card_of("connection", locale, texts.CONNECTION, quiet(locale.text(texts.CONNECTION_INTRO)), listed)


def _outages(snapshot: Snapshot, locale: Locale, view: View) -> HtmlElement:
    content = [quiet(locale.text(texts.NO_OUTAGES))]
    if snapshot.outages:
        text = texts.ONE_OUTAGE if snapshot.outage_count == 1 else texts.SOME_OUTAGES
        count, duration = locale.number(snapshot.outage_count), locale.duration(snapshot.outage_seconds)
        rows = (_outage(outage, locale, snapshot.now) for outage in snapshot.outages)
        content = [quiet(locale.text(text, count=count, duration=duration)), el("ol", *rows, class_="list")]
    links = (
        el("a", locale.text(texts.OUTAGE_LIST), href=f"/api/v1/outages.html?lang={locale.language}"),
        el("a", locale.text(texts.OUTAGE_TABLE), href=f"/api/v1/outages.csv?lang={locale.language}"),
        el("a", locale.text(texts.AUDIT), href="/api/v1/audit.csv") if view == "operator" else None,
    )
    return card_of("outages", locale, texts.OUTAGES, *content, el("p", *links, class_="links"))


def _outage(outage: Outage, locale: Locale, now: float) -> HtmlElement:
    lasts = outage.ended is None
    about = f"TSE {short(outage.serial)}" if outage.serial else locale.text(texts.GATEWAY)
    refused = f" · {locale.text(texts.REFUSED, count=locale.number(outage.refused))}" if outage.refused else ""
    badge = el("span", locale.text(texts.LASTS), class_="lasts") if lasts else None
    return el(
        "li",
        el("b", capitalized(reason_text(outage.reason, locale.language))),
        el("span", locale.duration(outage.seconds(now)), badge, class_="value"),
        el("p", date_and_time(locale, outage.began), f" · {about}{refused}", class_="quiet"),
        class_="open" if lasts else None,
    )


def _problems(snapshot: Snapshot, locale: Locale) -> HtmlElement:
    rows = [_problem(problem, locale) for problem in snapshot.problems]
    content = el("ol", *rows, class_="list") if rows else quiet(locale.text(texts.NO_PROBLEMS))
    return card_of("problems", locale, texts.PROBLEMS, content)


def _problem(problem: RecentProblem, locale: Locale) -> HtmlElement:
    times = locale.text(texts.TIMES, count=locale.number(problem.count)) if problem.count > 1 else ""
    text = locale.text(problem.text)
    named = not problem.serial or problem.serial in text
    about = "" if named else f" · TSE {short(problem.serial)}"
    level = StatusLevel.BAD if problem.serious else StatusLevel.WARNING
    text = text.replace(problem.serial, short(problem.serial)) if problem.serial else text
    language = "en" if problem.text.en == problem.text.de else locale.language  # the log is English
    return el(
        "li",
        svg.shape(level),
        el("p", text, lang=language, dir="ltr", class_="told"),
        el("p", times, date_and_time(locale, problem.at), about, class_="quiet"),
        class_=level,
    )


# ---- what stays -------------------------------------------------------------


def _login(locale: Locale, page_request: PageRequest) -> HtmlElement:
    error = None
    if page_request.refused:
        why = texts.LOGIN_REFUSED if page_request.refused == "refused" else texts.LOGIN_FORBIDDEN
        error = el("p", locale.text(why), class_="error", role="alert", id="refused")
    form = el(
        "form",
        el("input", name="user", value="lantse", autocomplete="username", hidden=True),
        el("input", type="hidden", name="back", value=page_request.back) if page_request.back else None,
        el("label", locale.text(texts.API_TOKEN), for_="token"),
        el(
            "input",
            id="token",
            name="token",
            type="password",
            autocomplete="current-password",
            required=True,
            aria_describedby="refused" if page_request.refused else None,
        ),
        el("button", locale.text(texts.LOGIN), type="submit"),
        method="post",
        action="/page/login",
    )
    return card_of("login", locale, texts.LOGIN, quiet(locale.text(texts.LOGIN_INTRO)), error, form)
