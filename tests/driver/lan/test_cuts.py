"""Tills at two gateways share one TSE while the connection between the gateways is cut at random."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

from gateway.simulator.device import SimulatedTse
from gateway.tse import archive
from gateway.tse.commands import Event, ListTransactions, TransactionList
from gateway.tse.logmessage import LogMessage
from tests.chaos.cutter import Cutter
from tests.driver.lan.test_fleet import attachment
from tests.driver.lan.upstreams import TOKEN, Served, gateway_over, gateway_with
from tests.lan_client import LanClient, LanError
from tests.support import export, set_up

CLIENTS = (b"POS-1", b"POS-2")
CUTS, CHANCE, SEED = 25, 0.06, 1

Signed = tuple[int, str, int | None]


class Till:
    """Signs under its own client id, whatever breaks, and keeps what it was told."""

    def __init__(self, served: Served, tse: SimulatedTse, client_id: bytes) -> None:
        self._client = LanClient(served.port, TOKEN, tse.serial.hex().upper())
        self._client_id = client_id
        self.tried = 0
        self.told: list[Signed] = []

    async def sell_until(self, enough: asyncio.Event) -> None:
        """Receipt after receipt."""
        while not enough.is_set():
            with suppress(LanError):
                async with self._client.locked():
                    await self._receipt()
        await self._client.close()

    async def _receipt(self) -> None:
        question = ListTransactions(0, self._client_id).encode()
        for number in TransactionList.decode(await self._client.send_command(question)).numbers:
            await self._step(Event.FINISH, number, b"")
        await self._step(Event.START, 0, b"x" * 700)

    async def _step(self, event: Event, number: int, data: bytes) -> None:
        self.tried += 1
        reply = await self._client.sign(event, self._client_id, number, data, b"")
        operation = f"{event.name.capitalize()}Transaction"
        self.told.append((reply.signature_counter, operation, reply.transaction_number))


async def test_what_a_till_was_told_is_in_the_store_and_nothing_is_signed_twice(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    async with gateway_over(tse, tmp_path / "far") as far:
        await set_up(far.registry.devices()[0].command, tse.serial, *CLIENTS)
        cutter = Cutter(far.port, CHANCE, SEED)
        async with (
            cutter.listening() as port,
            gateway_with([attachment(far.upstream(port), tse.serial.hex())], tmp_path / "near") as near,
        ):
            tills = [Till(served, tse, client) for served, client in zip((near, far), CLIENTS, strict=True)]
            enough = asyncio.Event()
            async with asyncio.TaskGroup() as selling:
                for till in tills:
                    selling.create_task(till.sell_until(enough))
                while cutter.cuts.total() < CUTS:  # noqa: ASYNC110 (the relay has no event)
                    await asyncio.sleep(0.05)
                enough.set()
        tar = await export(far.registry.devices()[0])
    messages = [LogMessage.decode(item.data) for item in list(archive.members(tar))[2:]]
    assert [message.signature_counter for message in messages] == list(range(1, len(messages) + 1))
    steps = [message for message in messages if message.transaction_number]
    stored = {(message.signature_counter, message.operation, message.transaction_number) for message in steps}
    told = [signed for till in tills for signed in till.told]
    assert len(set(told)) == len(told) > 0
    assert set(told) <= stored
    assert max(Counter((message.transaction_number, message.operation) for message in steps).values()) == 1
    assert len(stored) <= sum(till.tried for till in tills)
