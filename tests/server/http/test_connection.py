"""What one connection may cost, and the insides of asyncio and aiohttp that bound it."""

import asyncio
import ctypes
import gc
import inspect
import logging
import socket
import ssl
import subprocess
import sys
import tracemalloc
from asyncio import sslproto
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web, web_protocol

from gateway.server.http import acceptor, connection
from gateway.server.http.acceptor import ServedSocket
from gateway.server.http.admission import Admission, LimitedConnection
from gateway.server.http.connection import HttpConnection, Tls
from tests.lan_client import trusting
from tests.server.shop import BASE, Served, Till, serve, settings_for, until


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusting())
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def open_connections() -> list[HttpConnection]:
    return [it for it in gc.get_objects() if isinstance(it, HttpConnection) and it.transport is not None]


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends."""
    found = b""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(20):
            while part := await reader.read(65_536):
                found += part
    return found


def test_the_attributes_of_asyncio_and_aiohttp_that_are_used_are_there() -> None:
    source = inspect.getsource(sslproto.SSLProtocol)
    assert "bytearray(self.max_size)" in source
    assert "self._sslobj.read(self.max_size)" in source
    assert "return self._ssl_buffer_view" in inspect.getsource(sslproto.SSLProtocol.get_buffer)
    assert "self._incoming.write(self._ssl_buffer_view[:nbytes])" in source  # copied at once
    assert list(inspect.signature(sslproto.SSLProtocol.__init__).parameters)[1:] == [
        *("loop", "app_protocol", "sslcontext", "waiter", "server_side", "server_hostname", "call_connection_made"),
        *("ssl_handshake_timeout", "ssl_shutdown_timeout"),
    ]
    handler = web_protocol.RequestHandler
    assert {"_messages", "_waiter", "_max_msg_queue_size", "_msg_queue_resume_size"} <= set(handler.__slots__)
    assert "len(self._messages) >= self._max_msg_queue_size" in inspect.getsource(handler.data_received)
    assert "len(self._messages) <= self._msg_queue_resume_size" in inspect.getsource(handler.start)
    assert {"lingering_time", "read_bufsize", "auto_decompress", "max_headers"} <= set(
        inspect.signature(handler.__init__).parameters
    )
    assert Tls.max_size < sslproto.SSLProtocol.max_size


async def test_a_connection_waits_with_two_requests_ahead(served: Served) -> None:
    async with connected(served) as (_, writer):
        await until(lambda: len(open_connections()) == 1)
        (it,) = open_connections()
        assert (it._max_msg_queue_size, it._msg_queue_resume_size, it._lingering_time) == (2, 0, 0)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        await writer.drain()


async def test_a_head_that_does_not_end_is_refused(served: Served) -> None:
    async with connected(served) as (reader, writer):
        for part in (b"GET / HTTP/1.1\r\n", *(b"X: " + b"x" * 5000 + b"\r\n" for _ in range(4))):
            writer.write(part)
            await asyncio.sleep(0.01)  # so that it has all of them before it ends the connection
        assert b" 431 " in await ended(reader)
    async with connected(served) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 1_000_000)
        await ended(reader)


async def test_a_head_that_ends_and_is_too_large_is_refused(served: Served) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 7000) for number in range(3))
    async with connected(served) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n" + fields + b"\r\n")
        assert b" 431 " in await ended(reader)


async def test_requests_ahead_count_as_heads(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(b"GET /lantse/api/v1/tses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n")
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 100_000)
        await ended(reader)


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
async def test_silence_and_slow_heads_end_a_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(connection, "ANONYMOUS_SECONDS", 1.0)
    async with connected(served) as (reader, writer):
        writer.write(begun)
        assert await ended(reader) == b""


async def test_a_connection_without_tls_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "HEAD_SECONDS", 1.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    assert await ended(reader) == b""
    writer.close()


async def test_a_till_that_is_silent_stays_connected(
    served: Served, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANONYMOUS_SECONDS", 0.5)
    await till.ask(f"{BASE}/tses")
    (first,) = open_connections()
    async with connected(served) as (reader, _):
        await ended(reader)
    await till.ask(f"{BASE}/tses")
    assert open_connections() == [first]


async def test_one_wrong_token_ends_a_connection(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(b"GET /lantse/api/v1/tses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n" * 3)
        answer = await ended(reader)
        assert answer.count(b"HTTP/1.1 401") == 1
        assert b"connection: close" in answer.lower()


async def test_a_stop_waits_for_no_client_that_does_not_end_its_tls(tmp_path: Path) -> None:
    def asked(port: int) -> ssl.SSLSocket:
        client = trusting().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        return client

    async with serve(settings_for(tmp_path)) as running:
        client = await asyncio.to_thread(asked, running.port)
    assert open_connections() == []
    with socket.socket(fileno=client.detach()) as plain, suppress(ConnectionResetError):
        plain.settimeout(5)
        while plain.recv(1000):
            pass


async def test_whoever_admission_gives_up_is_not_reported_back_to_it() -> None:
    told: list[LimitedConnection] = []

    class Told(Admission):
        def ended(self, connection: LimitedConnection) -> None:
            told.append(connection)

    loop = asyncio.get_running_loop()
    places = Told(100, clock=loop.time, later=loop.call_later)
    for closed in (acceptor.Connection.close, acceptor.Connection.end):
        client, accepted = socket.socketpair()
        accepted.setblocking(False)
        one = acceptor.Connection(accepted, "", ServedSocket(accepted, web.Server(echo), None, places), set())
        one.open()
        closed(one)
        assert client.recv(1) == b""
        client.close()
    assert told == [one]  # by `end` only: many that left while they waited would each look for the next one


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response()


async def test_a_silent_connection_costs_little(served: Served) -> None:
    async def connect(count: int) -> asyncio.subprocess.Process:
        command = (sys.executable, "-c", _CLIENTS, str(served.port), str(count))
        clients = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert clients.stdout is not None
        await clients.stdout.readline()
        await until(lambda: len(open_connections()) == count)
        return clients

    first = await connect(5)  # what is made once is made now
    first.kill()
    await first.wait()
    await until(lambda: not open_connections())
    tracemalloc.start()
    try:
        before = _allocated()
        clients = await connect(80)
        each = (_allocated() - before) / 80
        print(f"a silent connection costs {each / 1024:.1f} KiB")
        assert each <= 48 * 1024
        clients.kill()
        await clients.wait()
    finally:
        tracemalloc.stop()


_CLIENTS = """
import socket, ssl, sys
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
port, count = map(int, sys.argv[1:])
kept = [tls.wrap_socket(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
print(flush=True)
sys.stdin.read()
"""


class _MallocInfo(ctypes.Structure):
    """struct mallinfo2 of <malloc.h>: bytes in blocks of the heap that are in use, and mapped ones among others."""

    _names = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names)


def _allocated() -> int:
    """Bytes that OpenSSL, Python and all the rest use, those of larger Python objects counted twice."""
    gc.collect()
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _MallocInfo
    found = libc.mallinfo2()
    return int(found.uordblks + found.hblkhd) + tracemalloc.get_traced_memory()[0]


async def test_what_is_no_http_is_told_at_debug_only(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    for noise in (b"\x00 garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n: x\r\n\r\n"):
        async with connected(served) as (reader, writer):
            writer.write(noise)
            assert b" 400 " in await ended(reader)
    assert [record for record in caplog.records if record.levelno >= logging.INFO and "aiohttp" in record.name] == []
