"""A client of the LAN protocol that behaves like the vendor's library on the wire.

One persistent connection; a request on a reused connection that dies before the first
byte of its answer is sent once more on a new one, commands included; on a fresh
connection there is no second try.
"""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.tse.commands import CloseImport, ImportOpened, OpenImport, TransactionReply, TransactionStep
from gateway.tse.sectors import SECTOR

BASE = "/lantse/api/v1"
NETWORK, TIMEOUT = 16, 19
_PATIENCE = 60.0


class LanError(Exception):
    """What the library would return: the server's error number, or one of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"error {number:#x}")
        self.number = number


class _Unanswered(Exception):
    """The connection died before the first byte of an answer."""


def trusting() -> ssl.SSLContext:
    """The library does not verify the server either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class LanClient:
    """One context of the library. `serial` as 64 hex digits, chosen by `select`."""

    port: int
    token: str
    serial: str = ""
    session: int = 0
    resent: int = 0
    tls: ssl.SSLContext = field(default_factory=trusting)
    _stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def select(self) -> None:
        """The first TSE of the list."""
        self.serial = (await self.request("GET", f"{BASE}/tses"))[0]

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock, as an application does around one receipt."""
        self.session = (await self.request("GET", f"{BASE}/tse/{self.serial}/lock"))["data"]
        try:
            yield
        finally:
            await self.request("GET", self._path("unlock"))

    async def send_command(self, command: bytes) -> bytes:
        """The data of the response."""
        answer = await self.request("POST", self._path("sendCommand"), _posted(command))
        return base64.b64decode(answer["data"])

    async def read_info(self) -> bytes:
        return base64.b64decode((await self.request("GET", self._path("readInfo")))["data"])

    async def read_store(self, block: int, count: int) -> bytes:
        answer = await self.request("GET", self._path(f"readWormStore?offset={block}&numblocks={count}"))
        return base64.b64decode(answer["data"])

    async def write_store(self, block: int, data: bytes) -> None:
        await self.request("POST", self._path(f"writeWormStore?offset={block}"), _posted(data))

    async def sign(
        self, event: TransactionStep, client: bytes, number: int, data: bytes, kind: bytes
    ) -> TransactionReply:
        """One step of a transaction: announce, write, sign."""
        opened = await self.send_command(OpenImport(event, client, number, len(data), kind).encode())
        if data:
            padded = data.ljust(-(-len(data) // SECTOR) * SECTOR, b"\0")
            await self.write_store(ImportOpened.decode(opened).block, padded)
        return TransactionReply.decode(await self.send_command(CloseImport().encode()))

    async def request(self, method: str, path: str, body: bytes = b"") -> Any:
        """The JSON of a 200 answer.

        Raises:
            LanError: anything else.
        """
        reused = self._stream is not None
        try:
            status, answer = await self._exchange(method, path, body)
        except _Unanswered:
            if not reused:
                raise LanError(NETWORK) from None
            self.resent += 1
            try:
                status, answer = await self._exchange(method, path, body)
            except _Unanswered:
                raise LanError(NETWORK) from None
        document = json.loads(answer)
        if status != 200:
            raise LanError(document["error"])
        return document

    async def close(self) -> None:
        """Drop the connection."""
        if self._stream is not None:
            _, writer = self._stream
            self._stream = None
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(_PATIENCE):
                if self._stream is None:
                    self._stream = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
                reader, writer = self._stream
                writer.write(self._head(method, path, body) + body)
                await writer.drain()
                first = await reader.read(1)
                if not first:
                    raise ConnectionResetError
        except TimeoutError:
            await self.close()
            raise LanError(TIMEOUT) from None
        except (OSError, ssl.SSLError):
            await self.close()
            raise _Unanswered from None
        try:
            head = first + await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            return int(lines[0].split()[1]), await reader.readexactly(int(fields["content-length"]))
        except (OSError, EOFError):
            await self.close()
            raise LanError(NETWORK) from None

    def _head(self, method: str, path: str, body: bytes) -> bytes:
        login = base64.b64encode(f"lantse:{self.token}".encode()).decode()
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Basic {login}\r\n"
            f"Accept: */*\r\nContent-Type: application/json\r\ncharsets: utf-8\r\n"
            + (f"Content-Length: {len(body)}\r\n" if method == "POST" else "")
            + "\r\n"
        ).encode()

    def _path(self, rest: str) -> str:
        return f"{BASE}/tse/{self.serial}/{self.session}/{rest}"


def _posted(data: bytes) -> bytes:
    wrapped = base64.encodebytes(data).decode().rstrip("\n")
    return ('{ "data": ' + json.dumps(wrapped).replace("/", "\\/") + " }").encode()
