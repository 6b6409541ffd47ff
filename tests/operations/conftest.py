"""The operations around one simulated TSE that is ready for sales."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.fleet.registry import Attachment, Registry
from gateway.operations.journal import Journal
from gateway.operations.transactions import Transactions
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport
from tests.support import NOW, set_up


class Wire:
    """The way to a TSE, which loses one signature: its answer, or already the command on its way there."""

    def __init__(self, tse: SimulatedTse) -> None:
        self._tse = tse
        self.signatures_until_loss = 0
        self.loses_command = False

    def socket(self) -> SimulatedTransport:
        made = SimulatedTransport(self._tse)
        made.write_window = self._write_window
        return made

    def _write_window(self, sector: bytes) -> None:
        if sector[2] == CloseImport.opcode and self.signatures_until_loss:
            self.signatures_until_loss -= 1
            if not self.signatures_until_loss:
                self._tse.faults.set("io_error" if self.loses_command else "counter_jump", 1)
        self._tse.write_window(sector)


class Shop:
    """A registry with one TSE, and the services on top; `crash` leaves them as kill -9 would."""

    def __init__(self, registry: Registry, tse: SimulatedTse, wire: Wire, metrics: Metrics, directory: Path) -> None:
        self.registry, self.tse, self._wire, self.metrics = registry, tse, wire, metrics
        self.journal_path = directory / "receipts.journal"
        self.restart()

    def restart(self) -> None:
        self.journal = Journal(self.journal_path, now=lambda: float(NOW))
        self.transactions = Transactions(self.registry, self.journal, self.metrics, lock_wait=5, now=lambda: float(NOW))

    def lose_answer_to(self, signature: int) -> None:
        """Lose the answer to the signature with this position from now on (1 is the next)."""
        self._wire.signatures_until_loss, self._wire.loses_command = signature, False

    def lose_command_of(self, signature: int) -> None:
        """Let that signature not even be asked for: the write of the command fails."""
        self._wire.signatures_until_loss, self._wire.loses_command = signature, True

    async def until_usable(self) -> None:
        async with asyncio.timeout(10):
            while not (devices := self.registry.devices()) or devices[0].failed.is_set():
                self.registry.changed.clear()
                await self.registry.changed.wait()

    @property
    def serial(self) -> str:
        return self.tse.serial.hex().upper()


@pytest.fixture
async def shop(tse: SimulatedTse, metrics: Metrics, tmp_path: Path) -> AsyncIterator[Shop]:
    registry, wire = Registry(metrics), Wire(tse)
    await registry.reconcile([Attachment("simulator", lambda: BlockDriver.open(wire.socket, name="tse"))])
    await set_up(registry.devices()[0].command, tse.serial, b"POS-1", b"POS-2")
    await registry.devices()[0].read_info()
    made = Shop(registry, tse, wire, metrics, tmp_path)
    yield made
    await made.transactions.close()
    async with asyncio.timeout(10):
        await registry.close()
