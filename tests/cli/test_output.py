"""What commands write: files, standard output for other programs, and bars that are gone before anything is said."""

import json
import re
import shlex
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.errors import ConfigurationError
from tests.cli.background import Running
from tests.cli.test_tables import Terminal
from tests.cli.test_terminal import at_a_terminal
from tests.needs import TERMINAL

_RECEIPT = (
    "V0;POS-1;Kassenbeleg-V1;Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar;1;4;2026-01-31T08:00:00.000Z;"
    f"2026-01-31T08:00:01.000Z;ecdsa-plain-SHA384;unixTime;{'A' * 128};{'B' * 132}"
)
_TILL = "--manufacturer M --model T --software S --software-version 1 --acquired 2026-01-02 --in-service 2026-01-03"


def piped(line: str, shop: Running) -> tuple[bytes, str]:
    """What a command gives to the next program, and what it says besides."""
    result = CliRunner().invoke(app, shlex.split(line), env={**shop.environment, "FORCE_COLOR": "1"})
    assert result.exit_code in {0, 1}, result.output
    return result.stdout_bytes, result.stderr


def test_standard_output_gets_what_a_file_would_and_nothing_else(shared_shop: Running) -> None:
    assert shared_shop.call("archive run").status == 0
    assert shared_shop.call(f"elster till POS-1 {_TILL} --certification-id 0412-2020").status == 0
    for line, name in (
        ("export", "tse.tar"),
        ("archive export", "archived.tar"),
        ("elster xml", "notification.xml"),
        (f"qr '{_RECEIPT}'", "receipt.svg"),
        (f"qr '{_RECEIPT}' --format png", "receipt"),
    ):
        assert shared_shop.call(f"{line} -o {name}").status == 0
        data, said = piped(f"{line} -o -", shared_shop)
        assert data == Path(name).read_bytes(), line
        assert "standard output" in said, line
        assert "━" not in said, "a bar was drawn where nobody looks"
        assert "Standardausgabe" in piped(f"--language de {line} -o -", shared_shop)[1]


def test_backup_and_support_bundle_go_to_standard_output_too(shared_shop: Running) -> None:
    backup, said = piped("backup -", shared_shop)
    with tarfile.open(fileobj=BytesIO(backup)) as members:
        assert "backup.json" in members.getnames()
    assert "keep it secret" in said
    bundle, said = piped("support-bundle -o - --json", shared_shop)
    assert sorted(zipfile.ZipFile(BytesIO(bundle)).namelist()) == json.loads(said)["parts"]


def test_the_page_of_a_report_goes_to_standard_output_and_its_words_do_not(shared_shop: Running) -> None:
    assert shared_shop.call("export -o tse.tar").status == 0
    page, said = piped("verify tse.tar --html -", shared_shop)
    assert page.startswith(b"<!DOCTYPE html>")
    assert "4 messages: 4 valid" in said


def test_what_reads_an_export_needs_a_file(shared_shop: Running) -> None:
    assert "need a file" in shared_shop.call("export -o - --verify").err
    assert "need a file" in shared_shop.call("export -o - --dsfinvk dir").err


def test_a_folder_is_no_standard_output(shared_shop: Running) -> None:
    said = shared_shop.call("audit-package -o -")
    assert (said.status, "writes a folder" in said.err, Path("-").exists()) == (2, True, False), said.err


def test_a_file_that_cannot_be_written_is_told_in_one_line(shared_shop: Running) -> None:
    for line in (f"qr '{_RECEIPT}' -o", "support-bundle -o", "backup"):
        said = shared_shop.call(f"{line} nowhere/file.png")
        assert (said.status, "cannot be written" in said.err) == (1, True), said.err
    assert "ends in .svg or .png" in shared_shop.call(f"qr '{_RECEIPT}' -o receipt.gif").err


def test_a_terminal_gets_text_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    program = typer.main.get_command(app)
    for line in ("backup -", "support-bundle -o -", f"qr {_RECEIPT} -o - --format png"):
        with pytest.raises(ConfigurationError, match="this is no text for a terminal") as refused:
            program.main(line.split())
    assert "kein Text für ein Terminal" in refused.value.in_language("de")


def test_a_code_that_is_wider_than_the_terminal_is_not_shown_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, program = Terminal(), typer.main.get_command(app)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(ConfigurationError, match=r"85 columns wide, the terminal 60: .*--output") as refused:
        program.main(["qr", _RECEIPT])
    assert "--output beleg.svg" in refused.value.in_language("de")
    assert not screen.getvalue()
    monkeypatch.setenv("COLUMNS", "85")
    with pytest.raises(SystemExit):
        program.main(["qr", _RECEIPT])
    assert "█" in screen.getvalue()


@TERMINAL
def test_bars_end_before_the_report_begins(shared_shop: Running) -> None:
    assert shared_shop.call("export -o tse.tar").status == 0
    shown = at_a_terminal("verify tse.tar tse.tar", shared_shop)
    bars = re.findall(r"\x1b\[\?25l(.*?)\x1b\[\?25h", shown, re.DOTALL)  # from hiding the cursor to showing it again
    assert len(bars) == 2
    assert all("━" in bar and "messages" not in bar and "=>" not in bar for bar in bars)
    assert "━" not in re.sub(r"\x1b\[\?25l.*?\x1b\[\?25h", "", shown, flags=re.DOTALL)
    assert shown.count("4 messages: 4 valid") == 2
