"""Several commands in a row under the lock of one TSE, which LAN clients and the API share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.errors import CommandRejected
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.tse.commands import AbortExport, AbortImport, SelfTest
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR


class _GatewayHolder:
    """The gateway itself as the holder of a lock; a new one for each tse."""

    peer = ""

    @property
    def alive(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Exclusive:
    """The verbs of a TSE while its lock is ours."""

    device: Device
    lease: Lease

    async def send(self, command: Command) -> bytes:
        """The data of the response; `CommandRejected` when the TSE refuses."""
        return await self.device.command(command.encode(), self.lease)

    async def send_pin(self, command: Command, *, risk: bool) -> bytes:
        """`send` for what shows a PIN or PUK; `PinWithheld` if that may block it and must not be risked."""
        return await self.device.send_pin(command, self.lease, risk=risk)

    async def self_test(self, client_id: bytes) -> None:
        """Up to a minute; whatever else was under way is aborted first, as the vendor's library does."""
        for command in (AbortImport(), AbortExport()):
            with suppress(CommandRejected):  # there was nothing to abort
                await self.send(command)
        await self.send(SelfTest(client_id))

    async def info(self) -> TseInfo:
        """A fresh reading of the info sector."""
        return TseInfo.decode(await self.device.read_info())

    async def write(self, block: int, data: bytes) -> None:
        """Process data to the store: all whole blocks at once, then the padded rest."""
        whole = len(data) - len(data) % SECTOR
        if whole:
            await self.device.write_store(block, data[:whole], self.lease)
        if len(data) > whole:
            await self.device.write_store(block + whole // SECTOR, data[whole:].ljust(SECTOR, b"\0"), self.lease)


@asynccontextmanager
async def exclusive(device: Device, wait: float) -> AsyncIterator[Exclusive]:
    """Hold the lock of `device`, for which at most `wait` seconds are waited.

    Raises:
        LockRefused: others held it all the time.
        DeviceGone: the TSE failed.
    """
    async with device.hold(_GatewayHolder(), wait) as lease:
        yield Exclusive(device, lease)
