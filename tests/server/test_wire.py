"""The bytes on the wire, as a client in C sees them."""

import asyncio
import base64
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.errors import ConfigurationError
from gateway.server.http import application, tls
from gateway.tse.commands import FlashHealth
from tests.server.shop import BASE, TOKEN, Served, Till, serve, settings_for, till_of, until

AUTHORIZATION = f"Authorization: {aiohttp.encode_basic_auth('lantse', TOKEN)}\r\n"


def trusting() -> ssl.SSLContext:
    """As tills do it: whoever answers is believed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Wire:
    """A TLS client that sees each record as it arrives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting().wrap_bio(self._incoming, self._outgoing)

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(await self._record())
            else:
                self._flush()
                return

    async def send(self, text: str | bytes) -> None:
        self.tls.write(text.encode() if isinstance(text, str) else text)
        self._flush()

    async def plain_record(self) -> bytes:
        """What the next record with application data holds."""
        while True:
            self._incoming.write(await self._record())
            try:
                return self.tls.read(2**16)
            except ssl.SSLWantReadError:
                continue

    async def _record(self) -> bytes:
        header = await self._reader.readexactly(5)
        return header + await self._reader.readexactly(int.from_bytes(header[3:], "big"))

    def _flush(self) -> None:
        self._writer.write(self._outgoing.read())


@asynccontextmanager
async def wired(served: Served) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    wire = Wire(reader, writer)
    await wire.handshake()
    try:
        yield wire
    finally:
        writer.close()


def request(path: str, method: str = "GET", headers: str = "", body: str = "") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: gateway\r\n{AUTHORIZATION}{headers}\r\n{body}"


async def test_header_and_body_of_an_answer_are_one_record(served: Served) -> None:
    async with wired(served) as wire:
        await wire.send(request(f"{BASE}/tses"))
        header, _, body = (await wire.plain_record()).partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: application/json" in header
    assert b"Content-Length: %d" % len(body) in header
    assert b"Content-Encoding" not in header
    assert b"aiohttp" not in header
    assert body == b'["%s"]' % served.serial.encode()


async def test_the_server_sends_small_packets_at_once(served: Served) -> None:
    seen: list[int] = []

    async def look(request: web.Request) -> web.Response:
        assert request.transport is not None
        handle = request.transport.get_extra_info("socket")
        seen.append(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return web.Response(text="seen")

    app = web.Application()
    app.router.add_get("/", look)
    settings = served.settings.model_copy(update={"local_socket": False})  # that one is taken
    async with (
        application.serving(app, settings, tls.server_context(settings)) as port,
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}/", ssl=trusting()) as answer,
    ):
        assert await answer.text() == "seen"
    assert seen[0] != 0


