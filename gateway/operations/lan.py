"""The requests of the LAN protocol, carried out exactly once.

A client whose reused connection dies before the first byte of an answer sends the same
request again on a new connection, commands included. So the last POST of each lease is
remembered: the same POST on another connection gets the remembered answer (or waits for
the running one) instead of a second execution. One command is different: asking for the
next part of an export has the same bytes each time. If its answer may have arrived,
replaying it could double a part and executing it could skip one; then it is refused and
the client starts its export again.

A signature whose answer the TSE owes ends the session, since the TSE is opened afresh; the same
request on another connection still gets what the TSE tells of it then. That holds over the end
of this process, too (`lan_journal`).
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from gateway.errors import BadRequest, CommandRejected, DeviceGone, ExportInterrupted, InvalidSession, LockRefused
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Holder, Lease
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text
from gateway.operations.lan_commands import LanCommands
from gateway.operations.lan_journal import LanJournal
from gateway.operations.store import PatientReader, receipts_begin
from gateway.tasks import begun, fail, settle
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, FetchResponse, NextExportPart, OpenImport
from gateway.tse.info import TseInfo
from gateway.tse.results import Result, explain
from gateway.tse.sectors import MAX_COMMAND, SECTOR

_MOST_BLOCKS = 65_536  # 32 MiB in one request
_SIGNATURES_KEPT = 4096
_COMMAND = b"command"
_SIGN = _COMMAND + CloseImport().encode()


@dataclass(eq=False, slots=True)
class _Remembered:
    """A request and its answer, which `asked` awaits once and all who send it again share. Its task outlasts them."""

    request: bytes
    connection: Holder
    answer: "asyncio.Future[bytes]"
    asked: "asyncio.Future[bytes]"
    surely_lost: bool = False
    task: "asyncio.Task[None] | None" = None

    async def carry_out(self, work: Coroutine[Any, Any, bytes]) -> None:
        """Do `work` and settle both: callbacks of the task would be two turns of the event loop for each command."""
        try:
            reply = await work
        except Exception as error:  # noqa: BLE001 (it belongs to whoever awaits the answer)
            self.surely_lost = not self.connection.alive
            fail(self.answer, error)
            fail(self.asked, error)
        except BaseException:
            self.answer.cancel()
            self.asked.cancel()
            raise
        else:
            self.surely_lost = not self.connection.alive
            settle(self.answer, reply)
            settle(self.asked, reply)


class LanTse:
    """The seven requests of the protocol. Serials as hex, sessions as int; a lock is waited for `lock_wait` seconds.

    `hides` tells which TSEs are not listed, though they can be used: others of their pool serve.
    """

    def __init__(
        self,
        registry: Registry,
        metrics: Metrics,
        journal: LanJournal | None = None,
        *,
        lock_wait: float = 45.0,
        commands: LanCommands | None = None,
        hides: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._registry = registry
        self._journal = journal or LanJournal(registry)
        self._metrics = metrics
        self._lock_wait = lock_wait
        self._commands = commands or LanCommands()
        self._hides = hides
        self._last: WeakKeyDictionary[Lease, _Remembered] = WeakKeyDictionary()
        self._signed: OrderedDict[tuple[str, int], _Remembered] = OrderedDict()

    def serials(self) -> list[str]:
        """Return the serials of the TSEs that can be used now, without those that are hidden."""
        usable = [device.serial for device in self._registry.devices() if not device.failed.is_set()]
        return [serial for serial in usable if not self._hides(serial)]

    def check_session(self, serial: str, session: int) -> None:
        """Check the address of a command or data that the client is going to send.

        Raises:
            UnknownDevice: no such TSE.
            DeviceGone: it failed and is not back yet.
            InvalidSession: `session` does not hold the lock, and no answer is kept for it, nor can the TSE tell it.
        """
        if self._journal.knows(serial.upper(), session):
            return
        device = self._registry.find(serial)
        if not (device.lock.has_ended(session) and (device.serial, session) in self._signed):
            device.lock.check_session(session)

    async def lock(self, serial: str, connection: Holder) -> int:
        """Acquire the lock and return the session under which `connection` may use the TSE.

        Raises:
            LockRefused: others held the lock for as long as a request may wait.
        """
        device = self._registry.find(serial)
        lease = await device.lock.acquire(connection, self._lock_wait)
        if not connection.alive:
            device.lock.release(lease.session)
            raise LockRefused(
                Text("the client hung up while it waited", "der Client hat aufgelegt, während er wartete")
            )
        return lease.session

    async def unlock(self, serial: str, session: int) -> None:
        """Release the lock; a re-sent unlock succeeds like the first, also in the next process.

        It is no error either if `session` does not hold the lock: the vendor's library would take that for the result
        of the command before, which may have signed.
        """
        with suppress(InvalidSession, DeviceGone):
            self._registry.find(serial).lock.release(session)

    async def read_info(self, serial: str, session: int, connection: Holder) -> bytes:
        """Return the 512 bytes of the info sector."""
        device = self._registry.find(serial)
        with device.lock.use(session, connection, reading=True) as lease:
            sector = await device.read_info()
            lease.told_length(TseInfo.decode(sector).used_blocks)
            return sector

    async def read_store(self, serial: str, session: int, block: int, count: int, connection: Holder) -> bytes:
        """Return `count` blocks of 512 bytes of the store, from `block` on."""
        device = self._registry.find(serial)
        _check_range(device, block, count)
        with device.lock.use(session, connection, reading=True) as lease:
            source = PatientReader(device, lease) if lease.stepped_aside else device
            data = await source.read_store(block, count)
            lease.reads += 1
            return lease.as_it_was(block, data)

    async def receipts_begin(self, serial: str) -> int:
        """Return the block of the store where receipts begin; whoever may not read all may read what stands before."""
        return await receipts_begin(self._registry.find(serial))

    async def send_command(self, serial: str, session: int, command: bytes, connection: Holder) -> bytes:
        """Carry out `command` once, however often it is sent, and return the data of its response."""
        if _COMMAND + command == _SIGN and self._journal.knows(serial.upper(), session):
            reply = await self._journal.answer(serial.upper(), session, self._lock_wait)
            self._metrics.requests.replayed(serial.upper(), "resent")
            return reply
        device = self._registry.find(serial)
        if not 1 <= len(command) <= MAX_COMMAND:
            raise CommandRejected(
                Result.COMMAND_SYNTAX,
                Text(
                    "a command has 1 to {most} bytes, not {given}", "ein Befehl hat 1 bis {most} Bytes, nicht {given}"
                ).filled(most=MAX_COMMAND, given=len(command)),
            )
        if command[0] == FetchResponse.opcode:
            raise CommandRejected(Result.NO_RESPONSE_TO_FETCH, explain(Result.NO_RESPONSE_TO_FETCH))
        repeats = command[0] == NextExportPart.opcode

        async def carry_out(lease: Lease) -> bytes:
            reply = await self._commands.carry_out(device, command, lease)
            if command[0] == OpenImport.opcode:
                await self._journal.note(device, lease)
            return reply

        return await self._once(device, session, connection, _COMMAND + command, carry_out, repeats=repeats)

    async def write_store(self, serial: str, session: int, block: int, data: bytes, connection: Holder) -> None:
        """Write whole blocks of process data to the store, from `block` on."""
        device = self._registry.find(serial)
        if not data or len(data) % SECTOR:
            raise BadRequest(
                Text(
                    "data for the store come in whole blocks of {sector} bytes, not {given} bytes",
                    "Daten für den Speicher kommen in ganzen Blöcken von {sector} Bytes, nicht {given} Bytes",
                ),
                sector=SECTOR,
                given=len(data),
            )
        _check_range(device, block, len(data) // SECTOR)

        async def write(lease: Lease) -> bytes:
            await device.write_store(block, data, lease)
            return b""

        request = b"write" + block.to_bytes(8, "big") + hashlib.sha256(data).digest()
        await self._once(device, session, connection, request, write)

    async def _once(
        self,
        device: Device,
        session: int,
        connection: Holder,
        request: bytes,
        work: Callable[[Lease], Coroutine[Any, Any, bytes]],
        *,
        repeats: bool = False,
    ) -> bytes:
        ended = self._signed.get((device.serial, session)) if device.lock.has_ended(session) else None
        if ended is not None and ended.request == request and ended.connection is not connection:
            self._metrics.requests.replayed(device.serial, "resent")
            ended.connection = connection
            return await asyncio.shield(ended.answer)
        await device.lock.regain(session, connection, self._lock_wait)
        with device.lock.use(session, connection) as lease:
            last = self._last.get(lease)
            if last is not None and last.request == request and last.connection is not connection:
                self._metrics.requests.replayed(device.serial, "resent")
                if repeats and last.answer.done() and not last.surely_lost:
                    raise ExportInterrupted(
                        Text(
                            "a part of the export may have been lost: start the export again",
                            "ein Teil des Exports ist vielleicht verloren: den Export neu beginnen",
                        )
                    )
                last.connection = connection
                return await asyncio.shield(last.answer)
            loop = asyncio.get_running_loop()
            remembered = _Remembered(request, connection, loop.create_future(), loop.create_future())
            self._last[lease] = remembered
            if request == _SIGN:
                self._keep_signature((device.serial, session), remembered)
            remembered.task = begun(remembered.carry_out(work(lease)))
            return await remembered.asked

    def _keep_signature(self, key: tuple[str, int], remembered: _Remembered) -> None:
        self._signed[key] = remembered
        self._signed.move_to_end(key)
        if len(self._signed) > _SIGNATURES_KEPT:
            self._signed.popitem(last=False)


def _check_range(device: Device, block: int, count: int) -> None:
    if not 1 <= count <= _MOST_BLOCKS:
        raise BadRequest(
            Text(
                "a request moves 1 to {most} blocks, not {count}",
                "eine Anfrage überträgt 1 bis {most} Blöcke, nicht {count}",
            ),
            most=_MOST_BLOCKS,
            count=count,
        )
    if not 0 <= block <= device.info.capacity_blocks - count:
        raise BadRequest(
            Text(
                "blocks {first} to {last} lie outside the store of this TSE",
                "die Blöcke {first} bis {last} liegen nicht im Speicher dieser TSE",
            ),
            first=block,
            last=block + count,
        )
