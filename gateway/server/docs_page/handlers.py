"""The pages under /docs. They are open to everybody, tell nothing of this gateway, and load nothing from elsewhere."""

import functools
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.i18n.locales import Locale
from gateway.i18n.text import Language
from gateway.server.api.endpoint import language_of
from gateway.server.api.problems import ERROR_PAGE
from gateway.server.docs_page import errors
from gateway.server.status_page import assets

FOLDER = "/docs/"


def is_open(path: str) -> bool:
    """Tell whether this is a path of these pages."""
    return path.startswith(FOLDER)


def routes() -> list[web.RouteDef]:
    """Return the routes of all pages and their files."""
    found = assets.files("gateway.server.docs_page")

    async def asset(request: web.Request) -> web.Response:
        file = found.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        return assets.send_asset(file, request)

    return [web.get(ERROR_PAGE, _page(errors.page)), web.get(FOLDER + "{file}", asset)]


def _page(make: Callable[[Locale], str]) -> Callable[[web.Request], Awaitable[web.Response]]:
    @functools.cache
    def made(language: Language) -> str:
        return make(Locale(language))

    async def page(request: web.Request) -> web.Response:
        language = language_of(request)
        return assets.send_document(made(language), language)

    return page
