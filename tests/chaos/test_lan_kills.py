"""The gateway is killed at random while tills sign over the LAN protocol: none is left without its answer.

Between the tills and the gateway stands a door that stays open while the gateway is dead, as that of a container host
does. A till whose connection dies sends its request again, as the vendor's library does, and does not ask what became
of it: what it is refused must not have been signed, and what was signed it must be told.

The generations of the TSE share the kills. LAN_KILLS=200 makes it the long run; LAN_KILLS_SEED another story.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.tse.commands import CloseImport, TransactionReply, TransactionStep
from gateway.tse.fields import Generation
from gateway.tse.results import Result
from tests.chaos.test_receipts_once import _made_ready, _stored, _warmed_up
from tests.history.checker import demand_explained
from tests.history.events import History
from tests.history.recorder import RecordedLan
from tests.lan_client import LanError
from tests.process import gateway

KILLS = int(os.environ.get("LAN_KILLS", "3"))
SEED = int(os.environ.get("LAN_KILLS_SEED", "1"))
CLIENTS = (b"POS-0", b"POS-1", b"POS-1")  # two tills share an id
LIFE = (0.02, 0.4)  # seconds from ready to killed
KIND = b"Kassenbeleg-V1"


class Door:
    """Relays to the gateway that runs now; whoever comes while none does has to wait."""

    def __init__(self) -> None:
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ways: set[asyncio.Task[None]] = set()

    def opens(self, port: int) -> None:
        self._port.set_result(port)

    def closes(self) -> None:
        self._port = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for way in self._ways:
                way.cancel()
            await asyncio.gather(*self._ways, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        task.add_done_callback(self._ways.discard)
        with suppress(OSError):
            upstream, to_gateway = await asyncio.open_connection("127.0.0.1", await asyncio.shield(self._port))
            ways = [asyncio.create_task(_pump(reader, to_gateway)), asyncio.create_task(_pump(upstream, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                to_gateway.transport.abort()
        writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()


@dataclass
class Till(RecordedLan):
    """It sells one receipt after the other; `last_try` while the library would not send its request again."""

    client: bytes = b""
    number: int = 0
    last_try: bool = False
    told_by_next: int = 0
    errors: Counter[int] = field(default_factory=Counter)

    async def sell(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        receipt = 0
        while not stop.is_set():
            receipt += 1
            name = f"receipt {self.number}-{receipt}"
            number = (await self._insist(ready, TransactionStep.START, 0, b"", f"start of {name}")).transaction_number
            await self._insist(ready, TransactionStep.FINISH, number, name.encode(), name)

    async def _insist(
        self, ready: asyncio.Event, event: TransactionStep, number: int, data: bytes, name: str
    ) -> TransactionReply:
        while True:
            await ready.wait()
            try:
                if not self.serial:
                    await self.select()
                async with self.locked():
                    return await self.sign(event, self.client, number, data, KIND if data else b"", name)
            except LanError as error:
                self.errors[error.number] += 1
                if error.number == Result.TRANSACTION_NOT_STARTED:
                    pytest.fail(f"{name} was signed, and its till was not told")

    async def send_command(self, command: bytes) -> bytes:
        before = self.resent
        reply = await super().send_command(command)
        self.told_by_next += command == CloseImport().encode() and self.resent > before
        return reply

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.last_try = self._stream is None
        try:
            return await super()._exchange(method, path, body)
        finally:
            self.last_try = False


@pytest.mark.timeout(200 + 30 * KILLS)
@pytest.mark.parametrize(
    ("generation", "kills"),
    [(Generation.ONE, KILLS - KILLS // 2), (Generation.TWO, KILLS // 2)],
    ids=["first", "second"],
)
async def test_no_till_is_left_without_its_answer_however_often_the_gateway_is_killed(
    generation: Generation, kills: int, tmp_path: Path
) -> None:
    serial = await _made_ready(tmp_path / "simulator-1", generation)
    door, history, chance = Door(), History(), random.Random(SEED)
    ready, stop = asyncio.Event(), asyncio.Event()
    tills: list[Till] = []
    selling: list[asyncio.Task[None]] = []
    async with door.listening() as port:
        for kill in range(kills + 1):
            async with gateway(tmp_path, "--simulator", "1") as running:
                await running.until_it_serves()
                door.opens(running.port)
                if not tills:
                    tills = [
                        Till(port, running.token, history=history, client=c, number=n) for n, c in enumerate(CLIENTS)
                    ]
                    selling = [asyncio.create_task(till.sell(ready, stop)) for till in tills]
                await _warmed_up(running, serial)
                ready.set()
                ended, _ = await asyncio.wait(
                    selling, timeout=chance.uniform(*LIFE), return_when=asyncio.FIRST_EXCEPTION
                )
                await asyncio.gather(*ended)
                ready.clear()
                if kill == kills:
                    stop.set()
                    ready.set()
                    async with asyncio.timeout(60):
                        await asyncio.gather(*selling)
                    for till in tills:
                        await till.close()
                    break
                while any(till.last_try for till in tills):  # noqa: ASYNC110 (it is not sent a third time)
                    await asyncio.sleep(0)
                door.closes()
                with suppress(ProcessLookupError):
                    running.process.send_signal(signal.SIGKILL)
                await running.process.wait()
    found = demand_explained(history, await _stored(tmp_path / "simulator-1", generation))
    errors = sum((till.errors for till in tills), Counter[int]())
    told = sum(till.told_by_next for till in tills)
    report = {"kills": kills, "steps": found.steps, "signatures": found.signatures, "untold": len(found.untold)}
    print(json.dumps(report | {"signed before, told by the next": told, "errors": dict(errors)}))
    assert found.untold == ()
    assert found.steps > kills
    assert told > 0 or kills < 50
