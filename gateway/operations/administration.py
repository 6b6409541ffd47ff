"""What an operator does with a TSE: set it up, its clients, PINs, time and self test, and its end.

Who must be logged in is logged in by the PIN of the request and logged out again, in one
visit. A login is tried once, never repeated: three wrong tries block a PIN.
"""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from gateway.clock.trusted import Clock, Verdict
from gateway.errors import GatewayError
from gateway.fleet.pins.retry_guard import Secret
from gateway.fleet.registry import Registry
from gateway.operations import setup
from gateway.operations.confirmations import Confirmations, Irreversible
from gateway.operations.exclusive import Visit, visiting
from gateway.operations.setup import Setup
from gateway.tse.commands import (
    CLIENTS_PER_LIST,
    TRANSACTIONS_PER_LIST,
    ChangePin,
    ChangePuk,
    ClientList,
    Decommission,
    DeregisterClient,
    FlashHealth,
    HealthReply,
    LastTransaction,
    ListClients,
    ListTransactions,
    Login,
    Logout,
    RegisterClient,
    SetTime,
    TransactionList,
    TransactionReply,
    UnblockPin,
    User,
)


class NewerGeneration(GatewayError):
    """Firmware 2.x has other commands for this, whose answers nobody has described yet."""

    code = "newer_generation"
    status = HTTPStatus.NOT_IMPLEMENTED


class ClockNotTrusted(GatewayError):
    """The clock of the gateway is not known to be right, and its time would be signed into every receipt."""

    code = "clock_not_trusted"
    status = HTTPStatus.CONFLICT

    def __init__(self, verdict: Verdict) -> None:
        known = "" if verdict.offset is None else f"; it seemed to lack {verdict.offset:.3f} s"
        super().__init__(f"the time was not set: {verdict.reason}{known}")
        self.offset = verdict.offset


class Administration:
    """The verbs of an operator. TSEs are set to the time of `clock`.

    `trust_system_clock` sets a time that nobody vouches for: an operator who says so has read what may come of it.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        lock_wait: float,
        clock: Clock,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._lock_wait = lock_wait
        self._clock = clock
        self.confirmations = Confirmations(clock=steady)

    # ---- what needs no PIN --------------------------------------------------

    async def self_test(self, serial: str, client_id: bytes) -> None:
        """Up to a minute; whatever else was under way is aborted first, as the vendor's library does."""
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.self_test(client_id)

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

    async def register_client(self, serial: str, pin: Secret, client_id: bytes) -> None:
        """Once more does no harm."""
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            await visit.send(RegisterClient(client_id))

    async def deregister_client(self, serial: str, pin: Secret, client_id: bytes) -> None:
        """Refused while the client has open transactions."""
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            await visit.send(DeregisterClient(client_id))

    async def clients(self, serial: str, pin: Secret) -> list[bytes]:
        """All registered client ids."""
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            found: list[bytes] = []
            while True:
                part = ClientList.decode(await visit.send(ListClients(len(found)))).client_ids
                found += part
                if len(part) < CLIENTS_PER_LIST:
                    return found

    async def set_time(self, serial: str, user: User, pin: Secret, *, trust_system_clock: bool = False) -> int:
        """Set the TSE to the clock of the gateway; the Unix time that it got.

        Raises:
            ClockNotTrusted: nobody says that this clock is right.
        """
        await self._check_clock(trust=trust_system_clock)
        async with self.logged_in(serial, user, pin) as visit:
            now = self._now()
            await visit.send(SetTime(now))
            return now

    async def change_pin(self, serial: str, user: User, old: Secret, new: bytes) -> None:
        """The old PIN logs in, so a wrong one costs one try and not two."""
        async with self.logged_in(serial, user, old) as visit:
            await visit.send(ChangePin(user, old.value, new))

    async def change_puk(self, serial: str, old: Secret, new: bytes) -> None:
        """One PUK serves both users."""
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.show(ChangePuk(old.value, new), risk=old.risk)

    async def unblock(self, serial: str, user: User, puk: Secret, new_pin: bytes) -> None:
        """A new PIN after too many wrong tries."""
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.show(UnblockPin(user, puk.value, new_pin), risk=puk.risk)

    # ---- what cannot be undone ----------------------------------------------

    async def set_up(self, serial: str, given: Setup, token: str) -> None:
        """From the factory to ready for sales; may be repeated with the same secrets if it broke off.

        Raises:
            NotConfirmed: `token` does not allow it.
            NotFresh: it is in service, or was.
            ClockNotTrusted: nobody says that this clock is right.
        """
        await self._check_clock(trust=given.trust_system_clock)
        async with self._visiting(serial, v1_only=True) as visit:
            info = await setup.check_fresh(visit)
            self.confirmations.use(visit.device.serial, Irreversible.SETUP, token)
            await setup.put_into_service(visit, info, given, self._now)

    async def decommission(self, serial: str, pin: Secret, token: str) -> None:
        """The end of a TSE; `NotConfirmed` unless `token` allows it."""
        device = self._registry.find(serial)
        self.confirmations.use(device.serial, Irreversible.DECOMMISSION, token)
        async with self.logged_in(serial, User.ADMIN, pin) as visit:
            await visit.send(Decommission())

    @asynccontextmanager
    async def logged_in(self, serial: str, user: User, pin: Secret) -> AsyncIterator[Visit]:
        """A visit in which `user` is logged in, by one try.

        Raises:
            PinWithheld: it may lock the TSE, and nobody said that this may be risked.
        """
        async with self._visiting(serial, v1_only=True) as visit:
            await visit.show(Login(user, pin.value), risk=pin.risk)
            try:
                yield visit
            finally:
                with suppress(GatewayError):  # a TSE that failed has forgotten the login
                    await visit.send(Logout(user))

    # ---- below: how ---------------------------------------------------------

    async def _check_clock(self, *, trust: bool) -> None:
        if trust:
            return
        if not self._clock.verdict.fit:
            await self._clock.measure()
        verdict = self._clock.verdict
        if not verdict.fit:
            raise ClockNotTrusted(verdict)

    def _now(self) -> int:
        return math.floor(self._clock.now() + 0.5)

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
