"""What the pages say of the code is so: settings, commands, and that each page can be found."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.commands import app
from tests.docs.markdown import PAGES, ROOT, links
from tests.docs.settings_page import PAGE, with_table

INDEX = ROOT / "docs/README.md"
FOR_READERS = [page for page in PAGES if page.is_relative_to(ROOT / "docs") or page.parent.name in {"compose", "udev"}]


def test_the_page_of_settings_lists_each_with_its_default_and_meaning() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "run python -m tests.docs.settings_page"
    assert page.count("| `GATEWAY_") > 40
    assert "| None |" not in page


def test_the_page_of_the_command_line_tells_each_command() -> None:
    told = re.findall(r"`([^`]*)`", (ROOT / "docs/administrators/command-line.md").read_text(encoding="utf-8"))
    names = {text.removeprefix("tse-gateway ") for text in told}
    missing = [name for name in _leaves(typer.main.get_command(app)) if not any(_names(told, name) for told in names)]
    assert missing == []


@pytest.mark.parametrize("page", [page for page in FOR_READERS if page != INDEX], ids=str)
def test_each_page_for_readers_is_in_the_index(page: Path) -> None:
    assert page in {link.file for link in links(INDEX)}


def test_the_readme_leads_to_the_index() -> None:
    assert INDEX in {link.file for link in links(ROOT / "README.md")}


def _leaves(command: Any, path: tuple[str, ...] = ()) -> list[str]:
    children = getattr(command, "commands", {})
    return [leaf for name, child in children.items() for leaf in _leaves(child, (*path, name))] or [" ".join(path)]


def _names(told: str, command: str) -> bool:
    return f"{told} ".startswith(f"{command} ")
