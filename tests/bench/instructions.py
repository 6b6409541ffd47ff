"""What one `sendCommand` over TLS costs in instructions of the Python interpreter: no load of the machine changes that.

Counted in the thread of the event loop, by function; what is written in C counts as one instruction, and the exchange
with the TSE has a thread of its own. `python -m tests.bench.instructions` prints the dearest functions.
"""

import asyncio
import base64
import http.client
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

from tests.bench.layers import COMMAND
from tests.bench.standin import answer_at_once
from tests.lan_client import BASE, trusting
from tests.server.shop import TOKEN, Served, serve, settings_for

_REQUESTS, _BEFORE = 40, 20
_SHOWN = 10


class Client:
    """One kept connection, for a thread that is not counted."""

    def __init__(self, served: Served) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=trusting())
        login = base64.b64encode(f"lantse:{TOKEN}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        session = json.loads(self._ask("GET", f"{BASE}/tse/{served.serial}/lock"))["data"]
        self._path = f"{BASE}/tse/{served.serial}/{session}/sendCommand"

    def send(self, times: int) -> None:
        """Send the command so many times, one after the other."""
        body = json.dumps({"data": base64.b64encode(COMMAND).decode()}).encode()
        for _ in range(times):
            self._ask("POST", self._path, body)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        with self._connection.getresponse() as answer:
            assert answer.status == 200
            return answer.read()


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


async def instructions(directory: Path) -> "Counter[CodeType]":
    """Instructions of one request by function, of an instant TSE."""
    counts: Counter[CodeType] = Counter()
    async with serve(settings_for(directory)) as served:
        client = await asyncio.to_thread(Client, served)
        await asyncio.to_thread(client.send, _BEFORE)
        with counting(counts):
            await asyncio.to_thread(client.send, _REQUESTS)
        client.close()
    return Counter({code: round(count / _REQUESTS) for code, count in counts.items()})


async def dearest(directory: Path) -> str:
    """The sum and the functions that need most of it, as text."""
    answer_at_once()
    counts = await instructions(directory)
    shown = [
        f"{count:6,} {Path(code.co_filename).stem}.{code.co_qualname}" for code, count in counts.most_common(_SHOWN)
    ]
    return "\n".join([f"{counts.total():6,} instructions of the interpreter for one sendCommand, of them", *shown])


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        print(asyncio.run(dearest(Path(scratch))))
