"""Whose PIN or PUK it is: the owners, their numbers in commands, and the commands that show one."""

from enum import StrEnum
from typing import Self

from gateway.tse.commands import ChangePin, ChangePuk, Login, UnblockPin, User
from gateway.tse.fields import Command


class PinOwner(StrEnum):
    """Whose tries a wrong PIN or PUK uses up; the value names the owner in metrics, events and the JSON API.

    A TSE has one PUK, which unblocks the PIN of either user (LAN-TSE protocol, command 0x22).
    """

    PUK = "puk"
    ADMIN = "admin"
    TIME_ADMIN = "time_admin"

    @property
    def user(self) -> User:
        """The user whose number stands for the owner; that of the PUK is 0."""
        return _USERS[self]

    @classmethod
    def of(cls, user: int) -> Self | None:
        """Return the owner with this user number, 0 being the PUK; `None` if there is none."""
        return next((owner for owner in cls if owner.user == user), None)


_USERS = {PinOwner.PUK: User.NONE, PinOwner.ADMIN: User.ADMIN, PinOwner.TIME_ADMIN: User.TIME_ADMIN}


def pin_shown_by(command: Command) -> tuple[PinOwner, bytes] | None:
    """Return the PIN or PUK that `command` shows to the TSE and its owner; `None` if it shows none."""
    match command:
        case Login(user=number, pin=shown) | ChangePin(user=number, old_pin=shown) if number != User.NONE:
            owner = PinOwner.of(number)
        case UnblockPin(puk=shown) | ChangePuk(old_puk=shown):
            owner = PinOwner.PUK
        case _:
            return None
    return None if owner is None else (owner, shown)
