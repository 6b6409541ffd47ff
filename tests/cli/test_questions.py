"""setup and swap at a terminal of 80 columns: what cannot be used is asked for again, the first Ctrl-C ends them.

With TERMINAL_RECORDINGS=DIR each question is ended by Ctrl-C in both languages, and DIR gets what each terminal showed.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.clock.trusted import kernel_state
from tests.cli.background import Running, make_ready, running, settings_of
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
    "TSE",
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
_YES, _MAYBE = {"j\n", "ja\n", "y\n", "yes\n"}, "vielleicht\n"
_SWAPPED = (  # to each step yes; in between PIN, end of the serial, PIN of the other; each typed wrongly once
    *(_MAYBE, "j\n", "j\n", "ja\n", "1234\n", "12345\n"),
    *("yes\n", "none\n", "END\n", "y\n", "j\n", "j\n", "12345\n", "j\n"),
)
_SWAP_SAID = {
    "de": ("mit ja (j) oder nein (n) antworten", "Admin-PIN der alten TSE hat 5 Zeichen", "nicht die letzten"),
    "en": ("answer yes (y) or no (n)", "Admin PIN of the old TSE has 5 characters", "not the last four"),
}
_SWAP_DONE = {"de": "Die TSE ist gewechselt", "en": "The TSE is swapped"}
_ABORTED = {"de": "Abgebrochen.", "en": "Aborted."}
_RECORDINGS = os.environ.get("TERMINAL_RECORDINGS")
_ALL = pytest.mark.skipif(not _RECORDINGS, reason="each question takes a minute: set TERMINAL_RECORDINGS")


def questions(count: int, *always: int) -> list[Any]:
    """The numbers of questions that are ended by Ctrl-C: `always`, the others if they are recorded."""
    return [pytest.param(number, marks=() if number in always else _ALL) for number in range(count)]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    with running(settings_of(tmp_path / "state")) as made:
        yield made


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A fresh TSE that no test sets up."""
    with running(settings_of(tmp_path_factory.mktemp("untouched") / "state")) as made:
        yield made


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Two TSEs in service."""
    monkeypatch.chdir(tmp_path)
    with running(settings_of(tmp_path / "state", simulators=2)) as made:
        for number in range(2):
            made.do(partial(make_ready, number=number))
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
        if _RECORDINGS:
            name = re.sub(r"\W+", "-", os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].removesuffix(" (call)"))
            Path(_RECORDINGS, f"{name}.txt").write_text(shown, encoding="utf-8")
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
@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("number", questions(len(_ANSWERS) + 1, 0, len(_ANSWERS)))
def test_the_first_ctrl_c_ends_setup_and_nothing_is_done(untouched: Running, language: str, number: int) -> None:
    status, shown = at_a_terminal(f"--language {language} setup", untouched, *_ANSWERS[:number], _CTRL_C)
    assert (status, shown.split()[-1].removeprefix("^C")) == (1, _ABORTED[language]), shown
    assert '"uninitialized"' in untouched.call("info --json").out


def swap(language: str, shop: Running, *typed: str) -> tuple[int, str]:
    """A swap of the first TSE."""
    answers = (answer.replace("END", shop.serial[-4:]) for answer in typed)
    return at_a_terminal(f"--language {language} swap {shop.serial[:8]}", shop, *answers)


@TERMINAL
@pytest.mark.parametrize("language", ["de", pytest.param("en", marks=_ALL)])
def test_swap_asks_again_for_what_cannot_be_used(two: Running, language: str) -> None:
    status, shown = swap(language, two, *_SWAPPED)
    told = " ".join(shown.split())
    assert (status, _SWAP_DONE[language] in told) == (0, True), shown
    assert all(said in told for said in _SWAP_SAID[language]), shown
    assert max(map(len, shown.replace("\r", "\n").splitlines())) <= _COLUMNS
    assert "12345\r" not in shown


@TERMINAL
@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("number", questions(len(_SWAPPED)))
def test_the_first_ctrl_c_ends_swap_and_a_later_call_goes_on(two: Running, language: str, number: int) -> None:
    status, shown = swap(language, two, *_SWAPPED[:number], _CTRL_C)
    assert (status, shown.split()[-1].removeprefix("^C")) == (1, _ABORTED[language]), shown
    shown = two.call(f"swap {two.serial}", typed="n\n").out
    begun = sum(answer in _YES for answer in _SWAPPED[:number])
    assert shown.count("[x]") == begun - (_SWAPPED[number] not in {*_YES, _MAYBE})  # a PIN is asked for within a step


@TERMINAL
def test_the_first_ctrl_c_ends_swap(shop: Running) -> None:
    status, shown = at_a_terminal("--language de swap", shop, _MAYBE, _CTRL_C)
    assert (status, shown.count("jetzt tun? [j/N]")) == (1, 2), shown


@pytest.mark.skipif(kernel_state().synchronised, reason="the kernel vouches for the clock of this machine")
def test_nothing_is_asked_while_nobody_vouches_for_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(settings_of(tmp_path / "state"), knows_time=False) as gateway:
        said = gateway.call("setup", typed="\n")
        assert (said.status, said.out) == (1, "")
        assert re.search(r"clock of the gateway says \d{4}-\d\d-\d\d .*--anyway", said.err)
        assert "seed" not in said.err
        assert "reseller" in gateway.call("setup --anyway", typed="").err
        gateway.do(make_ready)
        assert "--anyway" in gateway.call("swap", typed="n\n").err
        assert not Path("tse-swap").exists()
        assert "again to go on" in gateway.call("swap --anyway", typed="n\n").err


def test_nothing_is_asked_of_a_tse_in_another_part_of_its_life(shop: Running, untouched: Running) -> None:
    assert "this TSE is in service: only a fresh one" in shop.call("setup", typed="\n").err
    assert "the old TSE is fresh" in untouched.call("swap", typed="n\n").err
    assert not Path("tse-swap").exists()
