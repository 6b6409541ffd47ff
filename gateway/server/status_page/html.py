"""What stands on the page, as a tree: written as HTML once, then sent as JSON and put into place by static/patch.js.

Text is text in both, so nothing that a client or a TSE told can become markup.
"""

import functools
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

_VOID = frozenset({"input", "link", "meta"})


class Element(NamedTuple):
    """One element; neighbouring texts are one text, as in a browser."""

    tag: str
    attributes: Mapping[str, str]
    children: tuple["Element | str", ...]


def el(tag: str, *children: Element | str | None, **attributes: str | bool | None) -> Element:
    """An element. `class_` is spelled class, `data_x` data-x; True is an attribute without value, None is none."""
    plain = {}
    for name, value in attributes.items():
        if value is not None and value is not False:
            plain[_spelled(name)] = "" if value is True else str(value)
    return Element(tag, plain, _merged(children))


def as_html(node: Element | str) -> str:
    """As it stands in a document."""
    if isinstance(node, str):
        return escape(node)
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in node.attributes.items())
    if node.tag in _VOID:
        return f"<{node.tag}{attributes}>"
    return f"<{node.tag}{attributes}>{''.join(map(as_html, node.children))}</{node.tag}>"


def as_plain(node: Element | str) -> object:
    """For JSON: a text, or [tag, attributes, children]."""
    if isinstance(node, str):
        return node
    return [node.tag, dict(node.attributes), [as_plain(child) for child in node.children]]


@functools.cache
def _spelled(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _merged(children: tuple[Element | str | None, ...]) -> tuple[Element | str, ...]:
    merged: list[Element | str] = []
    for child in children:
        if not child:
            continue
        if isinstance(child, str) and merged and isinstance(merged[-1], str):
            merged[-1] += child
        else:
            merged.append(child)
    return tuple(merged)
