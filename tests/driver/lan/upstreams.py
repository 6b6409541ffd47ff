"""Upstreams: a whole gateway over a simulated TSE, a relay that cuts, a connector with fixed answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from pydantic import SecretStr

from gateway.access.lan_token import Token
from gateway.access.tokens import Tokens
from gateway.config.settings import Settings
from gateway.driver.lan.upstream import Upstream
from gateway.driver.usb.block import BlockDriver, Deadlines
from gateway.fleet.registry import Attachment, DeviceTimes, Registry
from gateway.operations.lan import LanTse
from gateway.server.http import application, certificate_authority, tls
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics

TOKEN = "upstream-token-4711"


@dataclass(frozen=True)
class Served:
    """A running gateway."""

    registry: Registry
    settings: Settings
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        return certificate_authority.ca_path(self.settings.state_dir / "tls")

    @property
    def fingerprint(self) -> str:
        return tls.fingerprint(self.settings)

    def upstream(self, port: int | None = None) -> Upstream:
        """As a shop would set it up, perhaps by way of another port."""
        url = self.url if port is None else f"https://127.0.0.1:{port}"
        return Upstream(url, SecretStr(TOKEN), ca_file=self.ca_file)


@asynccontextmanager
async def gateway_with(
    attachments: Iterable[Attachment], state_dir: Path, times: DeviceTimes | None = None, **given: Any
) -> AsyncIterator[Served]:
    """A gateway whose TSEs are at `attachments`, on a free port of this host."""
    values = {"state_dir": state_dir, "port": 0, "bind": "127.0.0.1", "address": "127.0.0.1", "stop_timeout": 5}
    settings = Settings.model_validate(values | given)
    context = tls.server_context(settings)
    metrics = Metrics()
    registry = Registry(metrics, times or DeviceTimes(refresh=3600))
    try:
        await registry.reconcile(attachments)
        lan = LanTse(registry, metrics, lock_wait=settings.lock_wait)
        app = application.build(settings, lan, registry, metrics, Tokens(Token(TOKEN)), auth_delay=0.01)
        async with application.serving(app, settings, context) as port:
            yield Served(registry, settings, port)
    finally:
        await registry.close()


def gateway_over(
    tse: SimulatedTse, state_dir: Path, *, deadlines: Deadlines | None = None, **given: Any
) -> AbstractAsyncContextManager[Served]:
    """A gateway that has `tse` plugged in."""
    attachment = Attachment(
        "usb", lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name="upstream tse", deadlines=deadlines)
    )
    return gateway_with([attachment], state_dir, **given)


class Relay:
    """Relays 127.0.0.1 to `port`; cuts every connection when the next bytes of `cut_at` (request, answer) come.

    A deaf one takes connections and does nothing with them.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._ways: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.cut_at = ""
        self.connections = 0
        self.deaf = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port of the relay."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self.cut()
            await asyncio.gather(*self._ways, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections now."""
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        if self.deaf:
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.add(far_writer)
        for source, sink, name in ((reader, far_writer, "request"), (far_reader, writer, "answer")):
            way = asyncio.create_task(self._pump(source, sink, name))
            self._ways.add(way)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, name: str) -> None:
        try:
            while data := await source.read(1 << 16):
                if name == self.cut_at:
                    self.cut_at = ""
                    self.cut()
                    return
                sink.write(data)
                await sink.drain()
        except OSError:
            return
        finally:
            sink.transport.abort()


@dataclass(frozen=True)
class Reply:
    """What a connector of another maker might answer."""

    status: int = 200
    body: bytes = b"{}"
    after: asyncio.Event | None = None


class Asked(NamedTuple):
    """One request as it came: the last part of its path."""

    name: str
    authorization: str
    body: bytes


class Connector:
    """A server of the protocol with fixed answers by the last part of the path; `asked` tells what came."""

    def __init__(self, replies: dict[str, Reply]) -> None:
        self.replies = {"lock": Reply(body=b'{"data": 7}'), "unlock": Reply()} | replies
        self.asked: list[Asked] = []

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext) -> AsyncIterator[int]:
        """The port that it listens on."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.path.rsplit("/", 1)[-1]
        self.asked.append(Asked(name, request.headers.get("Authorization", ""), await request.read()))
        reply = self.replies[name]
        if reply.after is not None:
            await reply.after.wait()
        return web.Response(status=reply.status, body=reply.body, headers={"Location": "/elsewhere/sendCommand"})
