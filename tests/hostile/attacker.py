"""`python -m tests.hostile.attacker PORT ATTACK SECONDS`: attack a gateway of this machine, as another process would.

Reads the API token (some attacks have it) and the serial of a TSE from standard input, prints what it sent as JSON.
Each attack is bounded in count and time, and goes to loopback addresses only.
"""

import asyncio
import base64
import contextlib
import json
import ssl
import sys
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.lan_client import BASE, trusting

HOST = "127.0.0.1"
_MIB = 2**20
_PATIENCE = 10.0
_BROKEN = (OSError, ssl.SSLError, EOFError, TimeoutError, asyncio.IncompleteReadError)


@dataclass
class Attack:
    """Whom to attack, how long, and what was sent; `address` is where connections come from."""

    port: int
    seconds: float
    token: str
    serial: str
    sent: Counter[str] = field(default_factory=Counter)
    tls: ssl.SSLContext = field(default_factory=trusting)

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.seconds

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end

    @asynccontextmanager
    async def connection(
        self, *, address: str = HOST, tls: bool = True
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """One; refused and broken ones are counted."""
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(
                    HOST, self.port, ssl=self.tls if tls else None, local_addr=(address, 0)
                )
        except _BROKEN:
            self.sent["refused"] += 1
            await asyncio.sleep(0.001)
            raise
        self.sent["connections"] += 1
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def ask(
        self, head: str, body: bytes = b"", *, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """The head of the answer; its body is read too, if it has a length."""
        writer.write(f"{head}\r\nHost: gateway\r\n".encode() + b"\r\n" + body)
        self.sent["requests"] += 1
        async with asyncio.timeout(_PATIENCE):
            answer = await reader.readuntil(b"\r\n\r\n")
            for line in answer.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
        return answer

    async def many(self, count: int, one: Callable[[int], Awaitable[None]]) -> None:
        """`count` at the same time, each again and again until the time is over."""

        async def repeat(number: int) -> None:
            while self.goes_on:
                with contextlib.suppress(*_BROKEN):
                    await one(number)
                await asyncio.sleep(0)

        await asyncio.gather(*map(repeat, range(count)))

    async def once(self, count: int, one: Callable[[int], Awaitable[None]], *, at_a_time: int = 500) -> None:
        """`count` of them, so many at the same time; whoever stays connected stays."""
        turn = asyncio.Semaphore(at_a_time)

        async def single(number: int) -> None:
            async with turn:
                if self.goes_on:
                    with contextlib.suppress(*_BROKEN):
                        await one(number)

        await asyncio.gather(*map(single, range(count)))


def basic(token: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"lantse:{token}".encode()).decode()


def bomb() -> bytes:
    """1 MB of gzip that is 1,000 MiB of zeros."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)  # each stands for itself from here on
    return b"\x1f\x8b\x08" + bytes(7) + 1000 * block + packer.flush()


async def gzip(attack: Attack) -> None:
    """Row 1: ten gzip bombs without a token, again and again."""
    packed = bomb()
    head = (
        f"POST {BASE}/tse/{attack.serial}/1/sendCommand HTTP/1.1\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(packed)}"
    )

    async def one(_: int) -> None:
        async with attack.connection() as (reader, writer):
            await attack.ask(head, packed, reader=reader, writer=writer)
            await asyncio.sleep(0.5)

    await attack.many(10, one)


async def keep(attack: Attack, count: int, *, say: bytes = b"", tls: bool = True) -> None:
    """So many connections that say this and nothing more, until the time is over."""

    async def one(_: int) -> None:
        async with attack.connection(tls=tls) as (reader, writer):
            writer.write(say)
            async with asyncio.timeout(max(0.0, attack.end - time.monotonic())):
                await reader.read()

    await attack.once(count, one, at_a_time=count)


async def silent(attack: Attack) -> None:
    """Row 2: 5,000 TLS connections that say nothing."""
    await keep(attack, 5000)


async def raw(attack: Attack) -> None:
    """Row 2: 5,000 TCP connections that say nothing."""
    await keep(attack, 5000, tls=False)


async def heads(attack: Attack) -> None:
    """Row 2: 1,000 connections, each with an unfinished head of 100 long fields."""
    head = "GET / HTTP/1.1\r\nHost: gateway\r\n" + "".join(f"X-{n}: {'x' * 8000}\r\n" for n in range(100))
    await keep(attack, 1000, say=head.encode())


async def few_heads(attack: Attack) -> None:
    """Row 2: 200 connections, each with an unfinished head of 20 long fields."""
    head = "GET / HTTP/1.1\r\nHost: gateway\r\n" + "".join(f"X-{n}: {'x' * 4000}\r\n" for n in range(20))
    await keep(attack, 200, say=head.encode())


async def drip(attack: Attack) -> None:
    """Row 2: 5,000 connections from 50 addresses that send a head one byte a second."""

    async def one(number: int) -> None:
        async with attack.connection(address=f"127.0.1.{number % 50 + 1}") as (_reader, writer):
            for letter in "GET / HTTP/1.1\r\nX: " + "x" * 100:
                if not attack.goes_on:
                    return
                writer.write(letter.encode())
                await writer.drain()
                await asyncio.sleep(1)

    await attack.once(5000, one, at_a_time=5000)


async def handshakes(attack: Attack) -> None:
    """Connect, shake hands, hang up, as fast as it goes."""

    async def one(_: int) -> None:
        async with attack.connection():
            pass

    await attack.many(50, one)


async def guess(attack: Attack, guessers: int, *, addresses: int = 1) -> None:
    """Guess tokens, one a connection; whoever gets no answer at once hangs up and tries the next."""

    async def one(number: int) -> None:
        async with attack.connection(address=HOST if addresses == 1 else f"127.0.1.{number % addresses + 1}") as (
            reader,
            writer,
        ):
            attack.sent["guesses"] += 1
            token = basic(f"{attack.sent['guesses']:010}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await attack.ask(f"GET {BASE}/tses HTTP/1.1\r\n{token}", reader=reader, writer=writer)

    await attack.many(guessers, one)


async def guesses(attack: Attack) -> None:
    """Row 5: 60 connections that guess tokens at the same time, from the address of the till."""
    await guess(attack, 60)


async def guesses_of_many(attack: Attack) -> None:
    """Row 5: 200 of them from 100 addresses."""
    await guess(attack, 200, addresses=100)


async def flood(attack: Attack, head: str, *, connections: int = 50, body: bytes = b"") -> None:
    """The same request on kept connections, as fast as it is answered."""

    async def one(_: int) -> None:
        async with attack.connection() as (reader, writer):
            while attack.goes_on:
                answer = await attack.ask(head, body, reader=reader, writer=writer)
                if b"\r\nconnection: close" in answer.lower():
                    return

    await attack.many(connections, one)


async def pages(attack: Attack) -> None:
    """The status page without a token."""
    await flood(attack, "GET / HTTP/1.1")


async def missing(attack: Attack) -> None:
    """Requests without a token."""
    await flood(attack, f"GET {BASE}/tses HTTP/1.1")


async def health(attack: Attack) -> None:
    """What everybody may ask."""
    await flood(attack, "GET /readyz HTTP/1.1")


async def logins(attack: Attack) -> None:
    """The login form of the status page with wrong tokens."""
    body = b"token=000000"
    head = (
        f"POST /page/login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}"
    )
    await flood(attack, head, body=body)


async def garbage(attack: Attack) -> None:
    """What is not HTTP, and what is not TLS."""

    async def one(number: int) -> None:
        async with attack.connection(tls=bool(number % 2)) as (reader, writer):
            writer.write(b"\x00\xff garbage\r\n\r\n" * 10)
            attack.sent["requests"] += 1
            async with asyncio.timeout(1):
                await reader.read()

    await attack.many(20, one)


async def pipelined(attack: Attack) -> None:
    """Requests without waiting for answers, and answers that nobody reads."""
    many = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n" * 1000

    async def one(_: int) -> None:
        async with attack.connection() as (_reader, writer):
            writer.write(many)
            attack.sent["requests"] += 1000
            async with asyncio.timeout(max(0.0, attack.end - time.monotonic())):
                await writer.drain()
                await asyncio.sleep(5)

    await attack.many(50, one)


async def bodies(attack: Attack) -> None:
    """Row 4: with the token, 50 bodies of 16 MiB for a session that nobody has."""
    body = b'{"data": "' + b"A" * (16 * _MIB) + b'"}'
    head = (
        f"POST {BASE}/tse/{attack.serial}/1/writeWormStore?offset=0 HTTP/1.1\r\n{basic(attack.token)}\r\n"
        f"Content-Length: {len(body)}"
    )

    async def one(_: int) -> None:
        async with attack.connection() as (reader, writer):
            await attack.ask(head, body, reader=reader, writer=writer)

    await attack.once(50, one, at_a_time=10)


async def slow_bodies(attack: Attack) -> None:
    """Row 4: with the token, 200 bodies for the JSON API that stop before their end."""
    head = (
        f"POST /api/v1/tses/{attack.serial}/transactions HTTP/1.1\r\n{basic(attack.token)}\r\nHost: gateway\r\n"
        f"Content-Type: application/json\r\nContent-Length: {6 * _MIB}\r\n\r\n"
    )

    async def one(_: int) -> None:
        async with attack.connection() as (reader, writer):
            writer.write(head.encode() + b'{"client_id": "' + b"x" * (5 * _MIB))
            attack.sent["requests"] += 1
            async with asyncio.timeout(max(0.0, attack.end - time.monotonic())):
                await reader.read()

    await attack.once(200, one)


async def forms(attack: Attack) -> None:
    """Bodies without a token that never end, to the one form that takes any."""
    head = b"POST /page/login HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def one(_: int) -> None:
        async with attack.connection() as (_reader, writer):
            writer.write(head)
            attack.sent["requests"] += 1
            while attack.goes_on and not writer.is_closing():
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await writer.drain()

    await attack.many(50, one)


_ALL: tuple[Callable[[Attack], Awaitable[None]], ...] = (
    *(gzip, silent, raw, heads, few_heads, drip, handshakes),
    *(guesses, guesses_of_many, pages, missing, health, logins, garbage),
    *(pipelined, bodies, slow_bodies, forms),
)
ATTACKS = {attack.__name__: attack for attack in _ALL}


async def main() -> None:
    port, name, seconds = sys.argv[1:]
    token, serial = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    attack = Attack(int(port), float(seconds), token, serial)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(attack.seconds + 30):
            await ATTACKS[name](attack)
    print(json.dumps(attack.sent))


if __name__ == "__main__":
    # More sockets than a shell usually grants, up to what it may.
    import os
    import resource

    os.nice(10)  # a real attacker would not take the gateway's processor
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000) if hard > 0 else 20_000, hard))
    asyncio.run(main())
