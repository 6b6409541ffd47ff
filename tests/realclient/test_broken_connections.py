"""Connections that die before an answer arrives: the library asks again by itself, and nothing is signed twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from gateway.app.gateway import Gateway, running
from gateway.config.settings import Settings
from gateway.tse.commands import SelfTest
from tests.realclient.conftest import TOKEN
from tests.realclient.worm import Peer

READY = (
    "select0",
    "selftest POS-1",
    "setup SwissbitSwissbit 123456 12345 98765 POS-1",
    "time 1700000000",
    "start POS-1 - 0",
    "update POS-1 - 0",
)


Action = Callable[[], Awaitable[None]]


class Wire:
    """Between client and gateway.

    `cut_answer(n)`: the n-th answer from now is lost together with its connection.
    `before_answer(n, action)`: something happens before the client gets it.
    """

    def __init__(self, port: int) -> None:
        self.to = port
        self._answers_left = 0
        self._action: Action | None = None
        self.cuts = 0

    def cut_answer(self, number: int) -> None:
        self._answers_left = number

    def before_answer(self, number: int, action: Action) -> None:
        self._answers_left, self._action = number, action

    async def carry(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far, far_out = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(near, far_out))
                both.create_task(self._answers(far, near_out))
        finally:
            for writer in (near_out, far_out):
                writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            # An answer is one write of the gateway, and the client has one request under way.
            while data := await reader.read(65536):
                if self._answers_left:
                    self._answers_left -= 1
                    if not self._answers_left and self._action:
                        await self._action()
                    elif not self._answers_left:
                        self.cuts += 1
                        break
                writer.write(data)
        writer.close()


@asynccontextmanager
async def wire_to(gateway: Gateway) -> AsyncIterator[tuple[Wire, str]]:
    """A wire, and the URL at its near end."""
    wire = Wire(gateway.port)
    async with await asyncio.start_server(wire.carry, "127.0.0.1", 0) as server:
        yield wire, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("number", range(1, 7), ids=["lock", "open", "blocks", "last block", "sign", "unlock"])
async def test_a_lost_answer_loses_and_doubles_no_signature(gateway: Gateway, arm: Peer, number: int) -> None:
    async with wire_to(gateway) as (wire, url), arm.connected(url, TOKEN) as client:
        assert (await client.run(READY))[-1].facts == {"sig": 4}
        wire.cut_answer(number)
        finished = await client.call("finish POS-1 Kassenbeleg-V1 700")
        assert (finished.code, finished.facts, wire.cuts) == (0, {"sig": 5}, 1)
        assert (await client.call("entries")).facts["n"] == 5
        assert (await client.call("start POS-1 - 0")).facts == {"no": 2, "sig": 6}


async def test_a_tse_pulled_after_it_signed_does_not_make_the_signature_an_error(gateway: Gateway, arm: Peer) -> None:
    # The client takes an error of its unlock for the result of the whole call, and the till would sign again.
    async with wire_to(gateway) as (wire, url), arm.connected(url, TOKEN) as client:
        await client.run(READY)
        wire.before_answer(5, lambda: gateway.registry.reconcile([]))
        finished = await client.call("finish POS-1 Kassenbeleg-V1 700")
        assert (finished.code, finished.facts) == (0, {"sig": 5})


@pytest.mark.parametrize("number", [5, 6], ids=["sign", "unlock"])
async def test_a_gateway_that_is_started_anew_answers_what_the_one_before_has_signed(
    settings: Settings, arm: Peer, number: int
) -> None:
    reached, started = asyncio.Event(), asyncio.Event()

    async def no_answer() -> None:
        reached.set()
        await started.wait()
        raise ConnectionResetError

    async with AsyncExitStack() as lives:
        first = await lives.enter_async_context(running(settings))
        async with wire_to(first) as (wire, url), arm.connected(url, TOKEN) as client:
            assert (await client.run(READY))[-1].facts == {"sig": 4}
            wire.before_answer(number, no_answer)
            calling = asyncio.create_task(client.call("finish POS-1 Kassenbeleg-V1 700"))
            await reached.wait()
            await lives.aclose()
            second = await lives.enter_async_context(running(settings))
            wire.to = second.port
            started.set()
            await second.registry.devices()[0].command(SelfTest(b"POS-1").encode())  # its start is a power-up
            finished = await calling
            assert (finished.code, finished.facts) == (0, {"sig": 5})
            assert (await client.call("entries")).facts["n"] == 5


@pytest.mark.parametrize("number", [2, 5, 8])
async def test_a_lost_part_of_a_filtered_export_is_never_doubled_or_left_out(
    gateway: Gateway, arm: Peer, number: int
) -> None:
    async with wire_to(gateway) as (wire, url), arm.connected(url, TOKEN) as client:
        await client.run(READY)
        whole = (await client.call("ftime 0 9999999999 -")).facts["bytes"]
        wire.cut_answer(number)
        cut = await client.call("ftime 0 9999999999 -")
        assert wire.cuts == 1
        assert cut.code == 10 or (cut.code, cut.facts["bytes"]) == (0, whole)
        again = await client.call("ftime 0 9999999999 -")
        assert (again.code, again.facts["bytes"]) == (0, whole)
