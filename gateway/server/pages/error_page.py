"""Errors of requests for the pages, as people read them."""

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.api import problems
from gateway.server.status_page import assets
from gateway.server.status_page.browser import locale_of
from gateway.server.status_page.html import el
from gateway.server.status_page.layout import NAME, html
from gateway.server.status_page.snapshot import StatusLevel
from gateway.server.status_page.widgets import sentence

_FOLDER = "/page/"
_BACK = Text("Back to the state", "Zurück zum Zustand")


def is_wanted(request: web.Request) -> bool:
    """Return whether a browser asked for a page, so that whoever looks reads no JSON."""
    return request.path.startswith(_FOLDER) and "text/html" in request.headers.get(hdrs.ACCEPT, "")


def of_error(request: web.Request, error: GatewayError) -> web.Response:
    """Return a page that says what `error` is."""
    locale = locale_of(request)
    problem = problems.describe(error, locale.language)
    return _page(locale, problem.status, problem.title, problem.detail)


def of_http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """Return a page that says why aiohttp refused a request."""
    locale = locale_of(request)
    return _page(locale, error.status, problems.describe_http(error, locale.language).title)


def _page(locale: Locale, status: int, named: str, detail: str | None = None) -> web.Response:
    title = sentence(named)
    told = el("p", sentence(detail)) if detail else None
    body = el(
        "body",
        el("header", el("p", el("b", NAME), class_="brand"), class_="top"),
        el("main", el("h1", title), el("section", told, el("p", el("a", locale.text(_BACK), href="/")), class_="card")),
    )
    response = assets.send_document(html(f"{title} · {NAME}", locale, body, StatusLevel.IDLE), locale.language)
    response.set_status(status)
    return response
