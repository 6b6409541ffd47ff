"""The status page at `/`: handlers, and who may see what.

Everybody sees whether TSEs sign, and what to do if not. Whoever shows the API token gets a cookie; it opens the rest of
the page and what can be read under /api/v1, and nothing that changes anything.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

from aiohttp import hdrs, web

from gateway.errors import BadRequest, Unauthorized
from gateway.i18n.negotiation import language_of
from gateway.server.api import problems
from gateway.server.http.auth import Gatekeeper
from gateway.server.status_page import assets, view
from gateway.server.status_page.events import Streams
from gateway.server.status_page.logins import LIFETIME, Visitors
from gateway.server.status_page.snapshot import Snapshot
from gateway.server.status_page.text import Words
from gateway.server.status_page.view import LANGUAGES, Page, Rendered
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

PATH, FOLDER = "/", "/page/"
COOKIE = "__Host-tse-gateway"  # browsers take this name only with Secure, Path=/ and without Domain
_LANGUAGE = "tse-gateway-language"
_LONGEST_FORM = 2048
_A_YEAR = 365 * 86_400


class Pages:
    """`snapshot` is given the port that tills use; `news` is set when a TSE came or went."""

    def __init__(self, snapshot: Callable[[int], Snapshot], gatekeeper: Gatekeeper, news: asyncio.Event) -> None:
        self._snapshot = snapshot
        self._gatekeeper = gatekeeper
        self._visitors = Visitors()
        self._streams = Streams(news)
        self._files = assets.files()
        self._made: dict[tuple[str, bool], tuple[float, Rendered]] = {}
        self._version = secrets.token_hex(6)  # another one after each start, so that open pages are loaded anew

    def install(self, app: web.Application) -> None:
        """Its routes, and its end."""
        app.add_routes(
            [
                web.get(PATH, self.page),
                web.get(f"{FOLDER}help", self.help),
                web.get(f"{FOLDER}events", self.events, allow_head=False),
                web.get(f"{FOLDER}language", self.language, allow_head=False),
                web.post(f"{FOLDER}login", self.login),
                web.post(f"{FOLDER}logout", self.logout),
                web.get(FOLDER + "{file}", self.file),
            ]
        )
        app.on_shutdown.append(self._streams.end)

    def lets_in(self, request: web.Request) -> bool:
        """May it be answered without the API token? The page itself, and what its visitors read."""
        if request.path == PATH or request.path.startswith(FOLDER):
            return True
        reads = request.method == hdrs.METH_GET and request.path.startswith(problems.PREFIX)
        return reads and _is_from_here(request) and self._is_known(request)

    async def page(self, request: web.Request) -> web.Response:
        """As it is now; complete also without scripts."""
        words, full = _words(request), self._is_known(request)
        shown = self._snapshot(_port(request))
        rendered = view.render(shown, words, full=full)
        page = Page(full, self._version + "+" * full, refused=request.query.get("login") == "refused")
        return assets.of_document(view.document(rendered, shown, words, page), words.language)

    async def help(self, request: web.Request) -> web.Response:
        words = _words(request)
        return assets.of_document(view.help_page(words), words.language)

    async def file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        return assets.of_file(found, request)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """What changes, as long as the page stays the same one."""
        words, asked = _words(request), request.query.get("version", "")

        def render(oldest: float) -> Rendered | None:
            full = self._is_known(request)
            if asked != self._version + "+" * full:
                return None
            return self._rendered(request, words, oldest, full=full)

        return await self._streams.serve(request, render)

    async def language(self, request: web.Request) -> web.Response:
        """Remember the other language."""
        chosen = request.query.get("to", "")
        if chosen not in LANGUAGES:
            raise BadRequest("the page speaks German (de) and English (en)")
        answer = assets.elsewhere(PATH)
        answer.set_cookie(_LANGUAGE, chosen, max_age=_A_YEAR, path="/", secure=True, httponly=True, samesite="Strict")
        return answer

    async def login(self, request: web.Request) -> web.Response:
        """Judge the token as everywhere else: as slowly, as often, and counted."""
        token = (await _form(request)).get("token", "")
        try:
            await self._gatekeeper.admit(f"Bearer {token}", request.remote or "")
        except Unauthorized:
            return assets.elsewhere(f"{PATH}?login=refused#login")
        log.info("an administrator logged in from %s", request.remote, extra=event(Event.LOGIN, peer=request.remote))
        answer = assets.elsewhere(PATH)
        answer.set_cookie(
            COOKIE, self._visitors.admit(), max_age=LIFETIME, path="/", secure=True, httponly=True, samesite="Strict"
        )
        return answer

    async def logout(self, request: web.Request) -> web.Response:
        """The cookie opens nothing any more."""
        await _form(request)
        self._visitors.dismiss(request.cookies.get(COOKIE))
        answer = assets.elsewhere(PATH)
        answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return answer

    def _is_known(self, request: web.Request) -> bool:
        return self._visitors.knows(request.cookies.get(COOKIE))

    def _rendered(self, request: web.Request, words: Words, oldest: float, *, full: bool) -> Rendered:
        made = self._made.get((words.language, full))
        if made is None or made[0] < oldest:
            rendered = view.render(self._snapshot(_port(request)), words, full=full)
            made = self._made[words.language, full] = (time.monotonic(), rendered)
        return made[1]


def _words(request: web.Request) -> Words:
    return LANGUAGES.get(request.cookies.get(_LANGUAGE, "")) or LANGUAGES[language_of(request, "de")]


def _is_from_here(request: web.Request) -> bool:
    """Did this page or the person ask, and no other site? Browsers tell; the cookie's SameSite says the same."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:  # then the origin may be hidden, since the page sends no referrer
        return site in {"none", "same-origin"}
    return request.headers.get(hdrs.ORIGIN) in {None, f"https://{request.host}"}


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a small form of ours."""
    if not _is_from_here(request):
        raise BadRequest("this form stands on the status page of this gateway only")
    if request.content_length is None or request.content_length > _LONGEST_FORM:
        raise BadRequest(f"a form has a length, of at most {_LONGEST_FORM} bytes")
    fields = await request.post()
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _port(request: web.Request) -> int:
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return int(name[1]) if isinstance(name, tuple) else 0
