"""A shop with an archive: one TSE that sells, and everything that keeps what it signs."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.archive.manifest import Manifest
from gateway.archive.run import ArchiveOptions
from gateway.archive.service import ArchiveService
from gateway.archive.status import ArchiveRun, ArchiveStatus
from gateway.driver.usb.block import BlockDriver
from gateway.fleet.device import Device
from gateway.fleet.registry import Attachment, Registry
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from tests.support import export, receipt, set_up

EVENING = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


@dataclass
class Shop:
    registry: Registry
    metrics: Metrics
    tse: SimulatedTse
    directory: Path
    options: ArchiveOptions = field(init=False)
    now: datetime = EVENING

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **options: object) -> ArchiveService:
        """The gateway after a crash, or with other options."""
        self.options = ArchiveOptions(now=lambda: self.now, **options)  # type: ignore[arg-type]
        self.archives = ArchiveService(self.registry, self.metrics, self.directory, self.options)
        return self.archives

    @property
    def device(self) -> Device:
        return self.registry.devices()[0]

    @property
    def serial(self) -> str:
        return self.tse.serial.hex().upper()

    @property
    def folder(self) -> Path:
        return self.directory / self.serial

    async def sell(self, receipts: int, data: bytes = b"Beleg^1.00") -> None:
        for _ in range(receipts):
            await receipt(self.device.command, self.device, data=data)

    async def run(self) -> ArchiveRun:
        return await self.archives.run(self.serial)

    async def status(self) -> ArchiveStatus:
        return await self.archives.status(self.serial)

    async def segments(self) -> list[Manifest]:
        return (await self.status()).segments

    async def restored(self, series: int | None = None) -> bytes:
        volume = await self.archives.restore(self.serial, series)
        return b"".join([piece async for piece in volume.read(0, volume.size)])

    async def export(self) -> bytes:
        return await export(self.device)

    def after(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
async def shop(tse: SimulatedTse, metrics: Metrics, tmp_path: Path) -> AsyncIterator[Shop]:
    registry = Registry(metrics)
    await registry.reconcile(
        [Attachment("simulator", lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name="tse"))]
    )
    device = registry.devices()[0]
    await set_up(device.command, tse.serial, now=int(time.time()) + 60)
    await device.read_info()
    made = Shop(registry, metrics, tse, tmp_path / "archive")
    yield made
    await made.archives.close()
    await registry.close()
