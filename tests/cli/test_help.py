"""The help, and what is said of wrong usage, is there in German and English; the program tells its version."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer import core

from gateway import __version__
from gateway.cli.commands import app
from gateway.cli.help import Program, both
from tests.cli.background import call

_TYPERS_OWN = {"--help", "--install-completion", "--show-completion"}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def test_each_command_and_each_option_has_its_help_in_both_languages() -> None:
    found = 0
    for name, command in commands(typer.main.get_command(app)):
        assert "\x1f" in command.help or "\n\nDeutsch: " in command.help, name
        for parameter in command.params:
            if not _TYPERS_OWN.intersection(parameter.opts):
                english, _, german = (parameter.help or "").partition("\x1f")
                assert english.strip(), f"{name} {parameter.name}"
                assert german.strip(), f"{name} {parameter.name}"
                found += 1
    assert found > 300


@pytest.mark.parametrize("path", ["", "setup", "archive status", "verify", "locks"])
def test_a_help_is_of_one_language(path: str) -> None:
    german = call(f"--language de {path} --help", {}).out
    english = call(f"{path} --help", {}).out
    assert all(word in german for word in ("Aufruf: ", "Optionen:", "Diese Hilfe zeigen."))
    assert all(word in english for word in ("Usage: ", "Options:", "Show this message and exit."))
    assert not any(word in german for word in ("Usage", "Options", "Example", "env var", "default:", "Exit status"))
    assert not any(word in english for word in ("Deutsch", "Beispiel", "Vorgabe", "Exit-Status", "\x1f"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("info --foo", "Die Option --foo gibt es nicht"),
        ("infi", "Den Befehl 'infi' gibt es nicht."),
        ("token show", "Es fehlt das Argument 'name'."),
        ("info A B", "Zu viele Argumente (B)"),
        ("serve --port", "Die Option '--port' braucht einen Wert."),
        ("info --elster=x", "Die Option '--elster' nimmt keinen Wert."),
        ("serve --port x", "Falscher Wert für '--port': es muss eine ganze Zahl sein"),
        ("serve --simulator 17", "Falscher Wert für '--simulator': es darf höchstens 16 sein"),
        ("serve --simulator -1", "Falscher Wert für '--simulator': es muss mindestens 0 sein"),
        ("token add a --role x", "ist nichts von"),
        ("export --from yesterday", "'yesterday' ist weder ein Tag (2026-01-31) noch ein Zeitpunkt (2026-01-31T08:00)"),
        ("qr 1 -o a.gif", "Falscher Wert: --output endet auf .svg oder .png"),
    ],
)
def test_wrong_usage_is_told_in_german(line: str, says: str) -> None:
    told = call(f"--language de {line}", {})
    assert told.status == 2
    assert says in told.err.splitlines()[-1]
    assert told.err.splitlines()[-1].startswith("Fehler: ")


def test_the_variable_names_the_language_and_the_option_wins() -> None:
    assert "Aufruf: " in call("--help", {"GATEWAY_LANGUAGE": "de"}).out
    assert "Usage: " in call("--language en info --help", {"GATEWAY_LANGUAGE": "de"}).out


def test_every_command_takes_the_language_behind_its_name_too() -> None:
    for name, command in commands(typer.main.get_command(app)):
        assert sum("--language" in parameter.opts for parameter in command.params) == 1, name
    assert call("version --language de", {}).status == 0
    assert "Die Option --foo gibt es nicht" in call("serve --language de --foo", {}).err


def test_the_version_is_an_option_too() -> None:
    assert call("--version", {}).out == f"tse-gateway {__version__}\n"


def test_what_typer_passes_through_gettext_is_translated() -> None:
    told = {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(inspect.getsource(core)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_" and isinstance(node.args[0], ast.Constant)
    }
    errors = {"Aborted!", "Missing command.", "No such command {name!r}."}  # come as errors, which are told in German
    program = typer.main.get_command(app)
    assert isinstance(program, Program)
    program.main(["--version"], standalone_mode=False)
    with pytest.raises(SystemExit):
        program.main(["--language", "de", "--version"])
    assert told > errors
    assert all(core._(text) != text for text in told - errors)  # type: ignore[attr-defined]


def test_no_command_prints_a_sentence_of_one_language() -> None:
    for path in sorted(Path("gateway/cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "typer.echo", "typer.BadParameter"}:
                told = [part for word in node.args for part in ast.walk(word) if isinstance(part, ast.Constant)]
                sentences = [part.value for part in told if isinstance(part.value, str) and " " in part.value.strip()]
                assert not sentences or "both(" in ast.unparse(node), f"{path}:{node.lineno}"


def test_both_is_one_text() -> None:
    assert both("a", "b") == "a\x1fb"


@pytest.mark.parametrize(
    "command", ["verify nowhere.tar --trust nowhere.pem", "reconcile nowhere.tar --dsfinvk nowhere"]
)
def test_the_language_before_a_command_without_gateway_counts_too(command: str) -> None:
    assert re.search(r"lassen sich nicht lesen|fehlt: --dsfinvk nennt", call(f"--language de {command}", {}).err)
