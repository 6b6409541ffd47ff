"""A page for people who print it: one HTML file that loads nothing and runs nothing."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from gateway.i18n.text import Language

STYLE = """
body { font: 10pt/1.4 sans-serif; color: #000; background: #fff; margin: 2em auto; padding: 0 1em; max-width: 70em; }
h1 { font-size: 15pt; margin: 0; } .law { margin: 0 0 1.5em; }
h2 { font-size: 12pt; margin: 1.5em 0 .3em; overflow-wrap: anywhere; break-after: avoid; }
h3 { font-size: 10pt; margin: 1em 0 .3em; break-after: avoid; }
dl { display: grid; grid-template-columns: max-content auto; gap: .2em 1.5em; }
dt { font-weight: bold; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: 1.5em 0; } thead { display: table-header-group; }
h3 + table { margin-top: 0; }
th, td { border: 1px solid #888; padding: .3em .5em; text-align: left; vertical-align: top; } th { background: #eee; }
tr { break-inside: avoid; } .serial { font-family: monospace; overflow-wrap: anywhere; max-width: 18em; }
.place { font: 8pt/1.3 monospace; overflow-wrap: anywhere; } .result { font-weight: bold; }
.number { text-align: right; } footer { font-size: 8.5pt; }
@page { size: A4 landscape; margin: 15mm; } @media print { body { margin: 0; padding: 0; max-width: none; } }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def page(title: str, subtitle: str, body: str, footer: str, language: Language) -> str:
    """Return a whole page; `body` is HTML, everything else plain text."""
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f'<body><h1>{escape(title)}</h1>\n<p class="law">{escape(subtitle)}</p>\n{body}\n'
        f"<footer><p>{escape(footer)}</p></footer></body></html>\n"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values, given as plain text."""
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{listed}</dl>"


def table(heads: Iterable[str], rows: Iterable[str]) -> str:
    """Return a table; heads are plain text, rows HTML."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{chr(10).join(rows)}\n</tbody></table>"
