"""The status page at `/`: its handlers, and who may see what.

Everybody sees whether TSEs sign, and what to do if not. Whoever logs in with a token gets a cookie; with it the rest of
the page, the pages of `gateway.server.pages` and the GET requests of /api/v1 are open, as far as the role goes.
"""

import asyncio
import logging
import re
import secrets
import time

from aiohttp import hdrs, web

from gateway.access.caller import OPERATORS, READERS, Caller
from gateway.errors import BadRequest, Forbidden, Unauthorized
from gateway.i18n.locales import Locale
from gateway.i18n.negotiation import named
from gateway.i18n.text import Language, Text
from gateway.limits import DAY
from gateway.server.api import problems
from gateway.server.http import callers, connection, tls
from gateway.server.http.auth import Gatekeeper
from gateway.server.pages.handlers import Pages
from gateway.server.pages.page import Site
from gateway.server.pages.table import PAGES
from gateway.server.status_page import assets
from gateway.server.status_page import view as page
from gateway.server.status_page.browser import LANGUAGE_COOKIE, form_of, is_same_origin, locale_of, port_of
from gateway.server.status_page.events import LiveUpdates
from gateway.server.status_page.logins import LIFETIME, BrowserLogin, Logins
from gateway.server.status_page.view import LoginRefusal, PageRequest, RenderedPage, View
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

PATH, FOLDER = "/", "/page/"
COOKIE = "__Host-tse-gateway"  # browsers take this name only with Secure, Path=/ and without Domain
_AUTHORITY_FORMS = {"pem": "application/x-pem-file", "crt": "application/x-x509-ca-cert"}  # the latter opens by a click
_OWN_PATH = re.compile(r"/page/[a-zA-Z0-9/_-]{1,120}")
_SHARED = 0.1  # seconds
_LANGUAGE_KEPT = int(365 * DAY)  # seconds


