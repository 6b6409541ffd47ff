"""As a browser without scripts that fills in forms: it finds them in the page and sends them as they are there."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.server.status_page.browser import Browser, Document


@dataclass
class HtmlForm:
    """A form as it stands in a page; `fields` are what a browser sends of it as it is."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class Forms(HTMLParser):
    """All forms of a page, by the end of their action."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, HtmlForm] = {}
        self._form = HtmlForm("")
        self._select = self._text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = HtmlForm(given["action"])
            self.found[given["action"].rsplit("/", 1)[-1]] = self._form
        elif tag in {"input", "select", "textarea"}:
            self._form.names.add(given.get("name", ""))
            self._select = given.get("name", "")
            self._text = given["name"] if tag == "textarea" else ""
            if tag == "input" and given.get("value") and (given.get("type") != "checkbox" or "checked" in given):
                self._form.fields[given["name"]] = given["value"]
        elif tag == "option" and ("selected" in given or self._select not in self._form.fields):
            self._form.fields[self._select] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._text:
            self._form.fields[self._text] = data

    def handle_endtag(self, tag: str) -> None:
        self._text = ""


async def forms_of(browser: Browser, path: str) -> dict[str, HtmlForm]:
    answer, text = await browser.get(path)
    assert answer.status == 200, (path, answer.status)
    return Forms(text).found


async def send(browser: Browser, path: str, form: str, **typed: str) -> tuple[str, Document, dict[str, HtmlForm]]:
    """Fill in a form of the page at `path`; return where that leads, what stands there, and the forms there."""
    found = (await forms_of(browser, path))[form]
    assert typed.keys() <= found.names, found.names
    answer, text = await browser.get(found.action, "POST", data={**found.fields, **typed})
    assert answer.status == 303, text
    where = answer.headers["Location"].partition("#")[0]
    answer, text = await browser.get(where)
    assert answer.status == 200
    return where, Document(text), Forms(text).found
