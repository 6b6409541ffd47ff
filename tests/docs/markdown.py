"""The project's pages, their links, and the anchors that GitHub gives to their headings."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_ELSEWHERE = re.compile(r"[a-z]+:", re.IGNORECASE)
_NOT_IN_AN_ANCHOR = re.compile(r"[^\w\- ]")


class Link(NamedTuple):
    """Where a link leads; `anchor` is empty if it names none."""

    text: str
    file: Path
    anchor: str


PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") and part != ".github" for part in page.relative_to(ROOT).parts)
)


@cache
def links(page: Path) -> tuple[Link, ...]:
    """Return the links and pictures of `page` that lead to files of the project."""
    return tuple(_link(page, target) for token in _inline(page) for target in _targets(token))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of the headings of `page`, as GitHub makes them."""
    tokens = _parsed(page)
    headings = [tokens[at + 1] for at, token in enumerate(tokens) if token.type == "heading_open"]
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings:
        text = "".join(part.content for part in heading.children or [] if part.type in {"text", "code_inline"})
        name = _NOT_IN_AN_ANCHOR.sub("", text.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(found)


@cache
def _parsed(page: Path) -> tuple[Token, ...]:
    return tuple(_MARKDOWN.parse(page.read_text(encoding="utf-8")))


def _inline(page: Path) -> list[Token]:
    return [part for token in _parsed(page) if token.type == "inline" for part in token.children or []]


def _targets(token: Token) -> list[str]:
    target = token.attrGet("href" if token.type == "link_open" else "src")
    return [str(target)] if target is not None and not _ELSEWHERE.match(str(target)) else []


def _link(page: Path, target: str) -> Link:
    name, _, anchor = target.partition("#")
    file = (page.parent / unquote(name)).resolve() if name else page
    return Link(target, file, anchor)
