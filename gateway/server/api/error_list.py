"""Every code that the JSON API may answer with, as the page ERRORS.md.

`python -m gateway.server.api.error_list` writes it.
"""

from http import HTTPStatus
from pathlib import Path

from gateway.errors import CommandRejected, GatewayError
from gateway.server.api.openapi import errors_of
from gateway.server.api.problems import codes_of, statuses_of, title_of
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
_DEFECT = "The gateway made an error; its log tells more"
_BY_HTTP = (
    (HTTPStatus.NOT_FOUND, "There is no such path"),
    (HTTPStatus.METHOD_NOT_ALLOWED, "The path knows other methods: see the header Allow"),
    (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is longer than the setting max_body_bytes allows"),
    (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Bodies are application/json"),
)


def page() -> str:
    """The whole page."""
    kinds = {kind for endpoint in ENDPOINTS for kind in errors_of(endpoint)}
    rows = {row for kind in kinds for row in _rows(kind)}
    rows |= {(status.name.lower(), str(int(status)), meaning) for status, meaning in _BY_HTTP}
    refused = [(r.name.lower(), f"0x{r.value:04X}", r.explanation) for r in Result if r]
    return _HEAD + _table(sorted(rows)) + _REFUSED + _table(refused)


def _rows(kind: type[GatewayError]) -> list[tuple[str, str, str]]:
    if issubclass(kind, CommandRejected):
        return []
    status = ", ".join(str(int(status)) for status in sorted(statuses_of(kind)))
    if kind is GatewayError:
        return [(kind.code, status, _DEFECT)]
    meant = {known.code: title_of(known) for known in (*kind.__subclasses__(), kind)}
    return [(code, status, meant.get(code, title_of(kind))) for code in codes_of(kind)]


def _table(rows: list[tuple[str, str, str]]) -> str:
    return "".join(f"| `{code}` | {number} | {meaning} |\n" for code, number, meaning in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
