"""What an operator does with a TSE: set it up, its clients, PINs, time and self test, and its end.

Who must be logged in is logged in by the PIN of the request and logged out again, in one
visit. A login is tried once, never repeated: three wrong tries block a PIN.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

from gateway.errors import CommandRejected, GatewayError
from gateway.fleet.registry import Registry
from gateway.operations.confirmations import Confirmations, Irreversible
from gateway.operations.visit import Visit, visiting
from gateway.tse.commands import (
    CLIENTS_PER_LIST,
    TRANSACTIONS_PER_LIST,
    AbortExport,
    AbortImport,
    ChangePin,
    ChangePuk,
    ClientList,
    Decommission,
    DeregisterClient,
    EnableCtss,
    ExportIfCspFails,
    FlashHealth,
    HealthReply,
    Initialize,
    LastTransaction,
    ListClients,
    ListTransactions,
    Login,
    Logout,
    RegisterClient,
    SelfTest,
    SetTime,
    TransactionList,
    TransactionReply,
    UnblockPin,
    User,
)
from gateway.tse.credentials import initial_credentials
from gateway.tse.fields import Command
from gateway.tse.info import Lifecycle, TseInfo

_PUK_CHANGED, _ADMIN_CHANGED, _TIME_ADMIN_CHANGED = 1, 2, 4


class NewerGeneration(GatewayError):
    """Firmware 2.x has other commands for this, whose answers nobody has described yet."""

    code = "newer_generation"
    status = HTTPStatus.NOT_IMPLEMENTED


class NotFresh(GatewayError):
    """Only a TSE that was never put into service can be set up."""

    code = "not_fresh"
    status = HTTPStatus.CONFLICT


@dataclass(frozen=True, slots=True, repr=False)
class Setup:
    """What a fresh TSE gets; secrets as bytes of digits."""

    seed: bytes
    admin_puk: bytes
    admin_pin: bytes
    time_admin_pin: bytes
    client_ids: tuple[bytes, ...]


class Administration:
    """The verbs of an operator. `now` in Unix seconds: the time that a TSE is set to."""

    def __init__(
        self,
        registry: Registry,
        *,
        lock_wait: float,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._lock_wait = lock_wait
        self._now = now
        self.confirmations = Confirmations(clock=clock)

    # ---- what needs no PIN --------------------------------------------------

    async def self_test(self, serial: str, client_id: bytes) -> None:
        """Up to a minute; whatever else was under way is aborted first, as the vendor's library does."""
        async with self._visiting(serial, v1_only=True) as visit:
            await _self_test(visit, client_id)

    async def flash_health(self, serial: str) -> HealthReply:
        """State of the flash memory."""
        async with self._visiting(serial) as visit:
            return HealthReply.decode(await visit.send(FlashHealth()))

    async def open_transactions(self, serial: str, client_id: bytes) -> list[int]:
        """Numbers of the open transactions of a client, or of all when empty."""
        async with self._visiting(serial, v1_only=True) as visit:
            numbers: list[int] = []
            while True:
                reply = await visit.send(ListTransactions(len(numbers), client_id))
                part = TransactionList.decode(reply).numbers
                numbers += part
                if len(part) < TRANSACTIONS_PER_LIST:
                    return numbers

    async def last_transaction(self, serial: str, client_id: bytes) -> TransactionReply:
        """The last signed step of a client, or of any when empty."""
        async with self._visiting(serial) as visit:
            return TransactionReply.decode(await visit.send(LastTransaction(client_id)))

    # ---- with the PIN of the operator ---------------------------------------

    async def register_client(self, serial: str, pin: bytes, client_id: bytes) -> None:
        """Once more does no harm."""
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            await visit.send(RegisterClient(client_id))

    async def deregister_client(self, serial: str, pin: bytes, client_id: bytes) -> None:
        """Refused while the client has open transactions."""
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            await visit.send(DeregisterClient(client_id))

    async def clients(self, serial: str, pin: bytes) -> list[bytes]:
        """All registered client ids."""
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            found: list[bytes] = []
            while True:
                part = ClientList.decode(await visit.send(ListClients(len(found)))).client_ids
                found += part
                if len(part) < CLIENTS_PER_LIST:
                    return found

    async def set_time(self, serial: str, user: User, pin: bytes) -> int:
        """Set the TSE to the clock of the gateway; the Unix time that it got."""
        async with self.logged_in(serial, user, pin) as visit:
            now = int(self._now())
            await visit.send(SetTime(now))
            return now

    async def change_pin(self, serial: str, user: User, old: bytes, new: bytes) -> None:
        """The old PIN logs in, so a wrong one costs one try and not two."""
        async with self.logged_in(serial, user, old) as visit:
            await visit.send(ChangePin(user, old, new))

    async def change_puk(self, serial: str, old: bytes, new: bytes) -> None:
        """One PUK serves both users."""
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.send(ChangePuk(old, new))

    async def unblock(self, serial: str, user: User, puk: bytes, new_pin: bytes) -> None:
        """A new PIN after too many wrong tries."""
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.send(UnblockPin(user, puk, new_pin))

    # ---- what cannot be undone ----------------------------------------------

    async def set_up(self, serial: str, given: Setup, token: str) -> None:
        """From the factory to ready for sales; may be repeated with the same secrets if it broke off.

        Raises:
            NotConfirmed: `token` does not allow it.
            NotFresh: it is in service, or was.
        """
        async with self._visiting(serial, v1_only=True) as visit:
            info = await visit.info()
            if info.lifecycle != Lifecycle.UNINITIALIZED:
                raise NotFresh("this TSE was put into service already")
            self.confirmations.use(visit.device.serial, Irreversible.SETUP, token)
            with suppress(CommandRejected):  # a fresh TSE fails it, and yet wants to have been tested once
                await _self_test(visit, given.client_ids[0])
            for command in _setup_commands(info, given):
                await visit.send(command)
            await _self_test(visit, given.client_ids[0])
            for command in (EnableCtss(), ExportIfCspFails(enabled=True), Initialize(), SetTime(int(self._now()))):
                await visit.send(command)
            for user in (User.TIME_ADMIN, User.ADMIN):
                await visit.send(Logout(user))

    async def decommission(self, serial: str, pin: bytes, token: str) -> None:
        """The end of a TSE; `NotConfirmed` unless `token` allows it."""
        device = self._registry.find(serial)
        self.confirmations.use(device.serial, Irreversible.DECOMMISSION, token)
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            await visit.send(Decommission())

    @asynccontextmanager
    async def logged_in(self, serial: str, user: User, pin: bytes) -> AsyncIterator[Visit]:
        """A visit in which `user` is logged in, by one try."""
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.send(Login(user, pin))
            try:
                yield visit
            finally:
                with suppress(GatewayError):  # a TSE that failed has forgotten the login
                    await visit.send(Logout(user))

    # ---- below: how ---------------------------------------------------------

    @asynccontextmanager
    async def _visiting(self, serial: str, *, v1_only: bool = False) -> AsyncIterator[Visit]:
        device = self._registry.find(serial)
        if v1_only and device.info.is_newer_generation:
            raise NewerGeneration(
                f"firmware {device.info.software} has other commands for this: use the software of your POS"
            )
        async with visiting(device, self._lock_wait) as visit:
            try:
                yield visit
            finally:
                if not device.failed.is_set():
                    with suppress(GatewayError):  # the snapshot follows; what counts is done
                        await device.read_info()


async def _self_test(visit: Visit, client_id: bytes) -> None:
    for command in (AbortImport(), AbortExport()):
        with suppress(CommandRejected):  # there was nothing to abort
            await visit.send(command)
    await visit.send(SelfTest(client_id))


def _setup_commands(info: TseInfo, given: Setup) -> list[Command]:
    """PUK, PINs and clients, without what an earlier try has done already."""
    initial = initial_credentials(given.seed, info.serial)
    done = info.credentials_changed
    commands: list[Command] = [] if done & _PUK_CHANGED else [ChangePuk(initial.admin_puk, given.admin_puk)]
    for user, changed, first, new in (
        (User.TIME_ADMIN, _TIME_ADMIN_CHANGED, initial.time_admin_pin, given.time_admin_pin),
        (User.ADMIN, _ADMIN_CHANGED, initial.admin_pin, given.admin_pin),
    ):
        commands += [Login(user, new)] if done & changed else [Login(user, first), ChangePin(user, first, new)]
    return [*commands, *map(RegisterClient, given.client_ids)]
