"""Every code that the JSON API may answer with, as the page ERRORS.md.

`python -m gateway.server.api.error_list` writes it.
"""

from pathlib import Path

from gateway.errors import CommandRejected, GatewayError, nearest
from gateway.server.api.openapi import errors_of
from gateway.server.api.problems import HTTP_TITLES, PROBLEM_TYPES
from gateway.server.api.routes import ENDPOINTS
from gateway.tse.results import Result

PAGE = Path(__file__).with_name("ERRORS.md")
_HEAD = """\
# Errors of the JSON API

Each refusal is a problem (RFC 9457, `application/problem+json`). `code` is stable: programs decide by it. `detail` is
for people and may change; `request_id` finds the lines in the gateway's log. This page is written from the code.

What to do by status: 4xx, change the request (409: or the state of the TSE); 503, ask again later, with the same
Idempotency-Key if there was one; 507, make room on the gateway's disk.

| code | status | meaning |
|---|---|---|
"""
_REFUSED = """
## What the TSE itself refuses

Status 409, or 403 for a wrong or blocked PIN or PUK; `device_result` has the number. A result without a name here is
`command_rejected`.

| code | number | meaning |
|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    kinds = {kind for endpoint in ENDPOINTS for kind in errors_of(endpoint)}
    rows = {_row(kind) for kind in kinds if not issubclass(kind, CommandRejected)}
    rows |= {(status.name.lower(), str(int(status)), title) for status, title in HTTP_TITLES.items()}
    refused = [(r.name.lower(), f"0x{r.value:04X}", r.explanation) for r in Result if r]
    return _HEAD + _table(sorted(rows)) + _REFUSED + _table(refused)


def _row(kind: type[GatewayError]) -> tuple[str, str, str]:
    status, title = nearest(PROBLEM_TYPES, kind)
    return kind.code, str(int(status)), title


def _table(rows: list[tuple[str, str, str]]) -> str:
    return "".join(f"| `{code}` | {number} | {meaning} |\n" for code, number, meaning in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
