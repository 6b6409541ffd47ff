"""Tables as wide as the terminal: broken between words only; what has no room beside each other stands below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.cli.formatting import broken

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as Styled

_GAP = 2  # spaces between columns


def show(console: "Console", heads: "Sequence[Styled]", rows: "Sequence[Sequence[Styled]]") -> None:
    """Print rows below their heads, without columns that are empty.

    If a word would have to be broken, each row becomes a list of heads and values.
    """
    kept = [number for number in range(len(heads)) if not (any(heads) and rows) or any(row[number] for row in rows)]
    heads, rows = [heads[number] for number in kept], [[row[number] for number in kept] for row in rows]
    if not kept or _show_columns(console, heads, rows):
        return
    for number, row in enumerate(rows):
        if number and any(heads):
            console.print()
        pairs = [(head, cell) for head, cell in zip(heads, row, strict=True) if cell] if any(heads) else [tuple(row)]
        if any(heads) and pairs and _show_columns(console, (), pairs):
            continue
        for pair in pairs:
            line = (" " * _GAP).join(cell.plain for cell in pair)
            console.print(broken(line, console.width), soft_wrap=True, markup=False)


def _show_columns(console: "Console", heads: "Sequence[Styled]", rows: "Sequence[Sequence[Styled]]") -> bool:
    """Print a table and return True; False if it does not fit."""
    from rich.table import Table
    from rich.text import Text as Styled

    names = heads or [Styled()] * len(rows[0])
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    measured = [_measured(str(name), column) for name, column in zip(names, columns, strict=True)]
    widths = _fitted(measured, console.width - _GAP * (len(names) - 1))
    if widths is None:
        return False
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=any(heads), header_style="bold")
    for name, width in zip(names, widths, strict=True):
        table.add_column(name, width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return True


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a column needs: for its longest word, for its cells in one line each, for its head in one line, too."""

    least: int
    cells: int
    whole: int


def _measured(head: str, column: "Sequence[Styled]") -> _Measured:
    from rich.cells import cell_len

    texts = [cell.plain for cell in column]
    least = max((cell_len(word) for text in (head, *texts) for word in text.split()), default=0)
    cells = max((cell_len(line) for text in texts for line in text.splitlines()), default=0)
    return _Measured(least, max(least, cells), max(least, cells, cell_len(head)))


def _fitted(columns: Sequence[_Measured], room: int) -> list[int] | None:
    """Return widths that fill `room` at most: first heads are broken, then the widest; None if a word does not fit."""
    widths = [column.whole for column in columns]
    if sum(widths) > room:
        widths = [column.cells for column in columns]
    while sum(widths) > room:
        wide = [number for number, column in enumerate(columns) if widths[number] > column.least]
        if not wide:
            return None
        widths[max(wide, key=lambda number: widths[number])] -= 1
    return widths