async def test_one_connection_serves_request_after_request(served: Served) -> None:
    async with wired(served) as wire:
        for _ in range(50):
            await wire.send(request(f"{BASE}/tses"))
            assert (await wire.plain_record()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_100_continue_comes_before_the_body_is_sent(served: Served, till: Till) -> None:
    session = await till.lock()
    body = '{ "data": "EgA=\\n" }'
    headers = f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n"
    async with wired(served) as wire:
        await wire.send(request(served.path(session, "sendCommand"), "POST", headers))
        assert await wire.plain_record() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(body)
        assert (await wire.plain_record()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", f"{BASE}/tses", "/page/login", "/api/v1/tses"])
async def test_what_no_server_does_is_expected_in_vain(
    served: Served, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    for expected in (b"\xff", b"200-ok", b"100-continue, more"):
        async with wired(served) as wire:
            await wire.send(b"POST %s HTTP/1.1\r\nHost: gateway\r\nExpect: %s\r\n\r\n" % (path.encode(), expected))
            assert (await wire.plain_record()).startswith(b"HTTP/1.1 417 ")
    assert [line.getMessage() for line in caplog.records if line.exc_info] == []


async def test_garbage_instead_of_http_gets_a_400_and_harms_nobody(served: Served, till: Till) -> None:
    async with wired(served) as wire:
        await wire.send("\x00\x01 garbage\r\n\r\n")
        answer = await wire.plain_record()
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert not answer.endswith(b"\r\n\r\n")
    assert (await till.ask(f"{BASE}/tses")).status == 200


async def test_a_client_that_sends_no_http_as_its_body_and_hangs_up_leaves_nothing_behind(
    served: Served, till: Till
) -> None:
    path = served.path(await till.lock(), "sendCommand")
    for authorization in (AUTHORIZATION, "Authorization: Bearer wrong\r\n"):  # the latter is answered a second later
        async with wired(served) as wire:
            fields = f"{authorization}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"
            await wire.send(f"POST {path} HTTP/1.1\r\nHost: gateway\r\n{fields}\r\n")
            await wire.plain_record()
            await wire.send("no chunk\r\n")
        await until(lambda: connections(served.port) == 1)  # that of the till


async def test_plain_http_and_garbage_on_the_port_harm_nobody(served: Served, till: Till) -> None:
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(100), b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(noise)
        writer.write_eof()
        with suppress(ConnectionResetError):  # what nobody reads is answered so
            await reader.read()
        writer.close()
    assert (await till.ask(f"{BASE}/tses")).status == 200


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.*deprecated:DeprecationWarning")
async def test_tls_is_1_2_or_1_3(served: Served, version: ssl.TLSVersion, accepted: bool) -> None:
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        assert not accepted
        return
    found = writer.get_extra_info("ssl_object")
    assert accepted
    assert found.version() == version.name.replace("_", ".")
    if version is ssl.TLSVersion.TLSv1_2:
        assert found.cipher()[0].startswith("ECDHE-")
    writer.close()
    await writer.wait_closed()


async def test_http_2_is_not_offered(served: Served) -> None:
    context = trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()
    await writer.wait_closed()


async def test_a_command_that_runs_is_answered_although_the_gateway_stops(tmp_path: Path) -> None:
    async with AsyncExitStack() as gateway:
        served = await gateway.enter_async_context(serve(settings_for(tmp_path)))
        async with till_of(served) as till:
            session = await till.lock()
            served.tse.faults.set("hung")
            running = asyncio.create_task(till.command(session, FlashHealth().encode()))
            await until(lambda: in_use(served))
            stopping = asyncio.create_task(gateway.aclose())
            await refuses_connections(served.port)
            assert not running.done()
            served.tse.faults.clear("hung")
            answer = await running
            await stopping
    assert answer.status == 200
    assert len(base64.b64decode(answer.json["data"])) >= 54


async def test_all_addresses_are_served_on_the_same_port(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, bind="127.0.0.1,127.0.0.2")) as served:
        for address in ("127.0.0.1", "127.0.0.2"):
            _, writer = await asyncio.open_connection(address, served.port, ssl=trusting())
            writer.close()
            await writer.wait_closed()


async def test_a_port_that_is_taken_is_told_with_address_and_number(served: Served, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "other", port=served.port)
    with pytest.raises(ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1, port {served.port}: .*in use"):
        async with serve(settings):
            pass


def in_use(served: Served) -> bool:
    lease = served.registry.devices()[0].lock.lease
    return lease is not None and lease.running > 0


def connections(port: int) -> int:
    """Return how many the gateway has: established, or left by their client alone (proc_net_tcp(5))."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(local.endswith(f":{port:04X}") and state in {"01", "08"} for _, local, _, state, *_ in rows)


async def refuses_connections(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            writer.close()


def test_the_gateway_takes_as_many_open_files_as_it_may() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        application.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(before[1], 65_536), before[1])
        application.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_clients_that_say_nothing_keep_nobody_out(served: Served, till: Till) -> None:
    async with AsyncExitStack() as silent:
        for _ in range(8):
            await silent.enter_async_context(wired(served))
        for _ in range(8):  # and some that stop in the middle
            wire = await silent.enter_async_context(wired(served))
            await wire.send("POST /api/v1/tses HTTP/1.1\r\nContent-Le")
        async with asyncio.timeout(10):
            assert (await till.ask(f"{BASE}/tses")).status == 200
