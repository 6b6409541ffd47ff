"""A TSE that only shows its store, as it was when it was recorded: light enough for hundreds of processes."""

from dataclasses import dataclass
from typing import cast

from gateway.fleet.device import Device
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR
from tests.support import export


@dataclass
class Recorded:
    """What the archive asks of a device."""

    sector: bytes
    store: bytes

    @property
    def info(self) -> TseInfo:
        return TseInfo.decode(self.sector)

    @property
    def serial(self) -> str:
        return self.info.serial_hex

    @property
    def device(self) -> Device:
        """For the type checker."""
        return cast("Device", self)

    @property
    def lock(self) -> "Recorded":
        return self

    async def wait_for_sale(self, mine: None) -> None:
        """At once: nobody holds the lock."""

    async def read_info(self) -> bytes:
        return self.sector

    async def read_store(self, block: int, count: int) -> bytes:
        return self.store[block * SECTOR : (block + count) * SECTOR]


async def recorded(device: Device) -> Recorded:
    return Recorded(await device.read_info(), await export(device))
