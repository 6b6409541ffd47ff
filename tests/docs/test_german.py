"""The German pages: each has an English twin, and what is typed there is typed here."""

import re
from pathlib import Path

import pytest

from gateway.i18n.text import Text
from gateway.server.pages import exports, pins, tills
from gateway.server.pages.table import PAGES
from gateway.server.status_page import texts
from tests.deploy.guide import blocks
from tests.docs.markdown import ROOT, code_blocks, links

GERMAN = sorted((ROOT / "docs/de").glob("*.md"))
INDEX = ROOT / "docs/README.md"
LABELS = (
    ("umzug-von-windows.md", (texts.CONNECTION, texts.TOKEN_SHOW, texts.COPY)),
    (
        "im-browser.md",
        (
            *(page.title for page in PAGES),
            *(tills.RELEASE.button, pins.UNBLOCK.title, exports.DELETE.button),
        ),
    ),
    (
        "betriebspruefung.md",
        (
            *(texts.EXPORT, texts.ARCHIVE_EXPORT, texts.DSFINVK, texts.ELSTER, texts.CERTIFICATES),
            *(texts.OUTAGE_LIST, texts.OUTAGE_TABLE, texts.AUDIT),
        ),
    ),
)
_TWIN = re.compile(r"^English: \[[^]]+\]\((?P<target>[^)]+)\)$", re.MULTILINE)


@pytest.mark.parametrize("page", GERMAN, ids=lambda page: page.name)
def test_a_german_page_and_its_english_twin_link_to_each_other(page: Path) -> None:
    twin = _twin(page)
    text = twin.read_text(encoding="utf-8")
    assert page in {link.file for link in links(twin)}
    assert twin == INDEX or re.search(rf"^Deutsch: \[[^]]+\]\([^)]*{page.name}\)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in GERMAN if page.name != "README.md"], ids=lambda page: page.name)
def test_commands_and_files_of_a_german_page_are_those_of_its_twin(page: Path) -> None:
    others = [code for code in code_blocks(page) if code not in code_blocks(_twin(page))]
    assert others == [], "".join(others)


def test_whoever_follows_the_german_installation_types_the_commands_of_the_guide() -> None:
    for way in ("bare", "bare-backup", "bare-restore", "bare-update", "docker"):
        assert blocks(way, "de") == blocks(way, "en")
    assert len(blocks("bare", "de")) > 5


@pytest.mark.parametrize(("name", "labels"), LABELS, ids=[name for name, _ in LABELS])
def test_what_is_clicked_on_the_status_page_is_named_as_there(name: str, labels: tuple[Text, ...]) -> None:
    page = ROOT / "docs/de" / name
    german, english = page.read_text(encoding="utf-8"), _twin(page).read_text(encoding="utf-8")
    assert [label for label in labels if f"**{label.de}**" not in german or f"**{label.en}**" not in english] == []


def _twin(page: Path) -> Path:
    found = _TWIN.search(page.read_text(encoding="utf-8"))
    assert found, "a line of its own: English: [title](path)"
    return (page.parent / found["target"].partition("#")[0]).resolve()
