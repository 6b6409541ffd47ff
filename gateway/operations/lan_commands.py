"""Commands of LAN clients that a TSE of generation 2 does not take itself, answered in its place.

Filtered exports, which it refuses, are made from its store. Commands of generation 1, which a till with older software
sends, are answered with those of generation 2 if the settings say so: each has a counterpart but the switches that the
newer generation does not have. What is signed passes as it is. (LAN-TSE protocol; what the older library accepts.)
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from weakref import WeakKeyDictionary, ref

from gateway.errors import CommandRejected, ExportInterrupted, ProtocolError
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.i18n.text import Text
from gateway.operations import exports, masterdata
from gateway.operations.exclusive import Exclusive
from gateway.operations.exports import Filter, NothingToExport
from gateway.operations.store import StoreClosed
from gateway.tse import lists
from gateway.tse.commands import (
    COMMANDS,
    FILTER_OPEN_END,
    USER_NAMES,
    AbortExport,
    AcknowledgeExport,
    ChangePin,
    ChangePuk,
    DisableCtss,
    EnableCtss,
    ExportIfCspFails,
    LastTransaction,
    ListClients,
    ListTransactions,
    Login,
    Logout,
    NextExportPart,
    OpenImport,
    Part,
    ReadCertificate,
    SelfTest,
    StartExport,
    UnblockPin,
    User,
    parse,
)
from gateway.tse.fields import Command, Generation
from gateway.tse.info import TseInfo
from gateway.tse.results import Result, explain

_PART = 496  # bytes, in which steps the vendor's library asks
_PATIENCE = 5.0  # seconds of searching before the client is told to ask again
_USERS = frozenset({User.ADMIN, User.TIME_ADMIN})  # of generation 1
_OF_CLIENTS = (LastTransaction, ListTransactions, StartExport)
_EXPORTS = (StartExport, NextExportPart, AbortExport)


class LanCommands:
    """Carries out the commands of LAN clients.

    `translates` tells for a serial whether commands of generation 1 are translated; `filters` whether filtered exports
    are made here.
    """

    def __init__(self, *, translates: Callable[[str], bool] = lambda _: False, filters: bool = True) -> None:
        self._translates = translates
        self._filters = filters
        self._exports: WeakKeyDictionary[Lease, _FilteredExport] = WeakKeyDictionary()

    async def carry_out(self, device: Device, data: bytes, lease: Lease) -> bytes:
        """Carry out the bytes of a command and return the data of the response; errors as of `Device.command`."""
        kind = COMMANDS.get(data[0])
        if device.info.generation is Generation.ONE or kind is None:
            return await device.command(data, lease)
        if issubclass(kind, _EXPORTS):
            return await (self._export(device, _parsed(data), lease) if self._filters else device.command(data, lease))
        is_older = kind.opcodes.get(Generation.TWO) != data[0] or kind is OpenImport
        if not (is_older and self._translates(device.serial)):
            return await device.command(data, lease)
        return await _translated(Exclusive(device, lease), _parsed(data))

    async def _export(self, device: Device, command: Command, lease: Lease) -> bytes:
        if isinstance(command, StartExport):
            if lease in self._exports:
                raise _refusal(Result.EXPORT_IN_PROGRESS)
            export = _FilteredExport(exports.matching(device, _filter_of(command), _ReaderOfLease(device, lease)))
            await export.search()
            self._exports[lease] = export
            return b""
        if lease not in self._exports:
            raise _refusal(Result.NO_EXPORT_IN_PROGRESS)
        if isinstance(command, AbortExport):
            self._exports.pop(lease).stop()
            return b""
        try:
            part = await self._exports[lease].next_part()
        except CommandRejected as refused:
            if refused.result != Result.EXPORT_RETRY:
                del self._exports[lease]
            raise
        if not part:
            del self._exports[lease]
        return Part(part).encode()


class _FilteredExport:
    """One export, handed over in parts."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._found = b""
        self._over = False
        self._search: asyncio.Task[bytes] | None = None

    async def search(self) -> bool:
        """Look for the next piece for a while, and return whether it came; `CommandRejected` if nothing matches."""
        if self._search is None:
            self._search = asyncio.ensure_future(_next(self._pieces))
            self._search.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting
        await asyncio.wait({self._search}, timeout=_PATIENCE)
        if not self._search.done():
            return False
        search, self._search = self._search, None
        try:
            piece = search.result()
        except NothingToExport:
            raise _refusal(Result.NO_DATA_AVAILABLE) from None
        except StoreClosed:
            raise _refusal(Result.NEEDS_SELF_TEST) from None
        self._found += piece
        self._over = not piece
        return True

    def stop(self) -> None:
        """Look no further."""
        if self._search is not None:
            self._search.cancel()

    async def next_part(self) -> bytes:
        """Return the next part, empty at the end; `CommandRejected` (0x2002) while it is searched for."""
        while len(self._found) < _PART and not self._over:
            if not await self.search():
                raise _refusal(Result.EXPORT_RETRY)
        part, self._found = self._found[:_PART], self._found[_PART:]
        return part


