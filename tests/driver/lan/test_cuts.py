"""Tills at two gateways share one TSE while the connection between the gateways is cut at random."""

import asyncio
from contextlib import suppress
from pathlib import Path

from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import ListTransactions, TransactionStep
from gateway.tse.lists import TransactionListReply
from tests.chaos.cutter import Cutter
from tests.driver.lan.test_fleet import attachment
from tests.driver.lan.upstreams import TOKEN, Served, gateway_over, gateway_with
from tests.history.checker import demand_explained
from tests.history.events import History
from tests.history.recorder import RecordedLan
from tests.lan_client import LanError
from tests.support import export, set_up

CLIENTS = (b"POS-1", b"POS-2")
CUTS, CHANCE, SEED = 5, 0.06, 1  # the pauses before the next opening grow with each


class Till:
    """Signs under its own client id, whatever breaks, and writes down what it was told."""

    def __init__(self, served: Served, tse: SimulatedTse, client_id: bytes, history: History) -> None:
        self._client = RecordedLan(served.port, TOKEN, tse.serial.hex().upper(), history=history)
        self._client_id = client_id

    async def sell_until(self, enough: asyncio.Event) -> None:
        """Receipt after receipt."""
        while not enough.is_set():
            with suppress(LanError):
                async with self._client.locked():
                    await self._receipt()
        await self._client.close()

    async def _receipt(self) -> None:
        question = ListTransactions(0, self._client_id).encode()
        for number in TransactionListReply.decode(await self._client.send_command(question)).numbers:
            await self._client.sign(TransactionStep.FINISH, self._client_id, number, b"", b"")
        await self._client.sign(TransactionStep.START, self._client_id, 0, b"x" * 700, b"")


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
            history = History()
            tills = [Till(served, tse, client, history) for served, client in zip((near, far), CLIENTS, strict=True)]
            enough = asyncio.Event()
            async with asyncio.TaskGroup() as selling:
                for till in tills:
                    selling.create_task(till.sell_until(enough))
                while cutter.cuts.total() < CUTS:  # noqa: ASYNC110 (the relay has no event)
                    await asyncio.sleep(0.05)
                enough.set()
        tar = await export(far.registry.devices()[0])
    assert demand_explained(history, tar).answered > 0
