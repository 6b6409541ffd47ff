"""The page as a tree: the parts that change while somebody looks, and the document around them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gateway import __version__
from gateway.fleet.outages.log import Outage
from gateway.server.api.outage_words import reason_text
from gateway.server.status_page import svg
from gateway.server.status_page.cards import card
from gateway.server.status_page.english import ENGLISH
from gateway.server.status_page.german import GERMAN
from gateway.server.status_page.html import Element, as_html, as_plain, el
from gateway.server.status_page.recent_problems import Trouble
from gateway.server.status_page.snapshot import Level, Snapshot, Tse
from gateway.server.status_page.text import Words
from gateway.server.status_page.widgets import copyable, day, moment, sentence, short

LANGUAGES: Mapping[str, Words] = {"de": GERMAN, "en": ENGLISH}
_NAME = "TSE-Gateway"


@dataclass(frozen=True)
class Rendered:
    """`title` is that of the window; `parts` by their id."""

    title: str
    level: Level
    parts: Mapping[str, Element]

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The parts as JSON, made once for all who look."""
        return {name: json.dumps(as_plain(part)) for name, part in self.parts.items()}


def render(shown: Snapshot, words: Words, *, full: bool) -> Rendered:
    """What changes; `full` is for the administrator."""
    headline, text, remedy = _verdict(shown, words)
    parts = [
        _state(shown, headline, text, remedy),
        _tses(shown, words, full=full),
        _connection(shown, words, full=full),
    ]
    if full:
        parts += [_outages(shown, words), _troubles(shown, words)]
    site = f" · {shown.site}" if shown.site else ""
    return Rendered(f"{headline} · {_NAME}{site}", shown.level, {part.attributes["id"]: part for part in parts})


def document(rendered: Rendered, shown: Snapshot, words: Words, page: "Page") -> str:
    """The whole page with the parts in their places."""
    parts = rendered.parts
    left = [parts["connection"], parts["outages"] if page.full else _login(words, page)]
    body = (
        el("a", words.skip, href="#tses", class_="skip"),
        _top(shown, words, page),
        el("p", words.lost, class_="lost", role="alert"),
        el(
            "main",
            parts["state"],
            el("p", svg.shape(Level.CARE), words.simulated, class_="simulated") if shown.simulated else None,
            parts["tses"],
            el("div", *left, class_="columns"),
            parts.get("troubles"),
        ),
        _foot(shown, words, full=page.full),
        el("p", id="said", class_="heard", role="status"),
    )
    return _whole(rendered.title, words, el("body", *body), rendered.level, version=page.version)


def help_page(words: Words) -> str:
    """What each reason means and what to do."""
    entries = [
        el("div", el("dt", sentence(reason_text(reason, words.language))), el("dd", remedy), id=reason)
        for reason, remedy in words.remedies.items()
    ]
    body = el(
        "main",
        el("h1", words.help),
        el("p", words.help_intro, " ", words.law),
        el("dl", *entries, class_="help card"),
        el("p", el("a", words.back, href="/")),
    )
    return _whole(f"{words.help} · {_NAME}", words, el("body", body), Level.IDLE)


@dataclass(frozen=True, slots=True)
class Page:
    """Of one visitor. `version` changes when an open page must be loaded anew to understand what it is sent."""

    full: bool
    version: str
    refused: bool = False


def _whole(title: str, words: Words, body: Element, level: Level, version: str = "") -> str:
    head = (
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", id="icon", rel="icon", href=f"/page/{level}.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/page/style.css"),
        el("script", src="/page/page.js", type="module") if version else None,
        el("noscript", el("meta", http_equiv="refresh", content="30")) if version else None,
    )
    html = el("html", el("head", *head), body, lang=words.language, data_version=version or None)
    return f"<!DOCTYPE html>\n{as_html(html)}\n"


def _verdict(shown: Snapshot, words: Words) -> tuple[str, str, str]:
    """Headline, the sentence below it, and what to do if that is not told at a TSE."""
    used = shown.in_use
    ready = [tse for tse in used if tse.level is Level.GOOD]
    if not used:
        return words.signs_not, f"{words.no_tse}.", words.no_tse_remedy
    if len(ready) == len(used):
        return words.signs, words.one_ready if len(used) == 1 else words.all_ready.format(total=len(used)), ""
    if ready:
        return words.signs_partly, words.some_ready.format(ready=len(ready), total=len(used)), ""
    waiting = next((tse for tse in used if tse.level is Level.CARE), None)
    first: Tse = waiting or used[0]
    headline, rest = (words.waits, "") if waiting else (words.signs_not, words.law)
    return headline, f"{sentence(reason_text(first.reason, words.language))}.", rest


def _state(shown: Snapshot, headline: str, text: str, remedy: str) -> Element:
    told = el("div", el("h1", headline), el("p", text), el("p", remedy, class_="remedy") if remedy else None)
    return el("section", svg.shape(shown.level), told, id="state", class_=f"state {shown.level}", role="status")


