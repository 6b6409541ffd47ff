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


_COMMENT = re.compile(r"[ \t]+# .*$", re.MULTILINE)


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
    return frozenset(anchor for anchor, _ in _headings(page))


def section(page: Path, anchor: str) -> str:
    """Return the text below a heading of `page`, up to the next one of its level or above.

    Raises:
        KeyError: `page` has no heading with this anchor.
    """
    headings = dict(_headings(page))
    begin = headings[anchor]
    ends = [other.map[0] for other in headings.values() if other.map and other.tag <= begin.tag]
    first = begin.map[0] if begin.map else 0
    lines = page.read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[first + 1 : min((end for end in ends if end > first), default=None)])


def heading(page: Path, anchor: str = "") -> str:
    """Return the heading with this anchor, or the title of `page`; errors as of `section`."""
    at = dict(_headings(page))[anchor].map if anchor else _headings(page)[0][1].map
    return page.read_text(encoding="utf-8").splitlines()[at[0]].lstrip("# ") if at else ""


@cache
def code_blocks(page: Path) -> tuple[str, ...]:
    """Return the fenced blocks of `page` without comments at the ends of lines."""
    return tuple(_COMMENT.sub("", token.content) for token in _parsed(page) if token.type == "fence")


@cache
def _headings(page: Path) -> tuple[tuple[str, Token], ...]:
    tokens = _parsed(page)
    seen: Counter[str] = Counter()
    found = []
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            parts = tokens[at + 1].children or []
            text = "".join(part.content for part in parts if part.type in {"text", "code_inline"})
            name = _NOT_IN_AN_ANCHOR.sub("", text.lower()).replace(" ", "-")
            found.append((f"{name}-{seen[name]}" if seen[name] else name, token))
            seen[name] += 1
    return tuple(found)


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
    return Link(target, file, unquote(anchor))
