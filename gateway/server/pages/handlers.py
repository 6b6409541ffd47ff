"""The requests for the pages: show one, or do the act of a form and lead back to the page that tells how it went."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web
from pydantic import BaseModel

from gateway.access.caller import Caller
from gateway.errors import BadRequest, GatewayError, UnknownDevice
from gateway.i18n.text import Text
from gateway.server.api import problems
from gateway.server.api.endpoint import LANGUAGE, perform, validated
from gateway.server.api.requests import RequestBody
from gateway.server.http.callers import caller_of
from gateway.server.pages.form_html import CONFIRM_FIELD, TOKEN_FIELD, TYPED_FIELD, marker_of
from gateway.server.pages.forms import WHOLE, Form, end_of
from gateway.server.pages.page import Page, PageView, Site
from gateway.server.pages.sent import KEPT, Sent
from gateway.server.status_page import assets, texts
from gateway.server.status_page.browser import form_of, locale_of, port_of
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import NAME, Link, foot, html, quiet, top
from gateway.server.status_page.logins import BrowserLogin
from gateway.server.status_page.widgets import short

LoginOf = Callable[[web.Request], BrowserLogin | None]

_LONGEST = 32 * 1024  # bytes of a form
_MOST_FIELDS = 64
_NO_TSE = Text(
    "No TSE is plugged in. Plug one in; this page then shows it.",
    "Keine TSE eingesteckt. Eine einstecken; diese Seite zeigt sie dann.",
)
_WHICH = Text("TSE", "TSE")
_TYPED_WRONG = Text(
    "These are not the last four digits of the serial number: nothing was done.",
    "Das sind nicht die letzten vier Stellen der Seriennummer: Es wurde nichts getan.",
)
_TOO_LATE = Text(
    "Too much time has passed: please fill the form in once more. Nothing was done.",
    "Es ist zu viel Zeit vergangen: bitte noch einmal ausfüllen. Es wurde nichts getan.",
)


class Pages:
    """All pages of one gateway; `login_of` returns the login that a request shows."""

    def __init__(self, site: Site, pages: Sequence[Page], login_of: LoginOf) -> None:
        self._site, self._pages, self._login_of = site, pages, login_of

    def install(self, app: web.Application) -> None:
        """Add the routes to the application."""
        for page in self._pages:
            path = page.path("{serial}")
            app.add_routes([web.get(path, _of(page, self._show), allow_head=False)])
            if page.of_tse:
                app.add_routes([web.get(page.path(), _of(page, self._choose), allow_head=False)])
            if page.forms:
                app.add_routes([web.post(f"{path}/{{form}}", _of(page, self._send))])

    def named(self, name: str) -> str:
        """Return the name if a page has it, else an empty one: only a few are led to after a login."""
        return name if any(page.name == name for page in self._pages) else ""

    def links(self, caller: Caller | None, here: str = "", serial: str = "") -> tuple[Link, ...]:
        """Return the navigation of whoever is logged in; `here` is the name of the present page."""
        if caller is None:
            return ()
        found = [page for page in self._pages if _may_see(page, caller)]
        state = Link("/", texts.STATE, not here)
        return (state, *(Link(page.path(serial), page.title, page.name == here) for page in found))

    async def _choose(self, page: Page, request: web.Request) -> web.Response:
        """Lead to the page of the first TSE that the viewer may see."""
        if self._login_of(request) is None:
            return assets.redirect(f"/?back={page.name}#login")
        caller = caller_of(request)
        caller.check_role(page.roles)
        tses = [tse.serial for tse in self._site.snapshot(port_of(request)).tses if tse.info is not None]
        serial = next(filter(caller.may_use, tses), None)
        if serial is not None:
            return assets.redirect(page.path(serial))
        view = self._view(request, "")
        return self._document(page, view, [view.card("no-tse", page.title, quiet(view.text(_NO_TSE)))])

    async def _show(self, page: Page, request: web.Request) -> web.Response:
        if self._login_of(request) is None:
            return assets.redirect(f"/?back={page.name}#login")
        caller_of(request).check_role(page.roles)
        view = self._of_its_tse(page, request)
        return self._document(page, view, [part for part in await page.content(view) if part is not None])

    async def _send(self, page: Page, request: web.Request) -> web.Response:
        """Do the act of a form, or ask for its confirmation first; the answer leads to the page that tells of it."""
        login = self._login_of(request)
        if login is None:
            return assets.redirect(f"/?back={page.name}#login")
        form = next((form for form in page.forms if form.name == request.match_info["form"]), None)
        if form is None:
            raise web.HTTPNotFound
        for roles in (page.roles, form.endpoint.roles):
            caller_of(request).check_role(roles)
        typed = await form_of(request, longest=_LONGEST, most_fields=_MOST_FIELDS)
        if not hmac.compare_digest(typed.pop(TOKEN_FIELD, "").encode(), login.form_token.encode()):
            raise BadRequest(
                Text(
                    "this form is out of date: load the page again", "dieses Formular ist veraltet: die Seite neu laden"
                )
            )
        view = self._of_its_tse(page, request)
        sent = login.sent = await self._sent(form, view, login, typed)
        asyncio.get_running_loop().call_later(KEPT, login.forget, sent)
        return assets.redirect(f"{view.path}?sent={sent.id}#{marker_of(form)}")

    async def _sent(self, form: Form, view: PageView, login: BrowserLogin, typed: Mapping[str, str]) -> Sent:
        sent = Sent(view.path, form.name, typed)
        try:
            if form.consequence is None:
                return await self._done(form, view, sent)
            if CONFIRM_FIELD not in typed:
                self._check(form, sent)
                return replace(sent, awaits=True)
            asked = login.sent
            if asked is None or not asked.awaits or not asked.counts(view.path, typed[CONFIRM_FIELD]):
                return replace(sent, values={}, problems={WHOLE: (view.text(_TOO_LATE),)})
            if form.irreversible is not None and not _confirms(typed, view):
                return replace(asked, problems={TYPED_FIELD: (view.text(_TYPED_WRONG),)})
            sent = replace(sent, values=asked.values)
            return await self._done(form, view, sent)
        except GatewayError as error:
            code = problems.describe(error, view.locale.language).code
            told = form.problems_of(error, view.locale)
            return replace(sent, values=form.kept(sent.values), problems=told, codes=frozenset({code}))

    def _check(self, form: Form, sent: Sent) -> None:
        _, body = form.read(sent.values)
        if form.irreversible is not None:
            body["confirmation"] = ""
        validated(form.endpoint, json.dumps(body).encode())

    async def _done(self, form: Form, view: PageView, sent: Sent) -> Sent:
        given, body = form.read(sent.values)
        if view.device is not None:
            if "serial" in form.endpoint.path_names:
                given.setdefault("serial", view.device.serial)
                view.request.match_info["serial"] = str(given["serial"])  # for the audit log
            if form.irreversible is not None:
                ask = self._site.services.administration.confirmations.ask
                body["confirmation"] = ask(view.device.serial, form.irreversible).token
        if not form.endpoint.has_body:
            body = {}

        @asynccontextmanager
        async def read() -> AsyncIterator[RequestBody]:
            yield validated(form.endpoint, json.dumps(body).encode())

        result = await perform(form.endpoint, self._site.services, view.request, lambda: given, read)
        answer = result if isinstance(result, BaseModel) else None
        return replace(sent, values=form.kept(sent.values), answer=answer)

    def _of_its_tse(self, page: Page, request: web.Request) -> PageView:
        """Return the view of the TSE in the path, if the page is of one."""
        if not page.of_tse:
            return self._view(request, page.path())
        services = self._site.services
        serial = request.match_info["serial"] = services.whole_serial(request.match_info["serial"]).upper()
        caller_of(request).check_tse(serial)
        device = services.registry.find(serial)
        return replace(self._view(request, page.path(device.serial)), device=device)

    def _view(self, request: web.Request, path: str) -> PageView:
        login = self._login_of(request)
        if login is None:
            raise UnknownDevice(Text("nobody is logged in", "niemand ist angemeldet"))  # every handler has looked
        wanted, sent, locale = request.query.get("sent", ""), login.sent, locale_of(request)
        request[LANGUAGE] = locale.language  # chosen on the page, which the browser's may differ from
        return PageView(
            self._site,
            request,
            locale,
            caller_of(request),
            self._site.snapshot(port_of(request)),
            path,
            form_token=login.form_token,
            sent=sent if sent is not None and sent.counts(path, wanted) else None,
        )

    def _document(self, page: Page, view: PageView, content: Sequence[HtmlElement]) -> web.Response:
        locale, snapshot = view.locale, view.snapshot
        serial = "" if view.device is None else view.device.serial
        title = view.text(page.title)
        body = el(
            "body",
            el("a", view.text(texts.SKIP_TO_CONTENT), href="#content", class_="skip"),
            top(snapshot.site, locale, self.links(view.caller, page.name, serial), logged_in=True, path=view.path),
            el("main", el("h1", title), self._tses(page, view), *content, id="content", tabindex="-1"),
            foot(snapshot, locale, full=True),
            el("p", id="said", class_="heard", role="status"),
        )
        site = f" · {snapshot.site}" if snapshot.site else ""
        text = html(f"{title} · {NAME}{site}", locale, body, snapshot.level, script="pages.js")
        return assets.send_document(text, locale.language)

    def _tses(self, page: Page, view: PageView) -> HtmlElement | None:
        """Return which TSE the page is about, with links to the others."""
        if view.device is None:
            return None
        tses = [tse for tse in view.snapshot.tses if tse.info is not None and view.caller.may_use(tse.serial)]
        entries = (
            el(
                "li",
                el(
                    "a",
                    f"TSE {short(tse.serial)}",
                    href=page.path(tse.serial),
                    aria_current="true" if tse.serial == view.device.serial else None,
                ),
            )
            for tse in tses
        )
        return el("nav", el("ul", *entries), aria_label=view.text(_WHICH), class_="which")


def _of(
    page: Page, handle: Callable[[Page, web.Request], Awaitable[web.Response]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        return await handle(page, request)

    return handler


def _may_see(page: Page, caller: Caller) -> bool:
    return caller.role is None or caller.role in page.roles


def _confirms(typed: Mapping[str, str], view: PageView) -> bool:
    return typed.get(TYPED_FIELD, "").strip().upper() == end_of(view.tse.serial)
