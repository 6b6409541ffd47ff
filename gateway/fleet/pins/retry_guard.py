"""The guard before the PINs and the PUK that operators type: the last try is not used up by mistake.

Three wrong PINs block a PIN until the PUK unblocks it. Three wrong PUKs make a TSE of generation 1
impossible to administer for ever; one of generation 2 makes the next PUK wait, longer after each wrong one.
What is sent is recorded on the disk as a failed try before it is sent, and the answer corrects the record:
so neither a crash nor a lost answer makes a TSE look safer than it is.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import CommandRejected, GatewayError
from gateway.fleet.pins.memory import PinMemory
from gateway.i18n.text import Text
from gateway.tse.commands import ChangePin, ChangePuk, UnblockPin
from gateway.tse.fields import Command, Generation
from gateway.tse.pins import PinOwner, has_tries, pin_shown_by
from gateway.tse.results import refuses_secret, tries_left

_MOST_TRIES = 3
_NAMES = {
    PinOwner.PUK: Text("PUK", "PUK"),
    PinOwner.ADMIN: Text("PIN of the Admin", "PIN des Admins"),
    PinOwner.TIME_ADMIN: Text("PIN of the TimeAdmin", "PIN des TimeAdmins"),
    PinOwner.LOGGER: Text("PIN of the Logger", "PIN des Loggers"),
    PinOwner.TIME_ADMIN_PUK: Text("PUK of the TimeAdmin", "PUK des TimeAdmins"),
    PinOwner.LOGGER_PUK: Text("PUK of the Logger", "PUK des Loggers"),
}
_BLOCKS_PIN = Text(
    "when it is wrong, the PIN is blocked until the PUK unblocks it",
    "ist sie falsch, ist die PIN gesperrt, bis die PUK sie entsperrt",
)
_BLOCKS_TSE = Text(
    "when it is wrong, nobody can ever administer this TSE again",
    "ist sie falsch, kann niemand diese TSE je wieder verwalten",
)


class PinWithheld(GatewayError):
    """A PIN or PUK was not sent, for the TSE may be locked by it."""

    code = "pin_withheld"

    def __init__(self, text: Text, tries_left: int | None, **values: object) -> None:
        super().__init__(text, **values)
        self.tries_left = tries_left


class LastTry(PinWithheld):
    """Only one try is left; the PIN or PUK was not sent."""

    code = "last_try"


class KnownWrong(PinWithheld):
    """This PIN or PUK was wrong before; it was not sent again."""

    code = "known_wrong"


@dataclass(frozen=True, slots=True, repr=False)
class PinOrPuk:
    """A PIN or PUK; `risk` says that it may be sent although that may lock the TSE."""

    value: bytes
    risk: bool = False


class RetryGuard:
    """The retry guard of one TSE. Wrong PINs are known as digests under a key of this process, until it ends."""

    def __init__(self, memory: PinMemory, generation: Generation = Generation.ONE) -> None:
        self._memory = memory
        self._generation = generation
        self._key = secrets.token_bytes(32)
        self._wrong: dict[PinOwner, set[bytes]] = {}

    async def send(self, command: Command, send: Callable[[Command], Awaitable[bytes]], *, risk: bool) -> bytes:
        """Send a command that shows a PIN or PUK once and return the data of the response.

        With `risk` it is sent even if it may block the PIN or the TSE. No PUK of generation 2 may be sent in a pause.

        Raises:
            LastTry: only one try is left; nothing was sent.
            KnownWrong: the TSE has refused this PIN or PUK before; nothing was sent.
            CommandRejected: it is wrong, or the TSE refused for another reason.
        """
        found = pin_shown_by(command, self._generation)
        if found is None:
            return await send(command)
        owner, shown = found
        if not risk:
            self._check(owner, shown)
        if not has_tries(owner, self._generation):
            return await self._send_puk(command, send)
        before = self._memory.record.tries
        left = max(0, before.get(owner, _MOST_TRIES) - 1)
        await self._memory.try_to_write(tries={**before, owner: left})
        try:
            return await send(command)
        except CommandRejected as refused:
            if tries_left(refused.result) is None:  # it did not come to look at it
                await self._memory.try_to_write(tries=before)
            raise

    async def _send_puk(self, command: Command, send: Callable[[Command], Awaitable[bytes]]) -> bytes:
        """Send a PUK of generation 2, which is wrong if it is refused now: only during a pause right ones are, too."""
        try:
            return await send(command)
        except CommandRejected as error:
            if refuses_secret(error.result):
                self.refused(command)
            raise

    def refused(self, command: Command) -> None:
        """Remember that the TSE refused the PIN or PUK in `command` as wrong."""
        found = pin_shown_by(command, self._generation)
        if found is not None:
            self._wrong.setdefault(found[0], set()).add(self._digest(found[1]))

    def accepted(self, command: Command) -> None:
        """Forget as wrong what the TSE accepted in `command`, and everything of an owner who got a new PIN or PUK."""
        found = pin_shown_by(command, self._generation)
        if found is not None:
            self._wrong.get(found[0], set()).discard(self._digest(found[1]))
        match command:
            case ChangePin(user=user) | UnblockPin(user=user) if owner := PinOwner.of(user):
                self._wrong.pop(owner, None)
            case ChangePuk() if found is not None:
                self._wrong.pop(found[0], None)

    def _check(self, owner: PinOwner, shown: bytes) -> None:
        left, name = self._memory.record.tries.get(owner), _NAMES[owner]
        if self._digest(shown) in self._wrong.get(owner, ()):
            raise KnownWrong(
                Text(
                    "the TSE has refused this {name} before: it was not sent again",
                    "die TSE hat diese {name} schon einmal abgelehnt: sie wurde nicht wieder gesendet",
                ),
                left,
                name=name,
            )
        if left == 1:
            then = _BLOCKS_TSE if owner is PinOwner.PUK else _BLOCKS_PIN
            raise LastTry(
                Text(
                    "only one try is left for the {name}: {then}; it was not sent",
                    "für die {name} ist nur noch ein Versuch übrig: {then}; sie wurde nicht gesendet",
                ),
                left,
                name=name,
                then=then,
            )

    def _digest(self, shown: bytes) -> bytes:
        return hmac.digest(self._key, shown, hashlib.sha256)
