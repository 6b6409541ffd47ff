"""`python -m tests.hostile [--image IMAGE] [ATTACK ...]`: attack gateways, and tell what their tills felt of it.

Each attack has a gateway of its own, with the memory limit of compose/hardened.yaml: a process in a control group,
where the machine has any for us, or a container of the image that tests/deploy/run-image makes, with the environment
that it sets for podman. Ends with status 1 if one was killed, needed more memory than that, or wrote many lines.
"""

import argparse
import asyncio
import functools
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.hostile.attacker import ATTACKS
from tests.hostile.container import contained
from tests.hostile.memory import limit, limited
from tests.hostile.shop import COLUMNS, Measured, Shop, shop
from tests.lan_client import LanError

_SECONDS = 10.0
_LINES = 10
_RATES = "rates"
Small = Callable[[str], AbstractAsyncContextManager[Shop]]  # a gateway whose token has so many digits
_WRONG = 'tse_gateway_auth_failures_total{reason="wrong"}'
_DIGITS = {"10 digits": "10", "6 digits": "6"}


async def main(names: list[str], image: str | None) -> None:
    small = small_shop if image is None else functools.partial(contained, image)
    console = Console(width=220)
    table = Table(*COLUMNS, title="Receipts in milliseconds, undisturbed and under attack")
    harmed = []
    for name in ATTACKS if not names else [name for name in names if name != _RATES]:
        async with small("0") as running:
            measured = await running.suffer(name, _SECONDS, await running.undisturbed())
        console.print(*measured.line(), sep=" | ")
        table.add_row(*measured.line())
        harmed += [name] if is_harmed(measured) else []
    console.print(table)
    if not names or _RATES in names:
        await rates(console, small)
    sys.exit(f"harmed by: {', '.join(harmed)}" if harmed else 0)


@asynccontextmanager
async def small_shop(token_digits: str) -> AsyncIterator[Shop]:
    """A gateway with the memory of its container."""
    with TemporaryDirectory() as directory:
        async with shop(Path(directory), GATEWAY_TOKEN_DIGITS=token_digits) as running:
            with limited(running.pid):
                yield running  # who was killed sells nothing any more


def is_harmed(measured: Measured) -> bool:
    return measured.peak > limit() or measured.log_lines > _LINES


async def rates(console: Console, small: Small) -> None:
    """How many tokens are judged in a second; how long a new till with the right one waits, refusals included."""
    table = Table("token", "guessers", "judged a second", "a new till waits for, s", "refused", title="Guessing")
    for token, digits in _DIGITS.items():
        for attack in ("guesses", "guesses_of_many"):
            async with small(digits) as running:
                before, began = await running.metric(_WRONG), time.monotonic()
                attacked = asyncio.create_task(running.attacked(attack, 3 * _SECONDS))
                await asyncio.sleep(1)
                waited, refused = await admitted(running)
                await attacked
                judged = (await running.metric(_WRONG) - before) / (time.monotonic() - began)
            table.add_row(token, attack, f"{judged:.1f}", f"{waited:.2f}", str(refused))
    console.print(table)


async def admitted(running: Shop) -> tuple[float, int]:
    """The seconds until a new till was let in, and how often it was refused before: a short token has no place free."""
    began, refused = time.monotonic(), 0
    while True:
        try:
            await running.newcomer()
        except LanError:
            refused += 1
        else:
            return time.monotonic() - began, refused


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.hostile")
    asked.add_argument("--image", help="attack a container of this image")
    asked.add_argument(
        "attacks", nargs="*", choices=[[], *ATTACKS, _RATES], metavar="ATTACK", help=", ".join([*ATTACKS, _RATES])
    )
    given = asked.parse_args()
    asyncio.run(main(given.attacks, given.image))
