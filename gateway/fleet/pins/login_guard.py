"""The guard before the gateway's own logins as TimeAdmin: three wrong PINs block the PIN.

A login is recorded on the disk before it is tried, and the record is cleared only when the login succeeded. So no
crash, power cut or restart repeats a login that failed.

While the disk cannot be written, only a PIN that the TSE has accepted since the gateway started is tried, recorded in
memory. That is safe: the success gave the TSE all three tries back, so each try that no disk knows of follows a success
in the same process, and is not repeated there. If the PIN was changed elsewhere meanwhile, one try is lost, and after a
restart one more, which is recorded again; the third stays. A PIN that was never right is not tried.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable

from gateway.errors import CommandRejected, ConfigurationError
from gateway.fleet.pins.memory import PinMemory
from gateway.i18n.text import NOTHING, Text
from gateway.telemetry.events import Event, event
from gateway.tse.commands import ChangePin, Login, UnblockPin, User
from gateway.tse.fields import Command, Generation
from gateway.tse.pins import PinOwner

log = logging.getLogger(__name__)

_FEWEST_TRIES = 2
_BEGUN = Text(
    "it is not known how the last login of the gateway ended",
    "es ist nicht bekannt, wie die letzte Anmeldung des Gateways ausging",
)
_OTHER = Text(
    "the TimeAdmin PIN of this TSE is another one than the gateway was given",
    "die TimeAdmin-PIN dieser TSE ist eine andere, als dem Gateway gegeben wurde",
)
_FAILED = Text(
    "the last login of the gateway failed ({error})", "die letzte Anmeldung des Gateways ist fehlgeschlagen ({error})"
)
_NO_PIN = Text("no TimeAdmin PIN was given", "es wurde keine TimeAdmin-PIN angegeben")
_FEW_LEFT = Text(
    "only {left} tries are left for the TimeAdmin PIN: log in once by the POS, or unblock it by the PUK",
    "für die TimeAdmin-PIN sind nur noch {left} Versuche übrig: einmal mit der Kasse anmelden, oder mit der PUK "
    "entsperren",
)


class LoginGuard:
    """Decides whether the gateway may log in as TimeAdmin of one TSE, and does it; `pin` is that of the settings."""

    def __init__(self, memory: PinMemory, pin: bytes | None, generation: Generation = Generation.ONE) -> None:
        self._memory = memory
        self._generation = generation
        self._pin = pin
        self._proved = False  # the TSE has accepted `pin` since the gateway started

    @property
    def has_pin(self) -> bool:
        """True if the settings hold a PIN for this TSE."""
        return self._pin is not None

    async def take(self, pin: bytes) -> None:
        """Log in with this PIN from now on, which the TSE has just accepted: what was noted of another one is over."""
        self._pin, self._proved = pin, True
        await self._memory.try_to_write(no_login=NOTHING)

    def objection(self) -> Text:
        """Return why the gateway must not log in now; empty if it may."""
        if self._pin is None:
            return _NO_PIN
        self._memory.heed_operator()
        record = self._memory.record
        left = record.tries.get(PinOwner.TIME_ADMIN)
        if left is not None and left < _FEWEST_TRIES:
            return _FEW_LEFT.filled(left=left)
        return record.no_login or (NOTHING if self._proved else self._memory.trouble)

    async def log_in(self, send: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Log in once by `send`, which carries out a command.

        Raises:
            ConfigurationError: there is an objection; nothing was sent.
            NotRemembered: the login cannot be recorded; nothing was sent.
            CommandRejected: the TSE refused; it is not tried again.
        """
        pin = self._pin
        if pin is None or self.objection():
            raise ConfigurationError(
                Text("no login: {objection}", "keine Anmeldung: {objection}"), objection=self.objection()
            )
        sent = False
        try:
            await (self._memory.try_to_write if self._proved else self._memory.write)(no_login=_BEGUN)
            sent = True
            await send(Login(User.TIME_ADMIN, pin).encode(self._generation))
        except CommandRejected as refused:
            await self._memory.try_to_write(no_login=_FAILED.filled(error=refused))
            raise
        except BaseException:
            if not sent or self._proved:  # a right PIN costs no try: one more is safe, and only one
                self._proved = self._proved and not sent
                await self._memory.try_to_write(no_login=NOTHING)
            raise
        self._proved = True
        await self._memory.try_to_write(no_login=NOTHING)

    async def accepted(self, command: Command) -> None:
        """Learn from a command with a PIN that the TSE accepted, whoever sent it, whether the gateway's is right."""
        match command:
            case Login(user=User.TIME_ADMIN, pin=valid):
                pass
            case ChangePin(user=User.TIME_ADMIN, new_pin=valid) | UnblockPin(user=User.TIME_ADMIN, new_pin=valid):
                pass
            case _:
                return
        if self._pin is None:
            return
        self._proved = hmac.compare_digest(valid, self._pin)
        if self._proved and self._memory.record.no_login.en == _OTHER.en:  # at a set-up the initial PIN logs in before
            await self._memory.try_to_write(no_login=NOTHING)
        if not self._proved and not self._memory.record.no_login:
            log.warning("%s: it sets no time until that is put right", _OTHER, extra=event(Event.MAINTENANCE_HELD_BACK))
            await self._memory.try_to_write(no_login=_OTHER)
