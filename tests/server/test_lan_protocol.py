import asyncio
import base64
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.tse.commands import FlashHealth, Login, RegisterClient, TransactionStep, User
from gateway.tse.info import TseInfo
from tests.server.shop import BASE, Answer, Served, Till, serve, settings_for, till_of, until
from tests.support import set_up, step

MIB = 2**20


class Hands:
    """The verbs of a TSE over HTTP, with one session."""

    def __init__(self, served: Served, till: Till, session: int) -> None:
        self._served, self._till, self._session = served, till, session
        self.biggest_body = 0

    async def send(self, command: bytes) -> bytes:
        return data_of(await self._till.command(self._session, command))

    async def read_info(self) -> bytes:
        return data_of(await self._till.ask(self._served.path(self._session, "readInfo")))

    async def read_store(self, block: int, count: int) -> bytes:
        path = self._served.path(self._session, "readWormStore", f"?offset={block}&numblocks={count}")
        return data_of(await self._till.ask(path))

    async def write_store(self, block: int, data: bytes) -> None:
        path = self._served.path(self._session, "writeWormStore", f"?offset={block}")
        body = json.dumps({"data": base64.encodebytes(data).decode()}).replace("/", "\\/").encode()
        self.biggest_body = max(self.biggest_body, len(body))
        answer = await self._till.ask(path, "POST", data=io.BytesIO(body), expect100=True)
        assert (answer.status, answer.json) == (200, {})


def data_of(answer: Answer) -> bytes:
    assert answer.status == 200, answer.text
    return base64.b64decode(answer.json["data"], validate=True)


def refused(answer: Answer, number: int, name: str) -> None:
    assert answer.status == 400, answer.text
    assert (answer.json["error"], answer.json["error_name"]) == (number, name)
    assert answer.json["error_message"]


async def test_the_serials_are_a_bare_array(served: Served, till: Till) -> None:
    assert (await till.ask(f"{BASE}/tses")).json == [served.serial]


async def test_a_lock_gives_a_session_and_unlock_an_object(served: Served, till: Till) -> None:
    session = await till.lock()
    assert 0 < session < 2**64
    answer = await till.ask(served.path(session, "unlock"))
    assert (answer.status, answer.json) == (200, {})


async def test_the_info_sector_is_read(served: Served, till: Till) -> None:
    session = await till.lock()
    info = data_of(await till.ask(served.path(session, "readInfo")))
    assert TseInfo.decode(info).serial_hex == served.serial


async def test_the_store_is_read(served: Served, till: Till) -> None:
    session = await till.lock()
    found = data_of(await till.ask(served.path(session, "readWormStore", "?offset=0&numblocks=3")))
    assert found == served.tse.read_store(0, 3)


async def test_a_big_part_of_the_store_is_read_whole(served: Served, till: Till) -> None:
    session = await till.lock()
    found = data_of(await till.ask(served.path(session, "readWormStore", "?offset=0&numblocks=7812")))
    assert found == served.tse.read_store(0, 7812)


async def test_a_command_gives_the_bare_data_of_its_response(till: Till) -> None:
    session = await till.lock()
    assert len(data_of(await till.command(session, FlashHealth().encode()))) >= 54


async def test_a_refused_command_gives_the_number_of_the_tse(till: Till) -> None:
    session = await till.lock()
    answer = await till.command(session, RegisterClient(b"POS-1").encode())
    refused(answer, 0x100F, "command_rejected")
    refused(await till.command(session, Login(User.ADMIN, b"00000").encode()), 0x1054, "command_rejected")


async def test_serials_in_lower_case_are_accepted(served: Served, till: Till) -> None:
    answer = await till.ask(f"{BASE}/tse/{served.serial.lower()}/lock")
    assert answer.status == 200
    path = f"{BASE}/tse/{served.serial.lower()}/{answer.json['data']}/unlock"
    assert (await till.ask(path)).status == 200


@pytest.mark.parametrize("path", ["/tse//lock", "/tse/%20/lock", "/tse/1234/lock", f"/tse/{'AB' * 32}/lock"])
async def test_an_empty_or_unknown_serial_is_no_tse_found(till: Till, path: str) -> None:
    refused(await till.ask(BASE + path), 24, "unknown_device")