class _ReaderOfLease:
    """Reads the store for the holder of a lease, and no longer than it is one; it does not keep the lease."""

    def __init__(self, device: Device, lease: Lease) -> None:
        self._device = device
        self._lease = ref(lease)

    async def read_store(self, block: int, count: int) -> bytes:
        """Return blocks of the store; errors as of `Device.read_store`."""
        lease = self._lease()
        if lease is None or self._device.lock.has_ended(lease.session):
            raise ExportInterrupted(Text("nobody waits for the export any more", "auf den Export wartet niemand mehr"))
        await self._device.lock.wait_for_sale(lease)
        return await self._device.read_store(block, count)


def client_id_in(data: bytes) -> str | None:
    """Return the client id that a command names; empty if it names none, `None` if it cannot be understood."""
    try:
        return bytes(getattr(parse(data), "client_id", b"")).decode("latin-1")
    except ProtocolError:
        return None


def is_about_all(data: bytes) -> bool:
    """Return whether a command asks what all tills have signed: it can name a client id, and names none."""
    return COMMANDS.get(data[0] if data else 0) in _OF_CLIENTS and client_id_in(data) == ""


async def _translated(tse: Exclusive, command: Command) -> bytes:
    """Answer a command of generation 1 with those of generation 2."""
    match command:
        case OpenImport():
            return await tse.send(command)
        case SelfTest():
            await tse.send(command)
        case Login() | Logout() | ChangePin() | ChangePuk() | UnblockPin():
            await _of_users(tse, command)
        case ListClients() | ListTransactions() | ReadCertificate():
            return await _told(tse, command)
        case AcknowledgeExport(length=length):
            await _acknowledge(tse, length)
        case EnableCtss() | DisableCtss() | ExportIfCspFails():
            pass  # there is no such switch; the vendor's library for generation 2 sends nothing
        case _:
            raise _refusal(Result.UNKNOWN_COMMAND)
    return b""


async def _of_users(tse: Exclusive, command: Command) -> None:
    match command:
        case ChangePuk(old_puk=old, new_puk=new):
            for user in USER_NAMES:  # one PUK serves everybody, as in generation 1
                await tse.send(ChangePuk(user, old, new))
        case Logout(user=user) if user not in _USERS or not tse.device.is_logged_in(User(user)):
            raise _refusal(Result.USER_NOT_LOGGED_IN)
        case Login(user=user) | ChangePin(user=user) | UnblockPin(user=user) if user not in _USERS:
            raise _refusal(Result.INVALID_PARAMETER)
        case _:
            await tse.send(command)


async def _told(tse: Exclusive, command: ListClients | ListTransactions | ReadCertificate) -> bytes:
    match command:
        case ListClients(skip=skip):
            ids = await tse.ask(lists.client_ids(Generation.TWO))
            return lists.ClientListReply(tuple(ids[skip : skip + lists.CLIENTS_PER_LIST])).encode()
        case ListTransactions(skip=skip, client_id=client_id):
            numbers = await tse.ask(lists.open_transactions(Generation.TWO, client_id))
            return lists.TransactionListReply(tuple(numbers[skip : skip + lists.TRANSACTIONS_PER_LIST])).encode()
        case ReadCertificate(offset=offset):
            return await _certificate(tse, offset)


async def _certificate(tse: Exclusive, offset: int) -> bytes:
    try:
        chain = (await masterdata.chain_of(tse.device)).pem
    except StoreClosed:
        raise _refusal(Result.NEEDS_SELF_TEST) from None
    if offset > len(chain):
        raise _refusal(Result.INVALID_PARAMETER)
    return Part(chain[offset : offset + _PART]).encode()


async def _acknowledge(tse: Exclusive, length: int) -> None:
    """Acknowledge a full export; generation 2 cannot be told of a part, and is not told of more than there is."""
    info: TseInfo = await tse.info()
    if length > info.export_bytes:
        raise _refusal(Result.INVALID_PARAMETER)
    if length == info.export_bytes:
        await tse.send(AcknowledgeExport())


def _filter_of(command: StartExport) -> Filter:
    numbers = (command.from_number, command.to_number)
    from_number, to_number = (None, None) if numbers == (0, FILTER_OPEN_END) else numbers
    client_id = command.client_id.decode("utf-8", "replace")
    return Filter(command.from_time, command.to_time, from_number, to_number, client_id)


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    return await anext(pieces, b"")


def _parsed(data: bytes) -> Command:
    try:
        return parse(data)
    except ProtocolError:
        raise _refusal(Result.COMMAND_SYNTAX) from None


def _refusal(result: Result) -> CommandRejected:
    return CommandRejected(result, explain(result))
