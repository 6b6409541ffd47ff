"""Several commands in a row under the lock of one TSE, which LAN clients and the API share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.access.caller import current
from gateway.errors import CommandRejected
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.tse.commands import AbortExport, AbortImport, SelfTest
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.lists import Question, T
from gateway.tse.sectors import SECTOR


class _GatewayHolder:
    """The gateway as the holder of a lock, for the caller of a request or for itself; a new one for each lease."""

    alive = True
    client_id = ""

    def __init__(self) -> None:
        caller = current.get()
        self.peer, self.token = ("", "") if caller is None else (caller.peer, caller.name)


@dataclass(frozen=True, slots=True)
class Exclusive:
    """The commands of one TSE while the gateway holds its lock."""

    device: Device
    lease: Lease

    async def send(self, command: Command) -> bytes:
        """Carry out `command` and return the data of its response; errors as of `Device.carry_out`."""
        return await self.device.carry_out(command, self.lease)

    async def ask(self, question: Question[T]) -> list[T]:
        """Ask for a list, in as many commands as it takes."""
        try:
            command = next(question)
            while True:
                command = question.send(await self.send(command))
        except StopIteration as found:
            answer: list[T] = found.value
            return answer

    async def send_pin(self, command: Command, *, risk: bool) -> bytes:
        """Carry out a command that shows a PIN or PUK; errors as of `Device.send_pin`."""
        return await self.device.send_pin(command, self.lease, risk=risk)

    async def self_test(self, client_id: bytes) -> None:
        """Run the self test, up to a minute; unfinished work is aborted first, as by the vendor's library."""
        for command in (AbortImport(), AbortExport()):
            if self.device.info.generation not in command.opcodes:
                continue
            with suppress(CommandRejected):  # there was nothing to abort
                await self.send(command)
        await self.send(SelfTest(client_id))

    async def info(self) -> TseInfo:
        """Read the info sector."""
        await self.device.read_info()
        return self.device.info

    async def write(self, block: int, data: bytes) -> None:
        """Write process data to the store: all whole blocks at once, then the padded rest."""
        whole = len(data) - len(data) % SECTOR
        if whole:
            await self.device.write_store(block, data[:whole], self.lease)
        if len(data) > whole:
            await self.device.write_store(block + whole // SECTOR, data[whole:].ljust(SECTOR, b"\0"), self.lease)


@asynccontextmanager
async def exclusive(device: Device, wait: float) -> AsyncIterator[Exclusive]:
    """Hold the lock of `device`, which is waited for at most `wait` seconds.

    Raises:
        LockRefused: others held it all the time.
        DeviceGone: the TSE failed.
    """
    async with device.lock.hold(_GatewayHolder(), wait) as lease:
        yield Exclusive(device, lease)
