"""What the pages under /docs have around them."""

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.status_page.html import HtmlElement, as_html, el

_NAME = "TSE Gateway"
_STATUS = Text("Status page", "Statusseite")
_ERRORS = Text("Errors", "Fehler")


def document(title: str, locale: Locale, *content: HtmlElement, script: bool = False) -> str:
    """Return a whole document with this title and content; `script`: it runs static/docs.js."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title} · {_NAME}"),
        el("link", rel="stylesheet", href="/docs/docs.css"),
        el("script", src="/docs/docs.js", type="module") if script else None,
    )
    links = el(
        "nav",
        el("a", locale.text(_STATUS), href="/"),
        el("a", "REST API", href="/docs"),
        el("a", locale.text(_ERRORS), href="/docs/errors"),
        aria_label=_NAME,
    )
    body = el("body", el("header", links), *content)
    return f"<!DOCTYPE html>\n{as_html(el('html', head, body, lang=locale.language))}\n"
