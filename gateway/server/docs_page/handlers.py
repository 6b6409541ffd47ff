"""The pages under /docs. They are open to everybody, tell nothing of this gateway, and load nothing from elsewhere."""

import asyncio
import functools

from aiohttp import web

from gateway.i18n.locales import Locale
from gateway.i18n.text import Language
from gateway.server.api.endpoint import language_of
from gateway.server.api.problems import ERROR_PAGE
from gateway.server.status_page import assets

PATH = "/docs"
_FOLDER = f"{PATH}/"


def is_open(path: str) -> bool:
    """Tell whether this is a path of these pages."""
    return path == PATH or path.startswith(_FOLDER)


def routes() -> list[web.RouteDef]:
    """Return the routes of all pages and their files."""
    files = assets.files("gateway.server.docs_page")

    async def asset(request: web.Request) -> web.Response:
        file = files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        return assets.send_asset(file, request)

    return [web.get(PATH, _reference), web.get(ERROR_PAGE, _errors), web.get(_FOLDER + "{file}", asset)]


async def _reference(_: web.Request) -> web.Response:
    return assets.send_document(await asyncio.to_thread(_reference_page), "en")


async def _errors(request: web.Request) -> web.Response:
    language = language_of(request)
    return assets.send_document(await asyncio.to_thread(_error_page, language), language)


@functools.cache
def _reference_page() -> str:
    from gateway.server.api.routes import document
    from gateway.server.docs_page import reference

    return reference.page(document())


@functools.cache
def _error_page(language: Language) -> str:
    from gateway.server.docs_page import errors

    return errors.page(Locale(language))