async def test_an_empty_serial_is_no_tse_found_by_every_request(till: Till) -> None:
    for verb in ("unlock", "readInfo", "readWormStore?offset=0&numblocks=1"):
        refused(await till.ask(f"{BASE}/tse//7/{verb}"), 24, "unknown_device")
    for verb in ("sendCommand", "writeWormStore?offset=0"):
        data = base64.b64encode(bytes(512)).decode()
        refused(await till.ask(f"{BASE}/tse//7/{verb}", "POST", json={"data": data}), 24, "unknown_device")


@pytest.mark.parametrize("session", ["", "0", "-1", "+1", "1.0", "abc", "%D9%A1", str(2**64), "9" * 5000])
async def test_a_wrong_session_is_an_invalid_session(served: Served, till: Till, session: str) -> None:
    await till.lock()
    refused(await till.ask(served.path(session, "readInfo")), 22, "invalid_session")


async def test_a_session_ends_with_its_unlock(served: Served, till: Till) -> None:
    session = await till.lock()
    await till.ask(served.path(session, "unlock"))
    refused(await till.ask(served.path(session, "readInfo")), 22, "invalid_session")
    assert (await till.ask(served.path(session, "unlock"))).status == 200  # perhaps its answer was lost
    assert (await till.ask(served.path(session ^ 1, "unlock"))).status == 200  # it may be of the process before


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?offset=0",
        "?numblocks=1",
        "?offset=-1&numblocks=1",
        "?offset=x&numblocks=1",
        "?offset=0&numblocks=0",
        "?offset=0&numblocks=65537",
        "?offset=4294967296&numblocks=1",
        "?offset=0&numblocks=%D9%A1",
        "?offset=" + "1" * 5000 + "&numblocks=1",
    ],
)
async def test_a_senseless_range_of_the_store_is_a_bad_request(served: Served, till: Till, query: str) -> None:
    session = await till.lock()
    refused(await till.ask(served.path(session, "readWormStore", query)), 1, "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[]",
        b'"lAA="',
        b"{}",
        b'{"data": null}',
        b'{"data": 7}',
        b'{"data": "l"}',
        b'{"data": "lAA"}',
        b'{"data": "lA A="}',
        b'{"data": "lA-_"}',
        '{"data": "ü"}'.encode(),
        b'{"data": "lAA=lAA="}',
        b"[" * 8_000,
        b'{"data": "lAA=", "data": "lAA="}',
    ],
)
async def test_garbage_instead_of_a_command_is_a_bad_request_and_runs_nothing(
    served: Served, till: Till, body: bytes
) -> None:
    session = await till.lock()
    before = served.tse.read_window()
    refused(await till.ask(served.path(session, "sendCommand"), "POST", data=body), 1, "bad_request")
    assert served.tse.read_window() == before


async def test_escaped_slashes_and_wrapped_base64_are_understood(served: Served, till: Till) -> None:
    session = await till.lock()
    command = Login(User.ADMIN, b"\xff\xff\xfe" * 20).encode()
    wrapped = base64.encodebytes(command).decode()
    assert "/" in wrapped
    assert wrapped.count("\n") == 2
    body = json.dumps({"data": wrapped}).replace("/", "\\/")
    assert "\\/" in body
    assert "\\n" in body
    answer = await till.ask(served.path(session, "sendCommand"), "POST", data=body)
    refused(answer, 0x1054, "command_rejected")


