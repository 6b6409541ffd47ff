"""The operations of an operator: set-up, clients, PINs, time, self test, decommissioning.

Who must be logged in is logged in by the PIN of the request and logged out again, under
one lock. A login is tried once, never repeated: three wrong tries block a PIN.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from gateway.clock.trusted import Clock, ClockStatus
from gateway.config.pins import Pins
from gateway.errors import BadRequest, CommandRejected, GatewayError
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.fleet.registry import Registry
from gateway.i18n.text import NOTHING, Text
from gateway.operations import setup
from gateway.operations.confirmations import Confirmations, Irreversible
from gateway.operations.exclusive import Exclusive, exclusive
from gateway.operations.setup import Setup
from gateway.telemetry.log import register_secret
from gateway.tse import lists
from gateway.tse.commands import (
    USER_NAMES,
    ChangePin,
    ChangePuk,
    Decommission,
    DeregisterClient,
    FlashHealth,
    HealthReply,
    LastTransaction,
    Login,
    Logout,
    RegisterClient,
    SetTime,
    TransactionReply,
    UnblockPin,
    User,
)
from gateway.tse.fields import Generation

_SEEMED_OFF = Text("; it seemed to lack {offset:.3f} s", "; sie schien um {offset:.3f} s nachzugehen")


class ClockNotTrusted(GatewayError):
    """The clock of the gateway is not known to be right, and its time would be signed into every receipt."""

    code = "clock_not_trusted"

    def __init__(self, status: ClockStatus) -> None:
        super().__init__(
            Text("the time was not set: {reason}{known}", "die Zeit wurde nicht gestellt: {reason}{known}"),
            reason=status.reason,
            known=NOTHING if status.offset is None else _SEEMED_OFF.filled(offset=status.offset),
        )
        self.offset = status.offset


class PukPaused(GatewayError):
    """The TSE looks at no PUK for a while, since the last ones were wrong; nothing was sent."""

    code = "puk_paused"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            Text(
                "the last PUK was wrong: the TSE takes the next one in {seconds} s",
                "die letzte PUK war falsch: die nächste nimmt die TSE in {seconds} s",
            ),
            seconds=seconds,
        )
        self.seconds = seconds


class Administration:
    """The operations of an operator. TSEs are set to the time of `clock`; a lock is waited for `lock_wait` seconds.

    `pins` keeps those that the gateway is given.

    `trust_system_clock` sets a time that nobody vouches for: an operator who says so has read what may come of it.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        lock_wait: float,
        clock: Clock,
        pins: Pins | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._lock_wait = lock_wait
        self._clock = clock
        self._pins = Pins() if pins is None else pins
        self.confirmations = Confirmations(clock=steady)

    # ---- what needs no PIN --------------------------------------------------

    async def self_test(self, serial: str, client_id: bytes) -> None:
        """Run the self test, which takes up to a minute; unfinished work is aborted first."""
        async with self._exclusive(serial) as tse:
            await tse.self_test(client_id)

    async def flash_health(self, serial: str) -> HealthReply:
        """Ask the TSE for the state of its flash memory."""
        async with self._exclusive(serial) as tse:
            return HealthReply.decode(await tse.send(FlashHealth()))

    async def open_transactions(self, serial: str, client_id: bytes) -> list[int]:
        """Return the numbers of the open transactions of a client, or of all if `client_id` is empty."""
        async with self._exclusive(serial) as tse:
            return await tse.ask(lists.open_transactions(tse.device.info.generation, client_id))

    async def last_transaction(self, serial: str, client_id: bytes) -> TransactionReply:
        """Return the last signed step of a client, or of any if `client_id` is empty."""
        async with self._exclusive(serial) as tse:
            return TransactionReply.decode(await tse.send(LastTransaction(client_id)))

    # ---- with the PIN of the operator ---------------------------------------

    async def register_client(self, serial: str, pin: PinOrPuk, client_id: bytes) -> None:
        """Register a client; repeating it does no harm."""
        async with self.logged_in(serial, User.ADMIN, pin) as tse:
            await tse.send(RegisterClient(client_id))

    async def deregister_client(self, serial: str, pin: PinOrPuk, client_id: bytes) -> None:
        """Deregister a client; the TSE refuses while it has open transactions."""
        async with self.logged_in(serial, User.ADMIN, pin) as tse:
            await tse.send(DeregisterClient(client_id))

    async def rename_client(self, serial: str, pin: PinOrPuk, old: bytes, new: bytes) -> None:
        """Register a client under a new name and deregister the old one; if the TSE refuses that, all stays as it was.

        Raises:
            BadRequest: the old name is not registered, or the new one is; nothing was changed.
        """
        async with self.logged_in(serial, User.ADMIN, pin) as tse:
            known = await tse.ask(lists.client_ids(tse.device.info.generation))
            if old not in known:
                raise BadRequest(
                    Text("the client id {name!r} is not registered", "die Client-ID {name!r} ist nicht angemeldet"),
                    name=old.decode(),
                )
            if new in known:
                raise BadRequest(
                    Text("the client id {name!r} is registered already", "die Client-ID {name!r} ist schon angemeldet"),
                    name=new.decode(),
                )
            await tse.send(RegisterClient(new))
            try:
                await tse.send(DeregisterClient(old))
            except CommandRejected:
                await tse.send(DeregisterClient(new))
                raise

    async def clients(self, serial: str, pin: PinOrPuk) -> list[bytes]:
        """Return all registered client ids."""
        async with self.logged_in(serial, User.ADMIN, pin) as tse:
            return await tse.ask(lists.client_ids(tse.device.info.generation))

    async def set_time(self, serial: str, user: User, pin: PinOrPuk, *, trust_system_clock: bool = False) -> int:
        """Set the TSE to the clock of the gateway; return the Unix time that it got.

        Raises:
            ClockNotTrusted: nobody vouches for this clock.
        """
        await self._check_clock(trust=trust_system_clock)
        async with self.logged_in(serial, user, pin) as tse:
            now = self._now()
            await tse.send(SetTime(now))
            return now

    async def change_pin(self, serial: str, user: User, old: PinOrPuk, new: bytes) -> None:
        """Change a PIN. The old one logs in first, so a wrong one costs one try and not two."""
        async with self.logged_in(serial, user, old) as tse:
            await tse.send(ChangePin(user, old.value, new))

    async def change_puk(self, serial: str, old: PinOrPuk, new: bytes, user: User | None = None) -> None:
        """Change the PUK, which serves both users; in generation 2 that of `user`, or of all users.

        Raises:
            PukPaused: wrong PUKs came before; nothing was sent.
        """
        async with self._exclusive(serial) as tse:
            for each in _puk_users(tse.device.info.generation, user):
                await _check_puk_pause(tse, each)
                await tse.send_pin(ChangePuk(each, old.value, new), risk=old.risk)

    async def unblock(self, serial: str, user: User, puk: PinOrPuk, new_pin: bytes) -> None:
        """Set a new PIN by the PUK, after too many wrong tries.

        Raises:
            PukPaused: wrong PUKs came before; nothing was sent.
        """
        async with self._exclusive(serial) as tse:
            await _check_puk_pause(tse, user)
            await tse.send_pin(UnblockPin(user, puk.value, new_pin), risk=puk.risk)

    async def keep_time_admin_pin(self, serial: str, pin: PinOrPuk) -> None:
        """Keep the PIN of the TimeAdmin if it is right: from now on the gateway does self test and time by itself.

        Raises:
            ConfigurationError: it cannot be written.
        """
        register_secret(pin.value.decode(errors="replace"))
        async with self.logged_in(serial, User.TIME_ADMIN, pin) as tse:
            await asyncio.to_thread(self._pins.keep, tse.device.serial, pin.value)
            self._pins.given.set()
            await tse.device.take_pin(pin.value)

    # ---- what cannot be undone ----------------------------------------------

    async def set_up(self, serial: str, given: Setup, token: str) -> None:
        """Put a fresh TSE into service; may be repeated with the same secrets if it broke off.

        Raises:
            NotConfirmed: `token` does not allow it.
            NotFresh: it is in service, or was.
            ClockNotTrusted: nobody vouches for this clock.
            PukPaused: wrong PUKs, as of a wrong seed, came before; nothing was sent.
        """
        await self._check_clock(trust=given.trust_system_clock)
        async with self._exclusive(serial) as tse:
            info = await setup.check_fresh(tse)
            if paused := max(info.puk_blocked_seconds(user) for user in USER_NAMES):
                raise PukPaused(paused)
            self.confirmations.use(tse.device.serial, Irreversible.SETUP, token)
            await setup.put_into_service(tse, info, given, self._now)

    async def decommission(self, serial: str, pin: PinOrPuk, token: str) -> None:
        """Take a TSE out of service for good.

        Raises:
            NotConfirmed: `token` does not allow it.
        """
        device = self._registry.find(serial)
        self.confirmations.use(device.serial, Irreversible.DECOMMISSION, token)
        async with self.logged_in(serial, User.ADMIN, pin) as tse:
            await tse.send(Decommission())

    @asynccontextmanager
    async def logged_in(self, serial: str, user: User, pin: PinOrPuk) -> AsyncIterator[Exclusive]:
        """Hold the lock with `user` logged in, by one try; log out at the end.

        Raises:
            PinWithheld: it may block the PIN, and nobody said that this may be risked.
        """
        async with self._exclusive(serial) as tse:
            await tse.send_pin(Login(user, pin.value), risk=pin.risk)
            try:
                yield tse
            finally:
                with suppress(GatewayError):  # a TSE that failed has forgotten the login
                    await tse.send(Logout(user))

    # ---- below: how ---------------------------------------------------------

    async def clock_status(self) -> ClockStatus:
        """Return whether TSEs may be given the time; if not, time servers are asked once more first."""
        if not self._clock.status.fit:
            await self._clock.measure()
        return self._clock.status

    async def _check_clock(self, *, trust: bool) -> None:
        if trust:
            return
        status = await self.clock_status()
        if not status.fit:
            raise ClockNotTrusted(status)

    def _now(self) -> int:
        return math.floor(self._clock.now() + 0.5)

    @asynccontextmanager
    async def _exclusive(self, serial: str) -> AsyncIterator[Exclusive]:
        device = self._registry.find(serial)
        async with exclusive(device, self._lock_wait) as tse:
            try:
                yield tse
            finally:
                if not device.failed.is_set():
                    with suppress(GatewayError):  # the snapshot follows; what counts is done
                        await device.read_info()


def _puk_users(generation: Generation, user: User | None) -> Iterable[User]:
    if generation is Generation.ONE:
        return (User.ADMIN,)
    return tuple(USER_NAMES) if user is None else (user,)


async def _check_puk_pause(tse: Exclusive, user: User) -> None:
    seconds = (await tse.info()).puk_blocked_seconds(user)
    if seconds:
        raise PukPaused(seconds)
