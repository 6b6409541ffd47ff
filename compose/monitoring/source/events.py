"""The table of EVENTS.md, from the code that logs the events."""

from collections.abc import Iterator
from pathlib import Path

from gateway.telemetry.events import Event

PAGE = Path(__file__).parent.parent / "EVENTS.md"
_BEGIN, _END = "<!-- table: python -m compose.monitoring.source -->\n", "<!-- end of table -->\n"


def with_table(page: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "".join(_rows()) + _END + after


def _rows() -> Iterator[str]:
    yield "| event | level | meaning |\n|---|---|---|\n"
    for which in Event:
        yield f"| `{which.value}` | {which.level} | {which.meaning} |\n"
