"""What the pages say of the code is so: settings, commands, and that each page can be found."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.commands import app
from gateway.i18n.text import LANGUAGES, Language
from tests.docs import settings_page
from tests.docs.markdown import PAGES, ROOT, links
from tests.docs.settings_schema import SCHEMA, with_settings

README, INDEX = ROOT / "README.md", ROOT / "docs/README.md"
# What the index links to may lead on: to package pages, and to pages on tests.
HUBS = (README, INDEX, ROOT / "gateway/README.md", ROOT / "CONTRIBUTING.md", ROOT / "compose/monitoring/README.md")
FOR_FORMS = {page for page in PAGES if ".github" in page.parts}
_SOURCES = {ROOT / "tests/recordings/samples/SOURCES.md"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_settings_lists_each_with_its_default_and_meaning(language: Language) -> None:
    page = settings_page.PAGES[language].read_text(encoding="utf-8")
    assert settings_page.with_table(page, language) == page, "run python -m tests.docs.settings_page"
    assert page.count("| `GATEWAY_") > 40
    assert "| None |" not in page


def test_the_schema_of_the_chart_knows_each_setting() -> None:
    schema = SCHEMA.read_text(encoding="utf-8")
    assert with_settings(schema) == schema, "run python -m tests.docs.settings_page"


def test_the_page_of_the_command_line_tells_each_command() -> None:
    told = re.findall(r"`([^`]*)`", (ROOT / "docs/administrators/command-line.md").read_text(encoding="utf-8"))
    names = {text.removeprefix("tse-gateway ") for text in told}
    missing = [name for name in _leaves(typer.main.get_command(app)) if not any(_names(told, name) for told in names)]
    assert missing == []


def test_the_readme_leads_to_the_index_and_the_index_to_each_page_for_readers() -> None:
    assert INDEX in _reached(README)
    for_readers = {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - {INDEX}
    assert for_readers - _reached(INDEX) == set()


def test_each_page_is_one_hop_from_a_page_of_the_index() -> None:
    assert set(HUBS) - {README, INDEX} <= _reached(INDEX)
    packages = (ROOT / "gateway").glob("*/README.md")
    found = {page for hub in (*HUBS, *packages) for page in _reached(hub)}
    lost = set(PAGES) - found - {README} - FOR_FORMS - _SOURCES
    assert lost == set(), "link it in docs/README.md, gateway/README.md (a package) or CONTRIBUTING.md (tests)"


def test_modules_and_files_that_the_architecture_page_names_are_there() -> None:
    named = re.findall(r"`([a-z_]+(?:/[\w.-]+)+/?)`", (ROOT / "gateway/README.md").read_text(encoding="utf-8"))
    places = (ROOT / "gateway", ROOT)
    missing = [
        name for name in named if not any((at / f"{name}{end}").exists() for at in places for end in ("", ".py"))
    ]
    assert missing == []
    assert len(named) > 20


def test_the_architecture_page_has_a_line_for_each_part_of_the_package() -> None:
    package = ROOT / "gateway"
    parts = {path for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    told = {link.file for link in links(package / "README.md")}
    assert {path.name for path in parts - told} == {"__init__.py", "__main__.py"}


def _reached(page: Path) -> set[Path]:
    """Pages that `page` links to; a link to a folder shows the README in it."""
    return {link.file / "README.md" if link.file.is_dir() else link.file for link in links(page)}


def _leaves(command: Any, path: tuple[str, ...] = ()) -> list[str]:
    children = getattr(command, "commands", {})
    return [leaf for name, child in children.items() for leaf in _leaves(child, (*path, name))] or [" ".join(path)]


def _names(told: str, command: str) -> bool:
    return f"{told} ".startswith(f"{command} ")
