"""The table of METRICS.md, from the code that exports the series."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric

PAGE = Path(__file__).parent.parent / "METRICS.md"
_BEGIN, _END = "<!-- table: python -m compose.monitoring.source -->\n", "<!-- end of table -->\n"


def with_table(page: str, families: Iterable[Metric]) -> str:
    """Return the page with its table made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "".join(_rows(families)) + _END + after


def _rows(families: Iterable[Metric]) -> Iterator[str]:
    yield "| metric | type | meaning |\n|---|---|---|\n"
    for family in sorted(families, key=lambda family: family.name):
        name = family.name + "_total" * (family.type == "counter")
        yield f"| `{name}` | {family.type} | {family.documentation} |\n"
