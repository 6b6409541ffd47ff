"""Tables at a terminal of 80 columns, with values as long as they get: no line is wider, no word is broken or lost."""

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text as Styled

from gateway.app.gateway import Gateway
from gateway.app.simulators import ADMIN_PIN
from gateway.cli import table
from gateway.cli.base import Cli
from gateway.cli.commands import app
from gateway.cli.discover import show_found
from gateway.server.mdns import FoundGateway
from gateway.simulator.device import SimulatedTse
from tests.cli.background import Running, running, settings_of
from tests.cli.test_examples import copy_archive
from tests.cli.test_pool import SHOP, _ready
from tests.lan_client import LanClient
from tests.support import receipt

_COMMANDS = Path(__file__).parents[2] / "gateway" / "cli"
_COLUMNS = 80
_TILL = "Kasse-Erdgeschoss-Links-Nr-001"
_MODEL = (
    "--manufacturer Registrierkassenfabrik --model Erdgeschossmodell --software Kassenprogramm --software-version 7.4"
)
_LINES = {  # module: command lines that print its tables
    "archive": ["archive status"],
    "archive_targets": ["archive audit --config fleet.toml"],
    "audit": ["audit"],
    "discover": [],  # below
    "doctor": ["doctor"],
    "elster": ["elster show"],
    "locks": ["locks list", "locks show {serial}", "locks show {other}"],
    "outages": ["outages"],
    "pool": ["pool show"],
    "receipts": ["receipts {serial}"],
    "serve": ["config"],
    "simulator": ["simulator fault"],
    "token": ["token list", "token show lan", f"token show {_TILL.lower()}"],
    "tse": ["devices", "info {serial}", "info {serial} --elster", "info {serial} --dsfinvk", "info {serial} --health"],
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two TSEs, a till with a long name, one that holds a TSE, a token, outages, acts, an archive and its copy."""
    directory = tmp_path_factory.mktemp("shop")
    tses = [SimulatedTse.create(directory / "state" / f"simulator-{number}") for number in (1, 2)]
    order = tuple(tse.serial.hex()[:8] for tse in tses)
    for tse in tses:
        tse.close()
    (directory / "pin").write_text(ADMIN_PIN.decode())
    with running(settings_of(directory / "state", **SHOP | {"archive": True}, pool=order)) as made:
        made.do(_ready)
        for line in (
            f"clients register {_TILL} {made.serial} --admin-pin-file {directory}/pin",
            f"token add {_TILL.lower()} --client {_TILL} --client POS-1 --tse {made.serial} --role till",
            f"elster till {_TILL} {made.serial} {_MODEL} --acquired 2026-09-14 --in-service 2026-09-21",
            f"archive run {made.serial}",
        ):
            assert made.call(line).status == 0
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(directory)
            copy_archive(made.serial)
        release = made.do(_hold)
        yield made
        made.do(lambda _: release.aclose())


async def _hold(gateway: Gateway) -> AsyncExitStack:
    device = next(one for one in gateway.registry.devices() if one.info.serial == gateway.simulators[0].serial)
    for _ in range(2):
        await receipt(device.command, device, _TILL.encode())
    release = AsyncExitStack()
    client = LanClient(gateway.port, gateway.token.value, serial=gateway.simulators[1].serial.hex().upper())
    release.push_async_callback(client.close)
    await release.enter_async_context(client.locked())
    await client.read_info()
    return release


def shown(program: Any, arguments: list[str], columns: int, patch: pytest.MonkeyPatch) -> str:
    """What a terminal of so many columns shows."""
    screen = Terminal()
    patch.setenv("COLUMNS", str(columns))
    patch.setenv("TERM", "dumb")
    patch.setattr(sys, "stdout", screen)
    with pytest.raises(SystemExit):
        program.main(arguments, prog_name="tse-gateway")
    return screen.getvalue()


def words(text: str) -> set[str]:
    """Its words, without numbers and times, which change while one looks."""
    return {word for word in text.split() if not re.fullmatch(r"[-\d.,:()]+", word)}


def fits(text: str) -> bool:
    """Whether no line is too long, but one of a single word that is."""
    return all(len(line.rstrip()) <= _COLUMNS or " " not in line.strip() for line in text.splitlines())


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_table_fits_80_columns_without_broken_words(
    shop: Running, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shop.gateway.settings.state_dir.parent)
    program, other = typer.main.get_command(app), shop.gateway.simulators[1].serial.hex()
    for line in (line.format(serial=shop.serial, other=other) for lines in _LINES.values() for line in lines):
        arguments = ["--language", language, *line.split()]
        for _ in range(3):  # what changes between two looks is looked at again
            narrow, wide = (shown(program, arguments, columns, monkeypatch) for columns in (_COLUMNS, 1000))
            lost = words(wide) - words(narrow) - words(wide.split("\n")[0])  # heads of empty cells may be missing
            if words(narrow) <= words(wide) and not lost:
                break
        assert (words(narrow) - words(wide), lost) == (set(), set()), line
        assert words(narrow), line
        assert fits(narrow), f"{line}\n{narrow}"


def test_every_command_with_a_table_is_among_them() -> None:
    modules = {path.stem for path in _COMMANDS.glob("*.py") if ".table(" in path.read_text(encoding="utf-8")}
    assert modules == set(_LINES)


def test_the_gateways_of_a_network_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", str(_COLUMNS))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", screen)
    found = FoundGateway("Autohaus Nord, Werkstatt und Teiledienst", "gateway-1.autohaus-nord.local", 4433, 12, "0.2.0")
    show_found(Cli(language="de"), [found])
    assert {"Werkstatt", "gateway-1.autohaus-nord.local", "4433"} <= words(screen.getvalue()) | {"4433"}
    assert fits(screen.getvalue())


def test_days_and_numbers_are_written_as_the_reader_does(shop: Running) -> None:
    expires = json.loads(shop.call("devices --json").out)[0]["certificate_expires"][:10]
    year, month, day = expires.split("-")
    german, english = (shop.call(f"devices --language {language}").out for language in ("de", "en"))
    assert (f"{day}.{month}.{year}" in german, expires in english) == (True, True)
    assert (re.search(r"19\.999\.\d{3}", german), re.search(r"19,999,\d{3}", english)) != (None, None)
    assert re.search(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", shop.call("audit --language de").out)


WORDS = st.text(st.sampled_from("abcxyz0189-ß"), min_size=1, max_size=50)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)
ROWS = st.integers(1, 6).flatmap(lambda wide: st.lists(st.lists(CELLS, min_size=wide, max_size=wide), max_size=4))


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(20, 120), st.booleans())
def test_whatever_is_in_a_table_its_words_are_whole(rows: list[list[str]], columns: int, headed: bool) -> None:
    screen = io.StringIO()
    heads = [Styled("head of it" if headed else "") for _ in (rows or [[""]])[0]]
    console = Console(file=screen, width=columns, no_color=True)
    table.show(console, heads, [[Styled(cell) for cell in row] for row in rows])
    told = screen.getvalue()
    assert {word for row in rows for cell in row for word in cell.split()} <= set(told.split())
    assert all(len(line.rstrip()) <= columns or " " not in line.strip() for line in told.splitlines())
