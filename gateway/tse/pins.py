"""Whose PIN or PUK it is: the owners, their numbers in commands, and the commands that show one."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from gateway.tse.commands import ChangePin, ChangePuk, Login, UnblockPin, User
from gateway.tse.fields import Command, Generation


class PinOwner(StrEnum):
    """Whose tries a wrong PIN or PUK uses up; the value names the owner in metrics, events and the JSON API.

    A TSE of generation 1 has one PUK, which unblocks the PIN of either user; in generation 2 each user has one, and
    that of the Admin is `PUK` here (LAN-TSE protocol, commands 0x22 and 0xE7).
    """

    PUK = "puk"
    ADMIN = "admin"
    TIME_ADMIN = "time_admin"
    LOGGER = "logger"
    TIME_ADMIN_PUK = "time_admin_puk"
    LOGGER_PUK = "logger_puk"

    @property
    def user(self) -> User:
        """The user whose number stands for the owner; that of the PUK is 0."""
        return User(self.number) if self.number in {User.ADMIN, User.TIME_ADMIN, User.LOGGER} else User.NONE

    @property
    def number(self) -> int:
        """The number that stands for the owner in files: that of the user, 0 for the PUK."""
        return tuple(PinOwner).index(self)

    @property
    def is_puk(self) -> bool:
        """Whether it is a PUK."""
        return self in _PUKS.values()

    @classmethod
    def of(cls, number: int) -> Self | None:
        """Return the owner with this number; `None` if there is none."""
        return next((owner for owner in cls if owner.number == number), None)


USERS = (PinOwner.ADMIN, PinOwner.TIME_ADMIN, PinOwner.LOGGER)
_PUKS: Mapping[int, PinOwner] = {
    User.ADMIN: PinOwner.PUK,
    User.TIME_ADMIN: PinOwner.TIME_ADMIN_PUK,
    User.LOGGER: PinOwner.LOGGER_PUK,
}


def puk_of(user: int, generation: Generation) -> PinOwner | None:
    """Return whose tries a wrong PUK uses up when it is shown for `user`; `None` for a number that no user has."""
    return PinOwner.PUK if generation is Generation.ONE else _PUKS.get(user)


def has_tries(owner: PinOwner, generation: Generation) -> bool:
    """Return whether wrong tries use up those of `owner`: a PUK of generation 2 has as many as one can wait for."""
    return generation is Generation.ONE or not owner.is_puk


def pin_shown_by(command: Command, generation: Generation) -> tuple[PinOwner, bytes] | None:
    """Return the PIN or PUK that `command` shows to the TSE and its owner; `None` if it shows none."""
    match command:
        case Login(user=number, pin=shown) | ChangePin(user=number, old_pin=shown):
            owner = PinOwner.of(number) if number in {User.ADMIN, User.TIME_ADMIN, User.LOGGER} else None
        case UnblockPin(user=number, puk=shown) | ChangePuk(user=number, old_puk=shown):
            owner = puk_of(number, generation)
        case _:
            return None
    return None if owner is None else (owner, shown)
