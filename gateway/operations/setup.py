"""The set-up of a TSE, from the factory to ready for sales (LAN-TSE protocol)."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.errors import CommandRejected, GatewayError
from gateway.i18n.text import Text
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
from gateway.tse.fields import Command, Generation
from gateway.tse.info import Lifecycle, TseInfo

# Bits of `TseInfo.credentials_changed`.
_PUK_CHANGED = {User.ADMIN: 1, User.TIME_ADMIN: 16, User.LOGGER: 32}
_PIN_CHANGED = {User.ADMIN: 2, User.TIME_ADMIN: 4, User.LOGGER: 8}
_LOGGER_PIN = b"00000"


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
        raise NotFresh(Text("this TSE was put into service already", "diese TSE wurde schon in Betrieb genommen"))
    return info


async def put_into_service(tse: Exclusive, info: TseInfo, given: Setup, now: Callable[[], int]) -> None:
    """Put a fresh TSE into service; may be repeated with the same secrets if it broke off. `now` gives Unix seconds."""
    is_first = info.generation is Generation.ONE
    with suppress(*([CommandRejected] if is_first else [])):  # a fresh one fails it, and yet wants to have been tested
        await tse.self_test(given.client_ids[0])
    for command in _credentials(info, given):
        await tse.send_pin(command, risk=given.risk_lockout)
    clients = tuple(map(RegisterClient, given.client_ids))
    if is_first:
        await _send(tse, *clients)
        await tse.self_test(given.client_ids[0])
        await _send(tse, EnableCtss(), ExportIfCspFails(enabled=True), Initialize(), SetTime(now()))
        await _send(tse, Logout(User.TIME_ADMIN), Logout(User.ADMIN))
    else:
        await _send(tse, Initialize(), SetTime(now()), *clients, Logout())


async def _send(tse: Exclusive, *commands: Command) -> None:
    for command in commands:
        await tse.send(command)


def _credentials(info: TseInfo, given: Setup) -> list[Command]:
    """Return the commands for PUKs and PINs, without what an earlier try has done already; the Admin logs in last.

    In generation 2 each user gets the same PUK, and the logger a PIN that is no secret, as from the vendor's library.
    """
    initial = initial_credentials(given.seed, info.serial, info.generation)
    done = info.credentials_changed
    puks = [
        ChangePuk(user, first, given.admin_puk) for user, first in initial.puks.items() if not done & _PUK_CHANGED[user]
    ]
    commands: list[Command] = [*puks]
    new = {User.LOGGER: _LOGGER_PIN, User.TIME_ADMIN: given.time_admin_pin, User.ADMIN: given.admin_pin}
    for user in (user for user in new if user in initial.pins):
        first = initial.pins[user]
        if done & _PIN_CHANGED[user]:
            commands.append(Login(user, new[user]))
        else:
            commands += [Login(user, first), ChangePin(user, first, new[user])]
    return commands
