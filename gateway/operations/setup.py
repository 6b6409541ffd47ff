"""The set-up of a TSE, from the factory to ready for sales (LAN-TSE protocol)."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.errors import CommandRejected, GatewayError
from gateway.operations.exclusive import Exclusive
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    EnableCtss,
    ExportIfCspFails,
    Initialize,
    Login,
    Logout,
    RegisterClient,
    SetTime,
    User,
)
from gateway.tse.credentials import initial_credentials
from gateway.tse.fields import Command
from gateway.tse.info import Lifecycle, TseInfo

_PUK_CHANGED, _ADMIN_CHANGED, _TIME_ADMIN_CHANGED = 1, 2, 4


class NotFresh(GatewayError):
    """Only a TSE that was never put into service can be set up."""

    code = "not_fresh"


@dataclass(frozen=True, slots=True, repr=False)
class Setup:
    """What a fresh TSE gets; secrets as bytes of digits."""

    seed: bytes
    admin_puk: bytes
    admin_pin: bytes
    time_admin_pin: bytes
    client_ids: tuple[bytes, ...]
    trust_system_clock: bool = False
    risk_lockout: bool = False


async def check_fresh(tse: Exclusive) -> TseInfo:
    """Return the info of a fresh TSE.

    Raises:
        NotFresh: it is in service, or was.
    """
    info = await tse.info()
    if info.lifecycle != Lifecycle.UNINITIALIZED:
        raise NotFresh("this TSE was put into service already")
    return info


async def put_into_service(tse: Exclusive, info: TseInfo, given: Setup, now: Callable[[], int]) -> None:
    """Put a fresh TSE into service; may be repeated with the same secrets if it broke off. `now` gives Unix seconds."""
    with suppress(CommandRejected):  # a fresh TSE fails it, and yet wants to have been tested once
        await tse.self_test(given.client_ids[0])
    for command in _commands(info, given):
        await tse.send_pin(command, risk=given.risk_lockout)
    await tse.self_test(given.client_ids[0])
    for command in (EnableCtss(), ExportIfCspFails(enabled=True), Initialize(), SetTime(now())):
        await tse.send(command)
    for user in (User.TIME_ADMIN, User.ADMIN):
        await tse.send(Logout(user))


def _commands(info: TseInfo, given: Setup) -> list[Command]:
    """Return the commands for PUK, PINs and clients, without what an earlier try has done already."""
    initial = initial_credentials(given.seed, info.serial)
    done = info.credentials_changed
    commands: list[Command] = [] if done & _PUK_CHANGED else [ChangePuk(initial.admin_puk, given.admin_puk)]
    for user, changed, first, new in (
        (User.TIME_ADMIN, _TIME_ADMIN_CHANGED, initial.time_admin_pin, given.time_admin_pin),
        (User.ADMIN, _ADMIN_CHANGED, initial.admin_pin, given.admin_pin),
    ):
        commands += [Login(user, new)] if done & changed else [Login(user, first), ChangePin(user, first, new)]
    return [*commands, *map(RegisterClient, given.client_ids)]
