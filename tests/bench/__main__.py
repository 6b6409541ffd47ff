"""`python -m tests.bench [--against CHECKOUT] [ROW ...]`: how fast the gateway is, and where a command spends it.

The checkouts are measured in turn, beside bare aiohttp and the TSE alone, so that their ratios count on any machine.
Files lie below --scratch: by default in memory, so that what the disk takes is not measured, except for `durable`.
"""

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.bench.crypto import crypto
from tests.bench.growth import connections, messages, tses
from tests.bench.instructions import dearest
from tests.bench.receipts import computing, receipts, stick
from tests.bench.rows import ROWS as RATIOS
from tests.bench.served import HERE

ROWS = {
    "receipts": receipts,
    "stick": stick,
    "computing": computing,
    "crypto": crypto,
    **RATIOS,
    "connections": connections,
    "tses": tses,
    "messages": messages,
}


async def main(names: list[str], checkouts: list[Path], memory: str) -> None:
    """Measure the rows and print them."""
    titles = ["now"] if len(checkouts) == 1 else ["before", "now"]
    table = Table("what", "unit", *titles, "must be", title="median (least to most)")
    console = Console(width=140)
    for name in names or ROWS:
        with TemporaryDirectory(dir=None if name == "durable" else memory) as scratch:
            for row in await ROWS[name](checkouts, Path(scratch)):
                console.print(" | ".join(row.cells()), markup=False)
                table.add_row(*row.cells())
    console.print(table)
    if not names or "commands" in names:
        with TemporaryDirectory(dir=memory) as scratch:
            console.print(await dearest(Path(scratch)), markup=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default: all")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure this one as well, as `before`")
    parser.add_argument("--scratch", default="/dev/shm", metavar="DIRECTORY")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    before = [] if options.against is None else [options.against.resolve()]
    asyncio.run(main(options.rows, [*before, HERE], options.scratch))
