"""setup and swap at a terminal of 80 columns: what cannot be used is asked for again, the first Ctrl-C ends them."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.background import Running, running, settings_of
from tests.needs import TERMINAL

_COLUMNS = 80
# How questions end. A sentence may hold a colon, too, and a busy machine shows a half of it.
_QUESTIONS = (
    "tries)",
    "Versuchen)",
    "characters)",
    "Zeichen)",
    "please",
    "einmal",
    "it",
    "sendet",
    "serial",
    "eingeben",
    "]",
)
_ENDS = tuple(f"{end}: ".encode() for end in _QUESTIONS)
_CTRL_C = "\x03"
_ANSWERS = (  # to seed, PUK, PIN, PIN, name of the till; each is typed wrongly once
    *("\n", "1234\n", "123456\n", "123456\n", "1234 \n", "12345\n", "54321\n", "12345\n", "12345\n"),
    *("98765\n", "98765\n", "Theke Süd\n", "POS-1\n"),
)
_SAID = {
    "de": (
        "PUK hat 6 Zeichen",
        "Admin-PIN hat 5 Zeichen",
        "die beiden sind verschieden",
        "keine Umlaute",
        "nicht die letzten",
    ),
    "en": ("PUK has 6 characters", "Admin PIN has 5 characters", "the two differ", "no umlauts", "not the last four"),
}
_DONE = {"de": "ist in Betrieb", "en": "is in service"}


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    with running(settings_of(tmp_path / "state")) as made:
        yield made


def at_a_terminal(line: str, shop: Running, *typed: str) -> tuple[int, str]:
    """The exit status, and what a terminal of 80 columns shows, while a command runs there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, _COLUMNS, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "gateway", *line.split()],  # Ctrl-C is for its terminal
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=plain | shop.environment | {"TERM": "dumb", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(theirs)
    try:
        shown = b"".join(answered(ours, list(typed))).decode()
        return process.wait(30), shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def answered(terminal: int, typed: list[str]) -> Iterator[bytes]:
    """What comes until the other end is closed; `typed` are the answers to its questions."""
    shown, again = b"", False
    while True:
        if again and not select.select([terminal], [], [], 2)[0]:
            os.write(terminal, _CTRL_C.encode())  # it came between the question and the reading of the answer
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            return
        yield piece
        shown += piece
        if typed and shown.endswith(_ENDS):
            again = typed[0] == _CTRL_C
            os.write(terminal, typed.pop(0).encode())
            shown = b""


@TERMINAL
@pytest.mark.parametrize("language", ["de", "en"])
def test_setup_asks_again_for_what_cannot_be_used(fresh: Running, language: str) -> None:
    end = f"{fresh.serial[-4:]}\n"
    status, shown = at_a_terminal(f"--language {language} setup", fresh, *_ANSWERS, "none\n", end)
    told = " ".join(shown.split())
    assert (status, _DONE[language] in told) == (0, True), shown
    assert all(said in told for said in _SAID[language]), shown
    assert max(map(len, shown.replace("\r", "\n").splitlines())) <= _COLUMNS
    assert "12345\r" not in shown


@TERMINAL
@pytest.mark.parametrize(("language", "says"), [("de", "Abgebrochen."), ("en", "Aborted.")])
@pytest.mark.parametrize("before", [0, len(_ANSWERS)], ids=["the first question", "the last question"])
def test_the_first_ctrl_c_ends_setup_and_nothing_is_done(fresh: Running, language: str, says: str, before: int) -> None:
    status, shown = at_a_terminal(f"--language {language} setup", fresh, *_ANSWERS[:before], _CTRL_C)
    assert (status, shown.split()[-1].removeprefix("^C")) == (1, says), shown
    assert '"uninitialized"' in fresh.call("info --json").out


@TERMINAL
def test_swap_asks_for_yes_or_no_and_ends_by_ctrl_c(fresh: Running) -> None:
    status, shown = at_a_terminal("--language de swap", fresh, "vielleicht\n", _CTRL_C)
    assert (status, shown.count("jetzt tun? [j/N]")) == (1, 2), shown
    assert "bitte mit ja (j) oder nein (n) antworten" in shown
    status, shown = at_a_terminal("--language de swap", fresh, "nein\n")
    assert (status, "hier angehalten" in shown) == (1, True), shown
