"""Every relative link of every page leads to a file and a heading that there are."""

from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    assert [link.text for link in links(page) if not link.file.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    within = [link for link in links(page) if link.anchor and link.file.suffix == ".md" and link.file.exists()]
    assert [link.text for link in within if link.anchor not in anchors(link.file)] == []


def test_links_are_found() -> None:
    assert sum(len(links(page)) for page in PAGES) > 100
