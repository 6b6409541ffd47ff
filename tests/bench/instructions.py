"""What requests over TLS cost in instructions of the Python interpreter: no load of the machine changes that.

Counted in the thread of the event loop, by function; what is written in C counts as one instruction, and the exchange
with the TSE has a thread of its own. `python -m tests.bench.instructions` prints sums, and the dearest functions of a
`sendCommand`.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

from tests.bench.served import BlockingClient
from tests.bench.standin import answer_at_once
from tests.bench.till import Till
from tests.lan_client import LanClient
from tests.server.shop import TOKEN, Served, serve, settings_for
from tests.support import set_up

_TIMES, _BEFORE = 10, 5
_SHOWN = 10
KINDS: dict[str, Callable[[Till], None]] = {  # a command is the last one, since it keeps the lock
    "receipt through /api/v1": Till.sign,
    "the same under a key": Till.sign_with_key,
    "receipt over LAN": Till.sell,
    "sendCommand": Till.command,
}


@contextmanager
def counting(counts: "Counter[CodeType]") -> Iterator[None]:
    """Count the instructions of this thread by function."""

    def trace(frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            counts[frame.f_code] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


async def instructions(directory: Path, kinds: Iterable[str] = KINDS) -> "dict[str, Counter[CodeType]]":
    """Instructions of a request or receipt of each of these `KINDS` by function."""
    found: dict[str, Counter[CodeType]] = {}
    async with serve(settings_for(directory)) as served:
        await _make_ready(served)
        client = await asyncio.to_thread(BlockingClient, served.port, TOKEN)
        till = Till(client, served.serial)
        for name in kinds:
            ask, counts = KINDS[name], Counter[CodeType]()
            await asyncio.to_thread(_repeat, ask, till, _BEFORE)
            with counting(counts):
                await asyncio.to_thread(_repeat, ask, till, _TIMES)
            found[name] = Counter({code: round(count / _TIMES) for code, count in counts.items()})
        client.close()
    return found


async def _make_ready(served: Served) -> None:
    lan = LanClient(served.port, TOKEN, served.serial)
    async with lan.locked():
        await set_up(lan.send_command, bytes.fromhex(served.serial), now=int(time.time()))
    await lan.close()


def _repeat(ask: Callable[[Till], None], till: Till, times: int) -> None:
    for _ in range(times):
        ask(till)


async def dearest(directory: Path) -> str:
    """The sums, and the functions that need most of a `sendCommand`, as text."""
    answer_at_once()
    found = await instructions(directory)
    sums = [f"{counts.total():6,} {name}" for name, counts in found.items()]
    shown = [
        f"{count:6,} {Path(code.co_filename).stem}.{code.co_qualname}"
        for code, count in found["sendCommand"].most_common(_SHOWN)
    ]
    return "\n".join(["instructions of the interpreter for one", *sums, "of them", *shown])


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        print(asyncio.run(dearest(Path(scratch))))
