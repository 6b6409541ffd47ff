"""A page that operators act by, and one view of it: who looks, at which TSE, in which language."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from gateway.access.caller import Caller, Role
from gateway.config.settings import Settings
from gateway.errors import Forbidden, UnknownDevice
from gateway.fleet.device import Device
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.api.endpoint import Endpoint, Services, perform
from gateway.server.pages.form_html import Place, as_card, confirmation
from gateway.server.pages.forms import Form
from gateway.server.pages.sent import Sent
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import card_of, quiet
from gateway.server.status_page.snapshot import Snapshot, TseSnapshot
from gateway.server.status_page.widgets import sentence, table

FOLDER = "/page/"
Content = Sequence[HtmlElement | None]


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages work with. `snapshot` is given the port that tills use."""

    services: Services
    settings: Settings
    snapshot: Callable[[int], Snapshot]


@dataclass(frozen=True, slots=True)
class PageView:
    """One view of a page: `sent` is the form that the page has sent last, if any, `device` its TSE if it is of one."""

    site: Site
    request: web.Request
    locale: Locale
    caller: Caller
    snapshot: Snapshot
    path: str
    form_token: str = field(repr=False)
    sent: Sent | None = None
    device: Device | None = None

    @property
    def tse(self) -> Device:
        """The TSE of the page."""
        if self.device is None:
            raise UnknownDevice(
                Text("no TSE with this serial is attached", "keine TSE mit dieser Seriennummer ist angeschlossen")
            )
        return self.device

    @property
    def shown_tse(self) -> TseSnapshot:
        """What the snapshot says of the TSE of the page."""
        return next(tse for tse in self.snapshot.tses if tse.serial == self.tse.serial)

    def text(self, text: Text, /, **values: object) -> str:
        """Return a text in the language of the viewer."""
        return self.locale.text(text, **values)

    def may(self, roles: AbstractSet[Role]) -> bool:
        """Return whether the viewer has one of these roles."""
        return self.caller.role is None or self.caller.role in roles

    def lacks_all(self) -> HtmlElement | None:
        """Return why the viewer gets no file about all tills and what helps; None if nothing is against it."""
        try:
            self.caller.check_all_clients()
        except Forbidden as error:
            return quiet(sentence(error.in_language(self.locale.language)))
        return None

    async def ask(self, endpoint: Endpoint, **given: object) -> Any:
        """Return what an endpoint that reads answers to the viewer: its model; `given` are its parameters."""
        if self.device is not None and "serial" in endpoint.path_names:
            given = {"serial": self.device.serial, **given}
        read = endpoint.body()
        return await perform(endpoint, self.site.services, self.request, lambda: given, lambda: nullcontext(read))

    def answer(self, form: Form) -> BaseModel | None:
        """Return what the endpoint of `form` answered, if that was sent last and done."""
        return self.sent.answer if self.sent is not None and self.sent.form == form.name else None

    def form(
        self,
        form: Form,
        answer: Content = (),
        *,
        values: Mapping[str, str] | None = None,
        options: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> HtmlElement | None:
        """Return a form in a card, or its second step; None if the viewer may not do this.

        `answer` is shown when it is done. `values` stand in its fields, `options` are those of its choices, each by the
        name of its field.
        """
        if not self.may(form.endpoint.roles):
            return None
        sent = self.sent if self.sent is not None and self.sent.form == form.name else None
        serial = "" if self.device is None else self.device.serial
        place = Place(self.locale, self.path, self.form_token, serial)
        if sent is not None and sent.awaits:
            return confirmation(form, place, sent)
        return as_card(form, place, sent, values=values or {}, options=options or {}, answer=answer)

    def card(self, name: str, title: Text, *content: HtmlElement | None) -> HtmlElement:
        """Return a card; `name` is its id."""
        return card_of(name, self.locale, title, *content)

    def table(self, heads: Sequence[Text], rows: Sequence[Sequence[HtmlElement | str | None]]) -> HtmlElement:
        """Return a table."""
        return table(self.locale, heads, rows)

    def rows(self, rows: Sequence[tuple[Text, HtmlElement | str]]) -> HtmlElement:
        """Return names with their values."""
        listed = (el("div", el("dt", self.text(name)), el("dd", value)) for name, value in rows)
        return el("dl", *listed, class_="rows")


@dataclass(frozen=True, slots=True)
class Page:
    """One page, at /page/`name`, or at /page/`name`/SERIAL if it is `of_tse`.

    `roles` may see it. All its `forms` are named here, and each may be sent by the roles of its endpoint.
    """

    name: str
    title: Text
    roles: AbstractSet[Role]
    content: Callable[[PageView], Awaitable[Content]]
    forms: tuple[Form, ...] = ()
    of_tse: bool = False

    def path(self, serial: str = "") -> str:
        """Return its path, for one TSE if it is of one."""
        return f"{FOLDER}{self.name}" + (f"/{serial}" if self.of_tse and serial else "")
