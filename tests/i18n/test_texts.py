"""Every text of the project has both languages with the same placeholders, and is chosen in one place."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from string import Formatter

import pytest

from gateway.errors import CommandRejected, ConfigurationError, GatewayError, ProtocolError, UnfitValue
from gateway.i18n.locales import Locale
from gateway.i18n.negotiation import from_accept_language, from_locale, named
from gateway.i18n.text import Language, Text, TextError, joined, reason_of, text_of
from gateway.server.status_page.html import el
from gateway.server.status_page.widgets import filled
from gateway.storage import strict_json
from gateway.tse.logmessage import LogMessage
from tests.i18n.code import MODULES, name_of, trees

importlib.import_module("gateway.cli.commands")  # and with it all modules


def texts() -> Iterator[tuple[str, str, str]]:
    """Where each text stands in the source, in English, in German."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
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


def test_a_length_of_time_stands_in_the_dative_where_its_german_preposition_demands_it() -> None:
    behind = re.compile(
        r"\b(?:ab|aus|bei|in|innerhalb von|mit|nach|seit|von|vor) \{duration(:dative)?\}", re.IGNORECASE
    )
    found = [(place, behind.findall(de)) for place, _, de in texts()]
    assert sum(map(len, (cases for _, cases in found))) > 10
    assert [place for place, cases in found if "" in cases] == []


def errors() -> Iterator[tuple[str, ast.Call, dict[str, str]]]:
    """Each place where an error is made of a text: where it is, the call, the texts of its module by their name."""
    known = {kind.__name__ for kind in kinds(TextError)}
    for path, tree in trees().items():
        named = {
            node.targets[0].id: str(node.value.args[0].value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
            and name_of(node.value.func) == "Text"
            and isinstance(node.value.args[0], ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _text_of(node.args[0], named) is not None:
                kind = name_of(node.func).split(".")[-1]
                if kind in known:
                    yield f"{path}:{node.lineno}", node, named


def _text_of(node: ast.expr, named: Mapping[str, str]) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="Text"), args=[ast.Constant(value=str(en)), _]):
            return en
        case ast.Name(id=name):
            return named.get(name)
        case _:
            return None


def test_each_error_fills_in_what_its_text_leaves_open() -> None:
    found = 0
    for place, call, texts_of_module in errors():
        given = {word.arg for word in call.keywords}
        assert placeholders(_text_of(call.args[0], texts_of_module) or "") == given, place
        found += 1
    assert found > 300


def test_an_error_has_its_values_in_both_languages() -> None:
    inner = UnfitValue(Text("at {place}", "an {place}"), place="{A}")
    outer = ConfigurationError(Text("{file}: {error}", "{file}: {error}"), file="f", error=inner)
    assert str(outer) == "f: at {A}"
    assert outer.in_language("de") == "f: an {A}"
    assert GatewayError(outer.text).in_language("de") == "f: an {A}"
    assert joined([outer.text, Text("b", "c")], "; ").in_language("de") == "f: an {A}; c"


def _refused_by_a_tse() -> None:
    raise CommandRejected(0x1003, Text("the PIN {a} is wrong", "die PIN {a} ist falsch").filled(a="{x}"))


def test_an_error_of_another_process_arrives_as_what_it_is_in_both_languages() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        first = pool.submit(LogMessage.decode, b"no log message").exception()
        second = pool.submit(_refused_by_a_tse).exception()
        assert pool.submit(len, b"alive").result() == 5
    with pytest.raises(ProtocolError) as here:
        LogMessage.decode(b"no log message")
    assert isinstance(first, ProtocolError)
    assert (str(first), first.text, first.args) == (str(here.value), here.value.text, here.value.args)
    assert isinstance(second, CommandRejected)
    assert (second.result, second.code) == (0x1003, CommandRejected.code)
    assert second.in_language("de") == "die TSE hat den Befehl abgelehnt: 0x1003 die PIN {x} ist falsch"


def test_each_kind_of_error_passes_between_processes_in_the_same_way() -> None:
    assert [kind for kind in kinds(TextError) if kind.__reduce__ is not TextError.__reduce__] == []


def test_what_the_system_and_parsers_say_is_told_in_german_too() -> None:
    with pytest.raises(FileNotFoundError) as missing:
        Path("/nowhere/at/all").read_bytes()
    reason = reason_of(missing.value)
    assert (reason.en, reason.de) == ("No such file or directory", "Datei oder Verzeichnis nicht gefunden")
    assert text_of(missing.value).de == "[Errno 2] Datei oder Verzeichnis nicht gefunden: '/nowhere/at/all'"
    with pytest.raises(ValueError, match="line 1 column 2") as broken:
        strict_json.parse(b"{")
    assert text_of(broken.value).de == "Zeile 1, Spalte 2"


def kinds(kind: type[TextError]) -> Iterator[type[TextError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


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
