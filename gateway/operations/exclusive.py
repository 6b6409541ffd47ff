"""A visit to one TSE: several commands in a row under its lock, which LAN clients and the API share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.errors import CommandRejected, DeviceGone, InvalidSession
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.tse.commands import AbortExport, AbortImport, SelfTest
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR


class _Visitor:
    """The gateway itself as the holder of a lock; a new one for each visit."""

    @property
    def alive(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Visit:
    """The verbs of a TSE while its lock is ours."""

    device: Device
    lease: Lease

    async def send(self, command: Command) -> bytes:
        """The data of the response; `CommandRejected` when the TSE refuses."""
        self._check()
        return await self.device.command(command.encode(), self.lease)

    async def show(self, command: Command, *, risk: bool) -> bytes:
        """`send` for what shows a PIN or PUK; `PinWithheld` if that may lock the TSE and must not be risked."""
        return await self.device.lockout.send(command, self.send, risk=risk)

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
        self._check()
        whole = len(data) - len(data) % SECTOR
        if whole:
            await self.device.write_store(block, data[:whole])
        if len(data) > whole:
            await self.device.write_store(block + whole // SECTOR, data[whole:].ljust(SECTOR, b"\0"))

    def _check(self) -> None:
        # A TSE that failed and was opened afresh may be in other hands: then our next command would hit their work.
        if self.device.lock.lease is not self.lease:
            raise DeviceGone("the TSE failed and was opened afresh meanwhile: ask again")


@asynccontextmanager
async def visiting(device: Device, wait: float) -> AsyncIterator[Visit]:
    """Hold the lock of `device`, for which at most `wait` seconds are waited.

    Raises:
        LockRefused: others held it all the time.
        DeviceGone: the TSE failed.
    """
    visitor = _Visitor()
    lease = await device.lock.acquire(visitor, wait)
    try:
        with device.lock.entered(lease.session, visitor):
            yield Visit(device, lease)
    finally:
        with suppress(InvalidSession):  # the TSE failed meanwhile, which ended the lease
            device.lock.release(lease.session)
