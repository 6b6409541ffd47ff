"""The maintenance tasks, which need the lock: self test and time.

Each returns the seconds for which it need not be done again.
"""

import logging
import math
from collections.abc import Coroutine

from gateway.clock.trusted import Clock
from gateway.errors import CommandRejected, ProtocolError
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.tse.commands import Logout, SelfTest, SetTime, User
from gateway.tse.results import Result

log = logging.getLogger(__name__)

Work = Coroutine[object, object, float]
TITLES = {"self_test": "self test", "set_time": "setting the time"}
_SELF_TEST_REST = 3600.0


async def self_test(device: Device, client_id: bytes) -> float:
    """Run the self test, in generation 1 in the name of a registered client.

    Raises:
        CommandRejected: it failed; a client id that the TSE does not know is forgotten.
        ProtocolError: the TSE does not show that it passed.
    """
    try:
        await device.carry_out(SelfTest(client_id))
    except CommandRejected as refused:
        if refused.result == Result.CLIENT_NOT_REGISTERED:
            await device.forget_client(client_id)
        raise
    await device.read_info()
    if not device.info.self_test_passed:
        raise ProtocolError(
            Text(
                "the self test was carried out, but the TSE does not count it as passed",
                "der Selbsttest lief, aber die TSE zählt ihn nicht als bestanden",
            )
        )
    return _SELF_TEST_REST


async def set_time(device: Device, clock: Clock) -> float:
    """Log in as TimeAdmin, set the time, log out.

    A till that has logged in stays logged in: its login serves, and nobody is logged out.

    Raises:
        CommandRejected: the TSE refused; a login is not tried again.
        ConfigurationError: the login cannot be recorded.
        ProtocolError: the TSE does not show a valid time.
    """
    if not await _set_by_login_of_a_till(device, clock):
        await device.log_in()
        try:
            await _tell(device, clock)
        finally:
            await _log_out(device)
    await device.read_info()
    if not device.info.valid_time:
        raise ProtocolError(
            Text(
                "the time was set, but the TSE does not count it as valid",
                "die Zeit wurde gestellt, aber die TSE zählt sie nicht als gültig",
            )
        )
    return device.info.max_time_sync_delay_seconds / 2


async def _set_by_login_of_a_till(device: Device, clock: Clock) -> bool:
    if not device.is_logged_in(User.ADMIN, User.TIME_ADMIN):
        return False
    try:
        await _tell(device, clock)
    except CommandRejected as refused:
        if refused.result != Result.NOT_AUTHORIZED:
            raise
        device.forget_logins()  # it lost power since, or logged them out by itself
        return False
    return True


async def _tell(device: Device, clock: Clock) -> None:
    await device.carry_out(SetTime(math.floor(clock.now() + 0.5)))


async def _log_out(device: Device) -> None:
    try:
        await device.carry_out(Logout(User.TIME_ADMIN))
    except CommandRejected as refused:
        log.debug("TSE %s needed no logout: %s", device.serial, refused)