async def test_a_chunked_request_is_understood(served: Served, till: Till) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{ "data": "EgA'
        yield b'=" }'

    session = await till.lock()
    answer = await till.ask(served.path(session, "sendCommand"), "POST", data=parts())
    assert len(data_of(answer)) >= 54


@pytest.mark.parametrize("size", [2 * MIB, 12 * MIB])
async def test_big_process_data_are_signed_whole_by_a_body_that_waits_for_100_continue(
    served: Served, till: Till, size: int
) -> None:
    await set_up(served.registry.devices()[0].command, served.tse.serial)
    session = await till.lock()
    hands = Hands(served, till, session)
    data = os.urandom(512) * (size // 512)
    await step(hands.send, hands, TransactionStep.START)
    before = TseInfo.decode(await hands.read_info()).used_blocks
    await step(hands.send, hands, TransactionStep.FINISH, number=1, data=data, process_type=b"Kassenbeleg-V1")
    after = TseInfo.decode(await hands.read_info()).used_blocks
    assert hands.biggest_body > size * 4 // 3
    assert data in await hands.read_store(before, after - before)


async def test_a_body_above_the_limit_is_refused_by_its_size(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, max_body_bytes=MIB)) as served, till_of(served) as till:
        session = await till.lock()
        answer = await till.ask(
            served.path(session, "writeWormStore", "?offset=0"), "POST", data=io.BytesIO(bytes(MIB + 1))
        )
        assert (answer.status, answer.json["error"]) == (413, 1)
        assert (await till.ask(served.path(session, "readInfo"))).status == 200


async def test_data_for_the_store_come_in_whole_blocks(served: Served, till: Till) -> None:
    session = await till.lock()
    for data in (b"", b"x", bytes(513)):
        body = {"data": base64.b64encode(data).decode()}
        refused(
            await till.ask(served.path(session, "writeWormStore", "?offset=0"), "POST", json=body), 1, "bad_request"
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/lantse/"),
        ("GET", "/lantse/api/v2/tses"),
        ("POST", f"{BASE}/tses"),
        ("DELETE", f"{BASE}/tse/1/lock"),
        ("HEAD", f"{BASE}/tse/1/lock"),
        ("GET", f"{BASE}/tse/1/2/sendCommand"),
        ("GET", f"{BASE}/tse/a/b/c/d"),
    ],
)
async def test_nothing_below_lantse_is_ever_a_404(till: Till, method: str, path: str) -> None:
    answer = await till.ask(path, method) if method != "HEAD" else None
    if answer is not None:
        refused(answer, 1, "bad_request")


async def test_head_does_not_lock(served: Served, till: Till) -> None:
    session = till._session
    async with session.head(f"{served.url}{BASE}/tse/{served.serial}/lock") as answer:
        assert answer.status == 400
    assert served.registry.devices()[0].lock.lease is None


async def test_a_contended_lock_is_held_open_until_it_is_free(served: Served, till: Till) -> None:
    session = await till.lock()
    async with till_of(served) as other:
        waiting = asyncio.create_task(other.lock())
        await until(lambda: served.registry.devices()[0].lock.waiting_clients == 1)
        assert not waiting.done()
        await till.ask(served.path(session, "unlock"))
        assert await waiting != session


async def test_a_lock_that_never_gets_free_is_refused_with_a_number(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, lock_wait=0.05)) as served, till_of(served) as till:
        await till.lock()
        answer = await till.ask(f"{BASE}/tse/{served.serial}/lock")
        assert (answer.status, answer.json["error"], answer.json["error_name"]) == (503, 4, "lock_refused")


async def test_one_tcp_connection_is_one_connection_for_the_lock(served: Served, till: Till) -> None:
    await till.lock()
    lease = served.registry.devices()[0].lock.lease
    assert lease is not None
    holder: Any = lease.holder
    await till.ask(served.path(lease.session, "readInfo"))
    assert lease.holder is holder
    assert holder.alive
    async with till_of(served) as other:
        await other.ask(served.path(lease.session, "readInfo"))
        assert lease.holder is not holder
        second = lease.holder
    await until(lambda: not second.alive)


async def test_a_command_sent_again_on_a_new_connection_runs_once(served: Served) -> None:
    async with till_of(served) as first:
        session = await first.lock()
        before = served.tse.read_window()[:4]
        answer = await first.command(session, FlashHealth().encode())
    async with till_of(served) as second:
        assert (await second.command(session, FlashHealth().encode())).text == answer.text
    ran = int.from_bytes(served.tse.read_window()[:4], "big") - int.from_bytes(before, "big")
    assert ran == 1


async def test_a_stop_refuses_those_who_wait_for_a_lock_at_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as gateway:
        served = await gateway.enter_async_context(serve(settings_for(tmp_path)))
        async with till_of(served) as till, till_of(served) as other:
            await till.lock()
            waiting = asyncio.create_task(other.ask(f"{BASE}/tse/{served.serial}/lock"))
            await until(lambda: served.registry.devices()[0].lock.waiting_clients == 1)
            await gateway.aclose()
            answer = await waiting
    assert (answer.status, answer.json["error"]) == (503, 4)
