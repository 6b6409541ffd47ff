"""Every text of the project has both languages with the same placeholders, and is chosen in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from gateway.i18n.locales import Locale
from gateway.i18n.negotiation import from_accept_language, from_locale, named
from gateway.i18n.text import Language, Text
from gateway.server.status_page.html import el
from gateway.server.status_page.widgets import filled

MODULES = sorted(Path("gateway").rglob("*.py"))


def texts() -> Iterator[tuple[str, str, str]]:
    """Where each text stands in the source, in English, in German."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:  # others are put together from such
                case ast.Call(
                    func=ast.Name(id="Text"), args=[ast.Constant(value=str(en)), ast.Constant(value=str(de))]
                ):
                    yield f"{path}:{node.lineno}", en, de


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_no_text_lacks_a_language_and_no_placeholder_differs() -> None:
    found = list(texts())
    assert len(found) > 300
    for place, en, de in found:
        assert en.strip(), place
        assert de.strip(), place
        assert placeholders(en) == placeholders(de), place
        assert all(name.isidentifier() for name in placeholders(en)), place


def test_no_module_chooses_between_languages_but_the_text_itself() -> None:
    for path in MODULES:
        code = path.read_text(encoding="utf-8")
        assert path.parent.name == "i18n" or '== "de"' not in code, path


def test_placeholders_are_filled_with_texts_and_with_elements() -> None:
    since = Text("since {time}, {name}", "{name}, seit {time}")
    assert since.in_language("de", time="heute", name="A{B}") == "A{B}, seit heute"
    time, name = el("time", "now"), el("b", "A")
    assert filled(Locale("en"), since, time=time, name=name) == ["since ", time, ", ", name]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "de"),
        ("en", "en"),
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr;q=0.9, en-GB;q=0.8, de;q=0.5", "en"),
        ("fr", "de"),
        ("en;q=0", "de"),
        ("en;q=x, de;q=0.1", "de"),
        ("EN", "en"),
    ],
)
def test_the_browser_chooses_what_it_ranks_highest(header: str, language: Language) -> None:
    assert from_accept_language(header, "de") == language


@pytest.mark.parametrize(
    ("environment", "language"),
    [({}, "en"), ({"LANG": "de_DE.UTF-8"}, "de"), ({"LC_ALL": "C", "LANG": "de_DE"}, "en"), ({"LANG": "en_US"}, "en")],
)
def test_the_locale_chooses_where_there_is_a_terminal(environment: dict[str, str], language: Language) -> None:
    assert from_locale(environment) == language


def test_only_the_languages_that_there_are_can_be_named() -> None:
    assert [named(name) for name in ("de", "en", "DE", "fr", "")] == ["de", "en", None, None, None]
