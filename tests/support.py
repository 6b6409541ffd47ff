"""What tests do with a TSE over and over: set it up, sign, read the store."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.errors import CommandRejected
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    CloseImport,
    EnableCtss,
    ExportIfCspFails,
    ImportOpened,
    Initialize,
    Login,
    Logout,
    OpenImport,
    RegisterClient,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from gateway.tse.fields import Command, Generation
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR
from tests.lan_client import LanError

PUK, ADMIN_PIN, TIME_ADMIN_PIN, LOGGER_PIN = b"123456", b"12345", b"98765", b"00000"
CLIENT = b"POS-1"
NOW = 1_790_000_000

Send = Callable[[bytes], Awaitable[bytes]]


class Tse(Protocol):
    """The verbs that drivers and devices have in common."""

    async def read_info(self) -> bytes: ...
    async def read_store(self, block: int, count: int) -> bytes: ...
    async def write_store(self, block: int, data: bytes) -> None: ...


async def set_up(send: Send, serial: bytes, *clients: bytes, now: int = NOW) -> None:
    """From the factory to ready for sales, with the credentials above and Admin logged in."""
    initial = initial_credentials(RETAIL_SEED, serial)
    first, *others = clients or (CLIENT,)
    with contextlib.suppress(CommandRejected, LanError):
        await send(SelfTest(first).encode())
    for command in (
        ChangePuk(User.ADMIN, initial.admin_puk, PUK),
        Login(User.TIME_ADMIN, initial.time_admin_pin),
        ChangePin(User.TIME_ADMIN, initial.time_admin_pin, TIME_ADMIN_PIN),
        Login(User.ADMIN, initial.admin_pin),
        ChangePin(User.ADMIN, initial.admin_pin, ADMIN_PIN),
        *(RegisterClient(client) for client in (first, *others)),
        SelfTest(first),
        EnableCtss(),
        ExportIfCspFails(enabled=True),
        Initialize(),
        SetTime(now),
    ):
        await send(command.encode())


async def set_up_generation_2(send: Send, serial: bytes, *clients: bytes, now: int = NOW) -> None:
    """The same for a TSE of generation 2, in the order of the vendor's library."""
    initial = initial_credentials(RETAIL_SEED, serial, Generation.TWO)
    pins = {User.LOGGER: LOGGER_PIN, User.TIME_ADMIN: TIME_ADMIN_PIN, User.ADMIN: ADMIN_PIN}
    commands: list[Command] = [SelfTest(), *(ChangePuk(user, puk, PUK) for user, puk in initial.puks.items())]
    for user, pin in pins.items():
        commands += [Login(user, initial.pins[user]), ChangePin(user, initial.pins[user], pin)]
    commands += [Initialize(), SetTime(now), *(RegisterClient(client) for client in clients or (CLIENT,))]
    for command in commands:
        await send(command.encode(Generation.TWO))


PREPARE = {Generation.ONE: set_up, Generation.TWO: set_up_generation_2}


async def make_ready(send: Send, *, now: int = NOW) -> None:
    """What a till does with a TSE that was set up and lost power: self test and time."""
    for command in (SelfTest(CLIENT), Login(User.TIME_ADMIN, TIME_ADMIN_PIN), SetTime(now), Logout(User.TIME_ADMIN)):
        await send(command.encode())


async def step(
    send: Send,
    tse: Tse,
    event: TransactionStep,
    client: bytes = CLIENT,
    number: int = 0,
    data: bytes = b"",
    process_type: bytes = b"",
) -> TransactionReply:
    """One signed step of a transaction, as the vendor's library does it."""
    opened = ImportOpened.decode(await send(OpenImport(event, client, number, len(data), process_type).encode()))
    whole = len(data) - len(data) % SECTOR
    if whole:
        await tse.write_store(opened.block, data[:whole])
    if len(data) > whole:
        await tse.write_store(opened.block + whole // SECTOR, data[whole:].ljust(SECTOR, b"\0"))
    return TransactionReply.decode(await send(CloseImport().encode()))


async def receipt(send: Send, tse: Tse, client: bytes = CLIENT, data: bytes = b"Beleg^1.00") -> TransactionReply:
    """A whole receipt: start and finish; the reply of the finish."""
    started = await step(send, tse, TransactionStep.START, client)
    return await step(send, tse, TransactionStep.FINISH, client, started.transaction_number, data, b"Kassenbeleg-V1")


async def export(tse: Tse) -> bytes:
    """The whole store as TAR, end blocks included."""
    info = TseInfo.decode(await tse.read_info())
    return await tse.read_store(0, info.used_blocks + 2)
