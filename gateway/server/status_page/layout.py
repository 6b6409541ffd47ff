"""What every page of the gateway has around its content: head, name, navigation, foot; and the card."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from gateway import __version__
from gateway.i18n.locales import Locale
from gateway.i18n.text import Language, Text
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, as_html, el
from gateway.server.status_page.snapshot import Snapshot, StatusLevel
from gateway.server.status_page.widgets import date, filled

NAME = "TSE-Gateway"
_OTHER_LANGUAGE: Mapping[Language, tuple[Language, str]] = {"de": ("en", "English"), "en": ("de", "Deutsch")}


class Link(NamedTuple):
    """One entry of the navigation; `here` is that of the page itself."""

    path: str
    title: Text
    here: bool = False


def html(
    title: str, locale: Locale, body: HtmlElement, level: StatusLevel, *, script: str = "", version: str = ""
) -> str:
    """Return a document; with a `version` it is kept up to date, without scripts by being loaded again."""
    head = (
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", id="icon", rel="icon", href=f"/page/{level}.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/page/style.css"),
        el("script", src=f"/page/{script}", type="module") if script else None,
        el("noscript", el("meta", http_equiv="refresh", content="30")) if version else None,
    )
    whole = el("html", el("head", *head), body, lang=locale.language, data_version=version or None)
    return f"<!DOCTYPE html>\n{as_html(whole)}\n"


def top(site: str, locale: Locale, links: Sequence[Link], *, logged_in: bool, path: str = "/") -> HtmlElement:
    """Return the head of a page; the link to the other language leads back to `path`."""
    live = el("span", locale.text(texts.LIVE), class_="live js") if path == "/" else None
    name = el("p", el("b", NAME), el("span", site, class_="site") if site else None, live, class_="brand")
    language, language_name = _OTHER_LANGUAGE[locale.language]
    back = "" if path == "/" else f"&back={quote(path)}"
    other = el("a", language_name, href=f"/page/language?to={language}{back}", lang=language, hreflang=language)
    login = el("a", locale.text(texts.LOGIN), href="/#login")
    if logged_in:
        button = el("button", locale.text(texts.LOGOUT), type="submit")
        login = el("form", button, method="post", action="/page/logout")
    around = el("div", other, login, class_="around")
    return el("header", name, around, _navigation(links, locale) if links else None, class_="top")


def foot(snapshot: Snapshot, locale: Locale, *, full: bool) -> HtmlElement:
    """Return the end of a page; `full` is for those who are logged in."""
    told = [el("span", locale.text(texts.VERSION, version=__version__ if full else "").strip())]
    links = [el("a", locale.text(texts.HELP), href="/page/help"), el("a", locale.text(texts.API), href="/docs")]
    if full and snapshot.tls_expires is not None:
        told.append(el("span", *filled(locale, texts.TLS_UNTIL, date=date(locale, snapshot.tls_expires))))
    return el("footer", el("p", *told), el("p", *links, class_="links"))


def card_of(name: str, locale: Locale, title: Text, *content: HtmlElement | None) -> HtmlElement:
    """Return a card with a heading; `name` is its id."""
    return el("section", el("h2", locale.text(title)), *content, id=name, class_="card")


def quiet(text: str) -> HtmlElement:
    """Return a paragraph in small print."""
    return el("p", text, class_="quiet")


def download(text: str, path: str) -> HtmlElement:
    """Return a link that looks like a button and saves a file."""
    return el("p", el("a", text, href=path, download=True, class_="act"))


def _navigation(links: Sequence[Link], locale: Locale) -> HtmlElement:
    entries = (
        el("li", el("a", locale.text(link.title), href=link.path, aria_current="page" if link.here else None))
        for link in links
    )
    here = next((locale.text(link.title) for link in links if link.here), "")
    # On a phone the list is shown while this is open; it is not within it, since on a desktop it is always shown.
    menu = el("details", el("summary", f"{locale.text(texts.NAVIGATION)}: {here}"), class_="menu")
    return el("nav", menu, el("ul", *entries), aria_label=locale.text(texts.NAVIGATION))
