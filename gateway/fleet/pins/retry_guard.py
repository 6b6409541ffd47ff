"""The guard before the PINs and the PUK that operators type: the last try is not used up by mistake.

Three wrong PINs block a PIN until the PUK unblocks it; three wrong PUKs make a TSE impossible to
administer for ever. What is sent is noted on the disk as a failed try before it is sent, and the
answer corrects the note: so neither a crash nor a lost answer makes a TSE look safer than it is.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import CommandRejected, GatewayError
from gateway.fleet.pins.memory import PinMemory
from gateway.tse.commands import ChangePin, ChangePuk, Login, UnblockPin, User
from gateway.tse.fields import Command
from gateway.tse.results import tries_left

PUK = User.NONE  # whose tries are counted too; it belongs to no user
_MOST_TRIES = 3
_NAMES = {PUK: "PUK", User.ADMIN: "PIN of the Admin", User.TIME_ADMIN: "PIN of the TimeAdmin"}
_THEN = {
    True: "when it is wrong, nobody can ever administer this TSE again",
    False: "when it is wrong, the PIN is blocked until the PUK unblocks it",
}


class PinWithheld(GatewayError):
    """A PIN or PUK was not sent, for the TSE may be locked by it."""

    code = "pin_withheld"

    def __init__(self, message: str, tries_left: int | None) -> None:
        super().__init__(message)
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
    """Of one TSE. What was wrong is known as a digest under a key of this process, and forgotten with it."""

    def __init__(self, memory: PinMemory) -> None:
        self._memory = memory
        self._key = secrets.token_bytes(32)
        self._wrong: dict[int, set[bytes]] = {}

    async def send(self, command: Command, send: Callable[[Command], Awaitable[bytes]], *, risk: bool) -> bytes:
        """Send a command that shows a PIN or PUK, once; with `risk` also what may lock the TSE.

        Raises:
            LastTry: a wrong one would lock it.
            KnownWrong: the TSE has refused this one before.
            CommandRejected: it is wrong, or the TSE refused for another reason.
        """
        found = shown(command)
        if found is None:
            return await send(command)
        whose, secret = found
        if not risk:
            self._check(whose, secret)
        before = self._memory.record.tries
        left = max(0, before.get(whose, _MOST_TRIES) - 1)
        await self._memory.try_to_write(tries={**before, whose: left})
        try:
            return await send(command)
        except CommandRejected as refused:
            if tries_left(refused.result) is None:  # it did not come to look at it
                await self._memory.try_to_write(tries=before)
            raise

    def refused(self, command: Command) -> None:
        """The TSE said that the PIN or PUK in it is wrong."""
        found = shown(command)
        if found is not None:
            self._wrong.setdefault(found[0], set()).add(self._digest(found[1]))

    def accepted(self, command: Command) -> None:
        """The TSE took the PIN or PUK in it; if that sets a new one, nothing is known to be wrong any more."""
        found = shown(command)
        if found is not None:
            self._wrong.get(found[0], set()).discard(self._digest(found[1]))
        match command:
            case ChangePin(user=whose) | UnblockPin(user=whose):
                self._wrong.pop(whose, None)
            case ChangePuk():
                self._wrong.pop(PUK, None)

    def _check(self, whose: int, secret: bytes) -> None:
        left, name = self._memory.record.tries.get(whose), _name(whose)
        if self._digest(secret) in self._wrong.get(whose, ()):
            raise KnownWrong(f"the TSE has refused this {name} before: it was not sent again", left)
        if left == 1:
            raise LastTry(f"only one try is left for the {name}: {_THEN[whose == PUK]}; it was not sent", left)

    def _digest(self, secret: bytes) -> bytes:
        return hmac.digest(self._key, secret, hashlib.sha256)


def shown(command: Command) -> tuple[int, bytes] | None:
    """Whose tries a wrong PIN or PUK in it costs, and that PIN or PUK."""
    match command:
        case Login(user=user, pin=secret) | ChangePin(user=user, old_pin=secret):
            return user, secret
        case UnblockPin(puk=secret) | ChangePuk(old_puk=secret):
            return PUK, secret
        case _:
            return None


def _name(whose: int) -> str:
    return _NAMES.get(User(whose), "PIN") if whose in set(User) else "PIN"
