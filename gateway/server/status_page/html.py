"""The page as a tree of elements, written as HTML once and then sent as JSON; static/patch.js applies it.

Text is text in both, so nothing that a client or a TSE sent can become markup.
"""

import functools
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

_VOID = frozenset({"br", "img", "input", "link", "meta"})  # elements without an end tag (HTML Living Standard, 13.1.2)


class HtmlElement(NamedTuple):
    """One element; neighbouring texts are one text, as in a browser."""

    tag: str
    attributes: Mapping[str, str]
    children: tuple["HtmlElement | str", ...]


def el(tag: str, *children: HtmlElement | str | None, **attributes: str | bool | None) -> HtmlElement:
    """Return an element without its empty children.

    The attribute `class_` is written class, `data_x` data-x; True is an attribute without value, None and False none.
    """
    plain = {}
    for name, value in attributes.items():
        if value is not None and value is not False:
            plain[_attribute_name(name)] = "" if value is True else str(value)
    return HtmlElement(tag, plain, _merged(children))


def as_html(node: HtmlElement | str) -> str:
    """Return the node as HTML."""
    if isinstance(node, str):
        return escape(node)
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in node.attributes.items())
    if node.tag in _VOID:
        return f"<{node.tag}{attributes}>"
    return f"<{node.tag}{attributes}>{''.join(map(as_html, node.children))}</{node.tag}>"


def as_plain(node: HtmlElement | str) -> object:
    """Return the node as JSON data: a text, or [tag, attributes, children]."""
    if isinstance(node, str):
        return node
    return [node.tag, dict(node.attributes), [as_plain(child) for child in node.children]]


@functools.cache
def _attribute_name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _merged(children: tuple[HtmlElement | str | None, ...]) -> tuple[HtmlElement | str, ...]:
    merged: list[HtmlElement | str] = []
    for child in children:
        if not child:
            continue
        if isinstance(child, str) and merged and isinstance(merged[-1], str):
            merged[-1] += child
        else:
            merged.append(child)
    return tuple(merged)
