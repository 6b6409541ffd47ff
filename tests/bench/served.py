"""Processes that are measured: their CPU time, their memory, and requests to them."""

import asyncio
import base64
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lan_client import trusting

HERE = Path(__file__).parents[2]
_SERVES = re.compile(rb"serves on port (\d+) with")
_TICK = os.sysconf("SC_CLK_TCK")
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_START = 60.0


@dataclass
class Served:
    """A process that serves on `port`; `started` is how many seconds that took."""

    pid: int
    port: int
    token: str
    state_dir: Path
    started: float

    @property
    def cpu(self) -> float:
        """Seconds of CPU that all its threads have used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def memory(self) -> int:
        """Bytes that it has in memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def keep_to_one_core(self) -> None:
        """For its CPU time: threads that wake each other across cores take up to twice as much, as chance has it."""
        core = {max(os.sched_getaffinity(0))}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), core)


@asynccontextmanager
async def gateway(
    checkout: Path, state_dir: Path, mode: str, *arguments: str, **environment: str
) -> AsyncIterator[Served]:
    """The gateway of a checkout, with TSEs as `standin` makes them."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment = {
        **plain,
        "PYTHONPATH": str(checkout),
        "GATEWAY_STATE_DIR": str(state_dir),
        "GATEWAY_PORT": "0",
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_ADDRESS": "127.0.0.1",
        **environment,
    }
    if (checkout / "gateway/app/simulators.py").exists():  # else they are always as from the factory
        environment["GATEWAY_SIMULATOR_FRESH"] = "true"
    standin = str(Path(__file__).with_name("standin.py"))
    command = (sys.executable, "-P", standin, mode, "serve", *arguments)
    async with _process(command, environment, state_dir) as served:
        yield served


@asynccontextmanager
async def bare(served: Served) -> AsyncIterator[Served]:
    """Bare aiohttp with the certificate and token of `served`."""
    chain = str(next(served.state_dir.rglob("server.pem")))
    command = (sys.executable, "-m", "tests.bench.bare", chain, served.token)
    async with _process(command, {**os.environ, "PYTHONPATH": str(HERE)}, served.state_dir) as process:
        yield process


@asynccontextmanager
async def _process(command: tuple[str, ...], environment: dict[str, str], state_dir: Path) -> AsyncIterator[Served]:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    log = b""
    try:
        async with asyncio.timeout(_START):
            while not (found := _SERVES.search(log)):
                line = await process.stderr.readline()
                assert line, f"it does not serve: {log.decode()}"
                log += line
        draining = asyncio.create_task(_drain(process.stderr))
        token = (state_dir / "api_token").read_text().strip()
        yield Served(process.pid, int(found[1]), token, state_dir, time.perf_counter() - began)
        draining.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(1 << 16):
        pass


class Client:
    """One kept connection with the token, among others that ask at the same time."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._fields = _fields(served.token)

    async def __aenter__(self) -> Self:
        context: ssl.SSLContext = trusting()
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._served.port, ssl=context)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def ask(self, method: str, path: str, body: bytes = b"", fields: str = "") -> bytes:
        """The body of the answer, which must have status 2xx."""
        self._writer.write(_request(method, path, self._fields + fields, body))
        head = await self._reader.readuntil(b"\r\n\r\n")
        answer = await self._reader.readexactly(_length(head))
        assert head[9:10] == b"2", (head, answer)
        return answer


class BlockingClient:
    """One kept connection with the token that takes next to no time itself, as the library of a till, written in C."""

    def __init__(self, port: int, token: str, *, tls: bool = True) -> None:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = trusting().wrap_socket(plain) if tls else plain
        self._fields = _fields(token)

    def ask(self, method: str, path: str, body: bytes = b"", fields: str = "") -> bytes:
        """The body of the answer, which must have status 2xx."""
        self._socket.sendall(_request(method, path, self._fields + fields, body))
        head, _, answer = self._socket.recv(1 << 16).partition(b"\r\n\r\n")  # the gateway sends it with the body
        while len(answer) < _length(head):
            answer += self._socket.recv(1 << 16)
        assert head[9:10] == b"2", (head, answer)
        return answer

    def close(self) -> None:
        """Drop the connection."""
        self._socket.close()


def _fields(token: str) -> str:
    login = base64.b64encode(f"lantse:{token}".encode()).decode()
    return f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n"


def _request(method: str, path: str, fields: str, body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n" if body else ""
    return f"{method} {path}{fields}{length}\r\n".encode() + body


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    assert found is not None, head
    return int(found[1])
