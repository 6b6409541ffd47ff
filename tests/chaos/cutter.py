"""A TCP relay that cuts connections at random, at every point where it can hurt."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Cutter:
    """Relays 127.0.0.1 to `port`; each relayed piece may be the last, and may be lost itself.

    `cuts` counts them by place: a request that never arrived, an answer that was lost
    after the server had written it (the relay's kernel has acknowledged it, so the
    server believes it delivered), an answer of which half arrived.
    """

    def __init__(self, port: int, chance: float, seed: int) -> None:
        self._port = port
        self._chance = chance
        self._random = random.Random(seed)
        self._pairs: set[asyncio.Task[None]] = set()
        self.cuts: Counter[str] = Counter()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port of the relay."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.gather(*self._pairs, return_exceptions=True)  # the tills have hung up

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        task.add_done_callback(self._pairs.discard)
        upstream, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [
            asyncio.create_task(self._pump(reader, to_server, "request", free=2)),
            asyncio.create_task(self._pump(upstream, writer, "answer", free=3)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            to_server.transport.abort()
            await asyncio.gather(writer.wait_closed(), to_server.wait_closed(), return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, what: str, free: int) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                free -= 1  # the handshake is let through
                if free < 0 and self._random.random() < self._chance:
                    keep = self._random.choice((0, 0, len(data) // 2, len(data)))
                    place = {0: f"{what} lost", len(data): f"cut after {what}"}.get(keep, f"half {what}")
                    self.cuts[place] += 1
                    sink.write(data[:keep])
                    await sink.drain()
                    return
                sink.write(data)
                await sink.drain()