class StatusPage:
    """All requests for the page, and for those that operators act by; `news` is set when a TSE came or went."""

    def __init__(self, site: Site, gatekeeper: Gatekeeper, news: asyncio.Event) -> None:
        self._audit = site.services.audit
        self._settings, self._snapshot = site.settings, site.snapshot
        self._pages = Pages(site, PAGES, self._login)
        self._gatekeeper = gatekeeper
        self._logins = Logins()
        self._updates = LiveUpdates(news)
        self._assets = assets.assets()
        self._rendered: dict[tuple[Language, View], tuple[float, RenderedPage]] = {}
        self._documents: dict[tuple[Language, PageRequest], tuple[float, str]] = {}
        self._version = secrets.token_hex(6)  # differs after each start, so that open pages are loaded again

    def install(self, app: web.Application) -> None:
        """Add the routes to the application."""
        self._pages.install(app)
        app.add_routes(
            [
                web.get(PATH, self.page),
                web.get(f"{FOLDER}help", self.help),
                web.get(f"{FOLDER}events", self.events, allow_head=False),
                web.get(f"{FOLDER}language", self.language, allow_head=False),
                web.post(f"{FOLDER}login", self.login),
                web.post(f"{FOLDER}logout", self.logout),
                web.get(f"{FOLDER}ca.{{form:pem|crt}}", self.authority),
                web.get(FOLDER + "{file}", self.asset),
            ]
        )
        app.on_shutdown.append(self._updates.end)

    def lets_in(self, request: web.Request) -> bool:
        """Return whether a request needs no API token: one for the page, or a GET of a logged-in administrator."""
        caller = self._caller(request)
        if caller is not None:
            connection.authenticate(request)
            callers.identify(request, caller)
        if request.path == PATH or request.path.startswith(FOLDER):
            return True
        reads = request.method == hdrs.METH_GET and request.path.startswith(problems.PREFIX)
        return reads and is_same_origin(request) and caller is not None

    async def page(self, request: web.Request) -> web.Response:
        """Answer with the whole page, which is complete without scripts, too."""
        locale, view = locale_of(request), self._view(request)
        links, back = self._pages.links(self._caller(request)), self._pages.named(request.query.get("back", ""))
        page_request = PageRequest(view, self._version_for(view), _refusal(request.query.get("login", "")), links, back)
        return assets.send_document(self._document(request, locale, page_request), locale.language)

    async def help(self, request: web.Request) -> web.Response:
        """Answer with the page that explains each state of a TSE."""
        locale = locale_of(request)
        return assets.send_document(page.help_page(locale), locale.language)

    async def authority(self, request: web.Request) -> web.Response:
        """Answer with the certificate of the CA that the gateway made, which is no secret."""
        if self._settings.tls_certificate is not None:
            raise web.HTTPNotFound
        content = await asyncio.to_thread(tls.trusted_certificate(self._settings).read_bytes)
        return web.Response(body=content, content_type=_AUTHORITY_FORMS[request.match_info["form"]])

    async def asset(self, request: web.Request) -> web.Response:
        """Answer with a file of the page."""
        found = self._assets.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        return assets.send_asset(found, request)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send what changes, as long as the open page has the present version."""
        locale, version = locale_of(request), request.query.get("version", "")

        def render(oldest: float) -> RenderedPage | None:
            present = self._view(request)
            return self._render(request, locale, oldest, present) if version == self._version_for(present) else None

        return await self._updates.serve(request, render, is_admin=self._caller(request) is not None)

    async def language(self, request: web.Request) -> web.Response:
        """Keep the chosen language in a cookie."""
        chosen = named(request.query.get("to", ""))
        if chosen is None:
            raise BadRequest(
                Text(
                    "the page is there in German (de) and English (en)",
                    "die Seite gibt es auf Deutsch (de) und Englisch (en)",
                )
            )
        back = request.query.get("back", PATH)
        answer = assets.redirect(back if _OWN_PATH.fullmatch(back) else PATH)
        answer.set_cookie(
            LANGUAGE_COOKIE, chosen, max_age=_LANGUAGE_KEPT, path="/", secure=True, httponly=True, samesite="Strict"
        )
        return answer

    async def login(self, request: web.Request) -> web.Response:
        """Check the token as every other request's: with the same delay, and counted."""
        typed = await form_of(request)
        token, back = typed.get("token", ""), self._pages.named(typed.get("back", ""))
        try:
            caller = await self._gatekeeper.admit_request(request, f"Bearer {token}")
            caller.check_role(READERS)
        except (Unauthorized, Forbidden) as error:
            why = "refused" if isinstance(error, Unauthorized) else "forbidden"
            answer = assets.redirect(f"{PATH}?login={why}{f'&back={back}' if back else ''}#login")
            answer.force_close()  # one try a connection
            return answer
        log.info("an administrator logged in from %s", request.remote, extra=event(Event.LOGIN, peer=request.remote))
        await self._audit.note(caller, "login")
        answer = assets.redirect(f"{FOLDER}{back}" if back else PATH)
        answer.set_cookie(
            COOKIE,
            self._logins.begin(self._gatekeeper.tokens.key_of(token.encode())),
            max_age=LIFETIME,
            path="/",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def logout(self, request: web.Request) -> web.Response:
        """End the login."""
        await form_of(request)
        self._logins.end(request.cookies.get(COOKIE))
        answer = assets.redirect(PATH)
        answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return answer

    def _caller(self, request: web.Request) -> Caller | None:
        """Return who is logged in; the login ends with its token."""
        if hdrs.COOKIE not in request.headers:
            return None  # as each request of a till
        login = self._logins.find(request.cookies.get(COOKIE))
        token = None if login is None else self._gatekeeper.tokens.by_key(login.key)
        if token is None:
            return None
        caller = token.caller(request.remote or "")
        try:
            self._gatekeeper.certificates.check(request, caller)
        except Forbidden:
            return None
        return caller

    def _login(self, request: web.Request) -> BrowserLogin | None:
        """Return the login of the cookie, as long as its token counts."""
        return None if self._caller(request) is None else self._logins.find(request.cookies.get(COOKIE))

    def _view(self, request: web.Request) -> View:
        caller = self._caller(request)
        if caller is None:
            return "anybody"
        return "operator" if caller.role in OPERATORS else "reader"

    def _version_for(self, view: View) -> str:
        return f"{self._version}-{view}"

    def _document(self, request: web.Request, locale: Locale, page_request: PageRequest) -> str:
        """Return the whole page; those who are not logged in share one for a moment, however often they ask."""
        key = locale.language, page_request
        made, document = self._documents.get(key, (float("-inf"), ""))
        if page_request.view != "anybody" or time.monotonic() - made > _SHARED:
            snapshot = self._snapshot(port_of(request))
            rendered = page.render(snapshot, locale, page_request.view)
            document = page.document(rendered, snapshot, locale, page_request)
            if page_request.view == "anybody":
                self._documents[key] = time.monotonic(), document
        return document

    def _render(self, request: web.Request, locale: Locale, oldest: float, view: View) -> RenderedPage:
        """Return the page as it was at `oldest` (time.monotonic) or later; all browsers share it."""
        made = self._rendered.get((locale.language, view))
        if made is None or made[0] < oldest:
            rendered = page.render(self._snapshot(port_of(request)), locale, view)
            made = self._rendered[locale.language, view] = (time.monotonic(), rendered)
        return made[1]


def _refusal(text: str) -> LoginRefusal:
    """Return why the last login was refused; other texts are none, so that the pages that are kept have a bound."""
    return "refused" if text == "refused" else "forbidden" if text == "forbidden" else ""
