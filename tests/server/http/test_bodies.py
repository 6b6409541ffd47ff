"""Bodies: when they are read, how large they may be, and what becomes of those that nobody wants."""

import asyncio
import gzip
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.errors import BadRequest
from gateway.server.http.bodies import Budget, from_json
from tests.lan_client import trusting
from tests.server.shop import BASE, TOKEN, Served, Till, until

RIGHT = f"Authorization: {aiohttp.encode_basic_auth('lantse', TOKEN)}\r\n"
MIB = 2**20


class Raw:
    """A client that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, path: str, headers: str = "", body: bytes = b"", method: str = "POST") -> tuple[int, bytes]:
        """Status and body of the response."""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n".encode() + body)
        return await self.response()

    async def response(self) -> tuple[int, bytes]:
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            return int(head.split()[1]), await self.reader.readexactly(int(fields.get(b"content-length", b"0")))

    async def is_closed(self) -> bool:
        async with asyncio.timeout(10):
            try:
                return not await self.reader.read(1)
            except ConnectionResetError:
                return True


@asynccontextmanager
async def raw(served: Served) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusting())
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


def error_of(body: bytes) -> int:
    return int(json.loads(body)["error"])


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])
async def test_packed_bodies_are_refused_and_not_unpacked(till: Till, served: Served, encoding: str) -> None:
    session = await till.lock()
    packed = gzip.compress(b'{"data": "EgA="}')
    headers = {"Content-Encoding": encoding}
    for path in (served.path(session, "sendCommand"), f"/api/v1/tses/{served.serial}/sign"):
        answer = await till.ask(path, "POST", data=packed, headers=headers)
        assert answer.status == 415
    plain = await till.ask(
        served.path(session, "sendCommand"), "POST", data=b'{"data": "EgA="}', headers={"Content-Encoding": "identity"}
    )
    assert plain.status == 200


async def test_without_a_token_a_body_is_not_waited_for_and_the_connection_ends(served: Served) -> None:
    async with raw(served) as client:
        status, _ = await client.ask(served.path(1, "sendCommand"), f"Content-Length: {100 * MIB}\r\n", bytes(MIB))
        assert status == 401
        assert await client.is_closed()


async def test_serial_and_session_are_checked_before_a_body_is_read(served: Served) -> None:
    headers = f"{RIGHT}Content-Length: {16 * MIB}\r\n"
    for verb in ("sendCommand", "writeWormStore?offset=0"):
        async with raw(served) as client:
            status, body = await client.ask(served.path(1, verb), headers)
            assert (status, error_of(body)) == (400, 22)
            assert await client.is_closed()
        async with raw(served) as client:
            status, body = await client.ask(f"{BASE}/tse//1/{verb}", headers)
            assert (status, error_of(body)) == (400, 24)


async def test_a_body_for_a_wrong_session_is_not_asked_for(served: Served) -> None:
    async with raw(served) as client:
        headers = f"{RIGHT}Content-Length: 100\r\nExpect: 100-continue\r\n"
        status, body = await client.ask(served.path(1, "writeWormStore?offset=0"), headers)
        assert (status, error_of(body)) == (400, 22)


async def test_a_small_body_that_is_refused_costs_a_till_no_connection(served: Served) -> None:
    async with raw(served) as client:
        for _ in range(3):
            body = b'{"data": "' + b"A" * 100_000 + b'"}'
            headers = f"{RIGHT}Content-Length: {len(body)}\r\n"
            status, answer = await client.ask(served.path(1, "writeWormStore?offset=0"), headers, body)
            assert (status, error_of(answer)) == (400, 22)


async def test_each_request_has_its_own_bound(served: Served, till: Till) -> None:
    session = await till.lock()
    for path, longest in (
        (served.path(session, "sendCommand"), 8 * 1024),
        (f"/api/v1/tses/{served.serial}/self-test", 64 * 1024),
        (f"/api/v1/tses/{served.serial}/sign", 8 * MIB),
    ):
        headers = {"Content-Type": "application/json"}
        answer = await till.ask(path, "POST", data=io.BytesIO(b" " * longest), headers=headers)
        assert answer.status == 400
        async with raw(served) as client:
            status, _ = await client.ask(
                path, f"{RIGHT}Content-Type: application/json\r\nContent-Length: {longest + 1}\r\n"
            )
            assert status == 413
        async with raw(served) as client:
            chunked = b"%x\r\n" % (longest + 1) + bytes(longest + 1) + b"\r\n0\r\n\r\n"
            headers_text = f"{RIGHT}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            assert (await client.ask(path, headers_text, chunked))[0] == 413


async def test_a_client_that_hangs_up_in_its_body_is_no_news(
    served: Served, till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    session = await till.lock()
    for verb in ("sendCommand", "writeWormStore?offset=0"):
        async with raw(served) as client:
            head = f"POST {served.path(session, verb)} HTTP/1.1\r\nHost: gateway\r\n{RIGHT}Content-Length: 1000\r\n\r\n"
            client.writer.write(head.encode() + b'{"data"')
            await client.writer.drain()
            await asyncio.sleep(0.05)
    assert (await till.ask(f"{BASE}/tses")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_keys_that_are_given_twice_are_refused(served: Served, till: Till) -> None:
    text = '{"client_id": "POS-1", "process_data": "a", "process_data": "b"}'
    headers = {"Content-Type": "application/json"}
    answer = await till.ask(f"/api/v1/tses/{served.serial}/sign", "POST", data=text, headers=headers)
    assert (answer.status, answer.json["code"]) == (400, "bad_request")
    assert "twice" in answer.json["detail"]
    for body in (b'{"a": [{"b": 1, "b": 1}]}', b'{"a": 1, "\\u0061": 2}'):
        with pytest.raises(BadRequest, match="twice"):
            from_json(body)
    assert from_json(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}')


async def test_large_bodies_take_turns_and_the_first_comes_first() -> None:
    budget, order = Budget(100), list[int]()

    async def body(number: int, size: int) -> None:
        taken = await budget.take(size)
        order.append(number)
        await asyncio.sleep(0)
        budget.give_back(taken)

    first = await budget.take(60)
    waiting = [asyncio.create_task(body(number, size)) for number, size in enumerate((50, 10, 1000))]
    await until(lambda: len(asyncio.all_tasks()) == 4)
    assert order == []
    budget.give_back(first)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]
    assert budget._free == 100
