"""`python -m tests.hostile [ATTACK ...]`: attack gateways, and print a table of what their tills felt of it."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.hostile.attacker import ATTACKS
from tests.hostile.shop import COLUMNS, shop

_SECONDS = 10.0


async def main(names: list[str]) -> None:
    console = Console(width=220)
    table = Table(*COLUMNS, title="Receipts in milliseconds, undisturbed and under attack")
    for name in names or list(ATTACKS):
        with TemporaryDirectory() as directory:
            async with shop(Path(directory)) as running:
                measured = await running.suffer(name, _SECONDS, await running.undisturbed())
        console.print(*measured.line(), sep=" | ")
        table.add_row(*measured.line())
    console.print(table)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
