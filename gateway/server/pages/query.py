"""Forms that only ask: their values go into the address, nothing is changed, and the page can be kept as a bookmark."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.i18n.text import Text
from gateway.server.pages.page import PageView
from gateway.server.status_page.html import HtmlElement, el


@dataclass(frozen=True, slots=True)
class Input:
    """One value, by its name in the address; `kind` is that of the input element."""

    name: str
    label: Text
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, with their words."""

    name: str
    label: Text
    options: Sequence[tuple[str, Text]]


def asked(view: PageView, inputs: Sequence[Input | Choice]) -> dict[str, str]:
    """Return what was asked, without fields that were left empty."""
    return {each.name: value for each in inputs if (value := view.request.query.get(each.name))}


def query_form(view: PageView, inputs: Sequence[Input | Choice], button: Text) -> HtmlElement:
    """Return the form with what was asked last; it leads to the page itself."""
    rows = (
        el("div", el("label", view.text(each.label), for_=f"ask-{each.name}"), _control(view, each), class_="field")
        for each in inputs
    )
    submit = el("button", view.text(button), type="submit", class_="act")
    return el("form", *rows, submit, method="get", action=view.path, class_="asks")


def _control(view: PageView, each: Input | Choice) -> HtmlElement:
    marker, value = f"ask-{each.name}", view.request.query.get(each.name, "")
    if isinstance(each, Choice):
        options = (el("option", view.text(text), value=name, selected=name == value) for name, text in each.options)
        return el("select", *options, name=each.name, id=marker)
    return el("input", type=each.kind, name=each.name, id=marker, value=value or None, autocomplete="off")
