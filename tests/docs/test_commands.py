"""Commands, options and settings that the pages name are there."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.commands import app
from gateway.config.settings import Settings
from gateway.config.sources import setting_names
from tests.docs.markdown import PAGES, ROOT

TODAY = [page for page in PAGES if page != ROOT / "CHANGELOG.md" and not page.is_relative_to(ROOT / "tests")]
_CALL = re.compile(r"(?:^|(?<=[\s`]))(?:tse-gateway|python -m gateway) +(?P<words>[a-z][^`|;&\n)]*)", re.MULTILINE)
_COMMENT = re.compile(r"\s+#|  +")
_SETTING = re.compile(r"\bGATEWAY_([A-Z_]*[A-Z])\b")
# GATEWAY_CONFIG names the file of the others, GATEWAY_LANGUAGE the language of commands.
_SETTINGS = {*setting_names(Settings), "config", "language"}


@pytest.mark.parametrize("page", TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_that_a_page_names_takes_the_options_that_it_is_given(page: Path) -> None:
    calls = [_COMMENT.split(found["words"])[0] for found in _CALL.finditer(page.read_text(encoding="utf-8"))]
    assert [call for call in calls if not _is_known(call.split())] == []


@pytest.mark.parametrize("page", TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_setting_that_a_page_names_is_one(page: Path) -> None:
    names = {name.lower() for name in _SETTING.findall(page.read_text(encoding="utf-8"))}
    assert names - _SETTINGS == set()


def test_a_command_and_an_option_that_are_not_there_are_found() -> None:
    assert _is_known(["token", "rotate", "lan", "--days", "7"])
    assert not _is_known(["token", "turn", "lan"])
    assert not _is_known(["token", "rotate", "lan", "--weeks", "1"])


def _is_known(words: list[str]) -> bool:
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command, words = command.commands.get(words[0]), words[1:]
    if command is None:
        return False
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return all(word.partition("=")[0].rstrip(",.:") in options for word in words if re.match(r"--?[a-z]", word))
