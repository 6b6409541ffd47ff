"""What the queries of the dashboards give, as tables for the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.monitoring.prometheus import Prometheus
from tests.monitoring.test_dashboards import FILES, asked_of, load, panels

_SHOWN = 3  # series of each query
_NAMELESS = {"__name__", "job", "instance", "site"}


def queries(board: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Title of a panel or variable, unit, and query."""
    for variable in board["templating"]["list"]:
        if (variable.get("query") or "").startswith("label_values"):
            yield f"variable {variable['name']}", "", variable["query"]
    for panel in panels(board):
        unit = panel["fieldConfig"]["defaults"].get("unit", "")
        for target in panel["targets"]:
            yield panel["title"], unit, target["expr"]


async def ask_dashboards(server: Prometheus) -> None:
    """Each query of both, and what it gives."""
    console = Console(width=200)
    for path in FILES:
        console.print(await _table(server, path))


async def _table(server: Prometheus, path: Path) -> Table:
    table = Table("panel", "unit", "query", "series", "gives", title=path.stem, show_lines=True)
    empty = 0
    for title, unit, expr in queries(load(path)):
        found = await server.query(asked_of(expr))
        empty += not found
        shown = "\n".join(map(_line, found[:_SHOWN]))
        table.add_row(title, unit, expr, str(len(found)), shown)
    table.caption = f"{table.row_count} queries, {empty} of them give nothing now"
    return table


def _line(series: dict[str, Any]) -> str:
    labels = [
        f"{name}={value[:8] if name == 'serial' else value}"
        for name, value in series["metric"].items()
        if name not in _NAMELESS
    ]
    return f"{float(series['value'][1]):.6g}  {', '.join(labels)}"