def _tses(shown: Snapshot, words: Words, *, full: bool) -> Element:
    cards = (card(tse, words, shown.now, full=full) for tse in shown.tses)
    return el("section", *cards, id="tses", class_="tses", aria_label="TSEs", tabindex="-1")


def _connection(shown: Snapshot, words: Words, *, full: bool) -> Element:
    token: Element = el("span", words.token_hidden, class_="quiet")
    if full:
        token = el("details", el("summary", words.token_show), copyable(shown.token, words.token, words))
    rows = (
        (words.address, copyable(shown.address, words.address, words)),
        (words.port, copyable(str(shown.port), words.port, words)),
        (words.token, token),
    )
    listed = el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in rows), class_="rows")
    intro = el("p", words.connection_text, class_="quiet")
    return el("section", el("h2", words.connection), intro, listed, id="connection", class_="card")


def _outages(shown: Snapshot, words: Words) -> Element:
    content: list[Element] = [el("p", words.outages_none, class_="quiet")]
    if shown.outages:
        text = words.outages_one if shown.outage_count == 1 else words.outages_text
        total = text.format(words.number(shown.outage_count), words.length(shown.outage_seconds))
        rows = [_outage(outage, words, shown.now) for outage in shown.outages]
        content = [el("p", total, class_="quiet"), el("ol", *rows, class_="list")]
    links = (
        el("a", words.outage_list, href=f"/api/v1/outages.html?lang={words.language}"),
        el("a", words.outage_table, href=f"/api/v1/outages.csv?lang={words.language}"),
    )
    return el(
        "section", el("h2", words.outages), *content, el("p", *links, class_="links"), id="outages", class_="card"
    )


def _outage(outage: Outage, words: Words, now: float) -> Element:
    length = words.length(outage.seconds(now))
    open_ = outage.ended is None
    about = f"TSE {short(outage.serial)}" if outage.serial else words.gateway_itself
    refused = f" · {words.refused.format(words.number(outage.refused))}" if outage.refused else ""
    lasts = el("span", words.lasts, class_="lasts") if open_ else None
    return el(
        "li",
        el("b", sentence(reason_text(outage.reason, words.language))),
        el("span", length, lasts, class_="value"),
        el("p", moment(words, outage.began), f" · {about}{refused}", class_="quiet"),
        class_="open" if open_ else None,
    )


def _troubles(shown: Snapshot, words: Words) -> Element:
    rows = [_trouble(trouble, words) for trouble in shown.troubles]
    content = el("ol", *rows, class_="list") if rows else el("p", words.troubles_none, class_="quiet")
    return el("section", el("h2", words.troubles), content, id="troubles", class_="card")


def _trouble(trouble: Trouble, words: Words) -> Element:
    often = f"{words.times.format(words.number(trouble.count))} " if trouble.count > 1 else ""
    named = not trouble.serial or trouble.serial in trouble.text
    about = "" if named else f" · TSE {short(trouble.serial)}"
    level = Level.BAD if trouble.serious else Level.CARE
    text = trouble.text.replace(trouble.serial, short(trouble.serial)) if trouble.serial else trouble.text
    told = el("p", text, lang="en", dir="ltr", class_="told")
    return el(
        "li", svg.shape(level), told, el("p", often, moment(words, trouble.at), about, class_="quiet"), class_=level
    )


def _login(words: Words, page: Page) -> Element:
    error = el("p", words.login_refused, class_="error", role="alert", id="refused") if page.refused else None
    form = el(
        "form",
        el("input", name="user", value="lantse", autocomplete="username", hidden=True),
        el("label", words.login_token, for_="token"),
        el(
            "input",
            id="token",
            name="token",
            type="password",
            autocomplete="current-password",
            required=True,
            aria_describedby="refused" if page.refused else None,
        ),
        el("button", words.login, type="submit"),
        method="post",
        action="/page/login",
    )
    intro = el("p", words.login_text, class_="quiet")
    return el("section", el("h2", words.login), intro, error, form, id="login", class_="card")


def _top(shown: Snapshot, words: Words, page: Page) -> Element:
    live = el("span", words.live, class_="live js")
    name = el("p", el("b", _NAME), el("span", shown.site, class_="site") if shown.site else None, live, class_="brand")
    other = el("a", words.other_name, href=f"/page/language?to={words.other}", lang=words.other, hreflang=words.other)
    out = el("form", el("button", words.logout, type="submit"), method="post", action="/page/logout")
    enter = el("a", words.login, href="#login")
    return el("header", name, el("nav", other, out if page.full else enter), class_="top")


def _foot(shown: Snapshot, words: Words, *, full: bool) -> Element:
    told: list[Element] = [el("span", words.version.format(__version__ if full else "").strip())]
    if full and shown.tls_expires is not None:
        told.append(el("span", words.tls_until.split("{}")[0], day(words, shown.tls_expires)))
    links = [el("a", words.help, href="/page/help")]
    if full:
        links.append(el("a", words.api, href="/api/v1/openapi.json"))
    return el("footer", el("p", *told), el("p", *links, class_="links"))
