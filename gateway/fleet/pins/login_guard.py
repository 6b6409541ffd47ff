"""The TimeAdmin PIN and the guard before it: three wrong PINs lock a TSE, and nobody can repair that.

A login of the gateway is noted on the disk before it is tried, and the record goes away only when it
succeeded. So no crash, power cut or restart makes a login out of one that failed.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable

from gateway.errors import CommandRejected, ConfigurationError
from gateway.fleet.pins.memory import PinMemory
from gateway.telemetry.events import Event, event
from gateway.tse.commands import ChangePin, Login, UnblockPin, User
from gateway.tse.fields import Command

log = logging.getLogger(__name__)

_FEWEST_TRIES = 2
_BEGUN = "it is not known how the last login of the gateway ended"
_OTHER = "the TimeAdmin PIN of this TSE is another one than the gateway was given"


class LoginGuard:
    """Decides whether the gateway may log in as TimeAdmin, and does it."""

    def __init__(self, memory: PinMemory, pin: bytes | None) -> None:
        self._memory = memory
        self._pin = pin
        self._proved = False

    @property
    def has_pin(self) -> bool:
        """Was a PIN given for this TSE?"""
        return self._pin is not None

    def objection(self) -> str:
        """Why the gateway must not log in now; empty if it may."""
        if self._pin is None:
            return "no TimeAdmin PIN was given"
        self._memory.heed_operator()
        record = self._memory.record
        left = record.tries.get(User.TIME_ADMIN)
        if left is not None and left < _FEWEST_TRIES:
            return f"only {left} tries are left for the TimeAdmin PIN: log in once by the POS, or unblock it by the PUK"
        return record.no_login

    async def log_in(self, send: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Log in once; to be called only without `objection`.

        Raises:
            ConfigurationError: that it is tried cannot be noted, so it was not tried.
            CommandRejected: the TSE refused; it is not tried again.
        """
        pin = self._pin
        if pin is None or self.objection():
            raise ConfigurationError(f"no login: {self.objection()}")
        sent = False
        try:
            await self._memory.write(no_login=_BEGUN)
            sent = True
            await send(Login(User.TIME_ADMIN, pin).encode())
        except CommandRejected as refused:
            await self._memory.try_to_write(no_login=f"the last login of the gateway failed ({refused})")
            raise
        except BaseException:
            if not sent or self._proved:  # a right PIN costs no try: one more is safe, and only one
                self._proved = self._proved and not sent
                await self._memory.try_to_write(no_login="")
            raise
        self._proved = True
        await self._memory.try_to_write(no_login="")

    async def allow(self) -> None:
        """An operator says that the PIN is right now."""
        await self._memory.write(no_login="")

    async def accepted(self, command: Command) -> None:
        """The TSE accepted a PIN, whoever sent it: is it ours?"""
        match command:
            case Login(user=User.TIME_ADMIN, pin=shown):
                pass
            case ChangePin(user=User.TIME_ADMIN, new_pin=shown) | UnblockPin(user=User.TIME_ADMIN, new_pin=shown):
                pass
            case _:
                return
        if self._pin is None:
            return
        self._proved = hmac.compare_digest(shown, self._pin)
        if not self._proved and not self._memory.record.no_login:
            log.warning("%s: it sets no time until that is put right", _OTHER, extra=event(Event.UPKEEP_HELD_BACK))
            await self._memory.try_to_write(no_login=_OTHER)
