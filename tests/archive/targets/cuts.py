"""A TCP proxy that cuts connections after a random number of bytes."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_MOST = 20_000_000  # bytes of a connection


class CuttingProxy:
    """Listens at `port`; `cuts` counts the connections that it cut."""

    def __init__(self, behind: int) -> None:
        self.port = 0
        self.cuts = 0
        self._behind = behind
        self._connections = set[asyncio.Task[None] | None]()  # the loop holds them only weakly
        self._up, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        self._up.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._end.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.current_task())
        with suppress(OSError):
            there, here = await asyncio.open_connection("127.0.0.1", self._behind)
            left = [random.randrange(_MOST)]
            try:
                await asyncio.gather(self._pump(reader, here, left), self._pump(there, writer, left))
            finally:
                here.transport.abort()
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]) -> None:
        while data := await reader.read(65_536):
            left[0] -= len(data)
            if left[0] < 0:
                self.cuts += 1
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()


@contextmanager
def cutting_proxy(behind: int) -> Iterator[CuttingProxy]:
    """Run one before the server at the port `behind`."""
    proxy = CuttingProxy(behind)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
