"""A program sells at a virtual drive while its connection to the gateway is cut at random."""

import asyncio
from contextlib import suppress
from pathlib import Path

from gateway.errors import GatewayError
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import ListTransactions, TransactionStep
from gateway.tse.lists import TransactionListReply
from tests.chaos.cutter import Cutter
from tests.client.drives import drive, driver_of
from tests.client.test_drive import DriveSeller, LanSeller
from tests.driver.lan.upstreams import gateway_over
from tests.history.checker import demand_explained
from tests.history.events import History
from tests.needs import FUSE
from tests.support import export, set_up

CLIENTS = (b"POS-1", b"POS-2")
CUTS, CHANCE, SEED = 12, 0.03, 1

pytestmark = FUSE


async def sell_on(place: Path, history: History, enough: asyncio.Event) -> None:
    """Receipt after receipt, whatever breaks; one that was left open is finished first."""
    while not enough.is_set():
        with suppress(GatewayError, OSError):
            async with driver_of(place) as driver:
                seller = DriveSeller(CLIENTS[0], history, driver)
                question = ListTransactions(0, CLIENTS[0]).encode()
                for number in TransactionListReply.decode(await driver.send_command(question)).numbers:
                    await seller.sign(TransactionStep.FINISH, number, b"")
                await seller.sign(TransactionStep.START, 0, b"x" * 700)


async def test_what_a_program_was_told_is_in_the_store_and_nothing_is_signed_twice(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    history, enough = History(), asyncio.Event()
    async with gateway_over(tse, tmp_path / "gateway") as served:
        device = served.registry.devices()[0]
        await set_up(device.command, tse.serial, *CLIENTS)
        cutter = Cutter(served.port, 0.0, SEED)
        async with cutter.listening() as port, drive(served.upstream(port), tse, tmp_path / "drive") as place:
            cutter._chance = CHANCE
            till = LanSeller(CLIENTS[1], history, served, tse.serial.hex().upper())
            async with asyncio.TaskGroup() as selling:
                selling.create_task(sell_on(place, history, enough))
                while cutter.cuts.total() < CUTS:
                    await till.sell(1)
                enough.set()
            await till.lan.close()
        assert demand_explained(history, await export(device)).answered > CUTS
