"""What a person at a terminal gets, and what must not be on the command line."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.base import Cli
from gateway.cli.commands import app
from tests.cli.background import Running
from tests.needs import TERMINAL

_SECRET_WORDS = ("pin", "puk", "seed", "token", "password")


def options(command: Any) -> Iterator[str]:
    """Every option and argument of all commands."""
    for child in getattr(command, "commands", {}).values():
        yield from options(child)
    for parameter in command.params:
        yield from parameter.opts


def test_no_secret_can_be_given_on_the_command_line() -> None:
    found = [name for name in options(typer.main.get_command(app)) if any(word in name for word in _SECRET_WORDS)]
    assert len(found) > 20
    assert all(name.endswith("-file") for name in found)


def test_a_shell_is_told_how_to_complete() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'tse-gateway'; from gateway.cli import main; main()"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"_TSE_GATEWAY_COMPLETE": "complete_bash", "COMP_WORDS": "tse-gateway arc", "COMP_CWORD": "1"},
    )
    assert done.stdout.split() == ["archive"], done.stderr


def at_a_terminal(line: str, shop: Running, *typed: str, **environment: str) -> str:
    """Everything that a terminal shows while a command runs there."""
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": "160", **shop.environment, **environment}
    plain = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *line.split()],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=plain | settings | {"PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = b"".join(answered(ours, list(typed)))
        assert process.wait(20) in {0, 1, 2}
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode()


def answered(terminal: int, typed: list[str]) -> Iterator[bytes]:
    """What comes until the other end is closed; `typed` are the answers to its questions."""
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            return
        yield piece
        shown += piece
        # The space comes once the terminal shows nothing any more; what is typed before is thrown away.
        if typed and shown.endswith(b": "):
            os.write(terminal, typed.pop(0).encode())
            shown = b""


@TERMINAL
def test_a_pin_is_asked_for_and_not_shown(shop: Running) -> None:
    shown = at_a_terminal("clients list", shop, "12345\n")
    assert "Admin PIN" in shown
    assert "POS-1" in shown
    assert "12345" not in shown


@TERMINAL
def test_a_new_pin_is_typed_twice(shop: Running) -> None:
    shown = at_a_terminal("pin change --old-pin-file admin_pin", shop, "54321\n", "54322\n", "54321\n", "54321\n")
    assert shown.count("new Admin PIN") == 2
    assert shop.call("clients list --admin-pin-file new_pin").status == 0
    assert "5432" not in shown


@TERMINAL
def test_an_export_shows_how_far_it_is_in_colour(shop: Running) -> None:
    shown = at_a_terminal("export -o all.tar", shop)
    assert "all.tar" in shown
    assert "━" in shown  # the bar
    assert "\x1b[3" in shown


@TERMINAL
def test_no_colours_for_who_wants_none_and_for_programs(shop: Running) -> None:
    assert "\x1b[3" not in at_a_terminal("doctor", shop, NO_COLOR="1")
    assert "\x1b" not in shop.call("doctor").out


def test_what_strangers_wrote_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Cli().table(["name"], [("\x1b[2J evil",)])
    assert "\x1b" not in capsys.readouterr().out
