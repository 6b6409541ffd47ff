"""Every code that the JSON API may answer with, as the page ERRORS.md.

`python -m gateway.server.api.error_list` writes it.
"""

from pathlib import Path
from typing import NamedTuple

from gateway.errors import CommandRejected, GatewayError, nearest
from gateway.i18n.text import Text
from gateway.server.api.openapi import errors_of
from gateway.server.api.problem_types import HTTP_TITLES, PROBLEM_TYPES
from gateway.server.api.problems import remedy_of
from gateway.server.api.routes import ENDPOINTS
from gateway.tse.results import Result

PAGE = Path(__file__).with_name("ERRORS.md")
_HEAD = """\
# Errors of the JSON API

Each refusal is a problem (RFC 9457, `application/problem+json`). `code` is stable: programs decide by it. `detail` and
`remedy` are for people and may change; `request_id` finds the lines in the gateway's log. `type` leads to the row of
the code in the copy of this page that the gateway serves at `/docs/errors`. This page is written from the code.

What to do by status: 4xx, change the request (409: or the state of the TSE); 503, ask again later, with the same
Idempotency-Key if there was one; 507, make room on the gateway's disk.

| code | status | meaning |
|---|---|---|
"""
_REFUSED = """
## What the TSE itself refuses

Status 409, or 403 for a wrong or blocked PIN or PUK; `device_result` has the number.

| code | number | meaning |
|---|---|---|
"""


_OTHER = Text("another result of the TSE", "ein anderes Ergebnis der TSE")


class ErrorRow(NamedTuple):
    """A code, its HTTP status or the number that the TSE gives, and what it means."""

    code: str
    number: str
    meaning: Text


def of_the_api() -> list[ErrorRow]:
    """Return the errors of the gateway, by code."""
    kinds = {kind for endpoint in ENDPOINTS for kind in errors_of(endpoint)}
    rows = {_row(kind) for kind in kinds if not issubclass(kind, CommandRejected)}
    rows |= {ErrorRow(status.name.lower(), str(int(status)), title) for status, title in HTTP_TITLES.items()}
    return sorted(rows, key=lambda row: row.code)


def of_tses() -> list[ErrorRow]:
    """Return what a TSE itself refuses, by number."""
    named = [ErrorRow(r.name.lower(), f"0x{r.value:04X}", r.explanation) for r in Result if r]
    return [*named, ErrorRow(CommandRejected.code, "", _OTHER)]


def page() -> str:
    """Return the whole page."""
    return _HEAD + _table(of_the_api()) + _REFUSED + _table(of_tses())


def _row(kind: type[GatewayError]) -> ErrorRow:
    status, title = nearest(PROBLEM_TYPES, kind)
    return ErrorRow(kind.code, str(int(status)), title)


def _table(rows: list[ErrorRow]) -> str:
    return "".join(f"| `{row.code}` | {row.number} | {row.meaning.en}{_remedy(row.code)} |\n" for row in rows)


def _remedy(code: str) -> str:
    remedy = remedy_of(code, "en")
    return "" if remedy is None else f". {remedy}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
