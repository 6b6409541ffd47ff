"""Login, logout, PINs and the PUK."""

import hmac
from collections.abc import Callable
from dataclasses import replace

from gateway.simulator.assumptions import MAX_TRIES
from gateway.simulator.core import Core, refusal
from gateway.simulator.needs import Handlers, Needs
from gateway.simulator.session import SelfTestOutcome
from gateway.simulator.state import PersistentState, Secret
from gateway.tse.commands import ChangePin, ChangePuk, Login, Logout, UnblockPin, User
from gateway.tse.credentials import PIN_LENGTH, PUK_LENGTH
from gateway.tse.der import element
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle
from gateway.tse.results import Result

_USER_NAMES = {User.ADMIN: "Admin", User.TIME_ADMIN: "TimeAdmin"}
_ROLE = b"\x01"  # the value that all recorded devices write, whoever logs in
_TRUE, _BY_USER = b"\xff", b"\x00"


def login(core: Core, command: Login) -> bytes:
    """Log a user in; several may be logged in at a time in generation 1, one in generation 2."""
    _check_first_self_test(core)
    user = _user(core, command.user)
    if not core.state.puks[_puk_user(core, user)].changed:
        raise refusal(Result.NEEDS_PUK_CHANGE)
    _check_pin(core, user, command.pin)
    if core.generation is Generation.TWO:
        core.session.logged_in.clear()
    if core.logs(Login):
        one = _user_element(user) + element(0x82, _ROLE) + element(0x83, _TRUE)
        core.commit(core.with_system_log(core.state, Login, one=one))
    core.session.logged_in.add(user)
    return b""


def logout(core: Core, command: Logout) -> bytes:
    """Log this user out, and others stay; in generation 2 whoever is logged in."""
    of_two = max(core.logged_in, default=User.NONE)
    user = of_two if core.generation is Generation.TWO else _user(core, command.user)
    _check_logged_in(core, user)
    if core.logs(Logout):
        one = _user_element(user) + element(0x82, _BY_USER)
        core.commit(core.with_system_log(core.state, Logout, one=one))
    core.session.logged_in.discard(user)
    return b""


def unblock_pin(core: Core, command: UnblockPin) -> bytes:
    """Set a new PIN by the PUK, also after three wrong PINs."""
    _check_first_self_test(core)
    user = _user(core, command.user)
    if not core.state.pins[user].changed:
        raise refusal(Result.NEEDS_PIN_CHANGE)
    _check_length(command.new_pin, PIN_LENGTH)
    check_puk(core, _puk_user(core, user), command.puk)
    core.commit(core.state.with_pin(user, Secret(command.new_pin, MAX_TRIES, changed=True)))
    return b""


def change_puk(core: Core, command: ChangePuk) -> bytes:
    """Change a PUK, the first step of every setup."""
    _check_first_self_test(core)
    user = _puk_user(core, _user(core, command.user))
    _check_length(command.new_puk, PUK_LENGTH)
    check_puk(core, user, command.old_puk)
    core.commit(core.state.with_puk(user, Secret(command.new_puk, MAX_TRIES, changed=True)))
    return b""


def change_pin(core: Core, command: ChangePin) -> bytes:
    """Change the PIN of a user who is logged in."""
    _check_first_self_test(core)
    user = _user(core, command.user)
    _check_logged_in(core, user)
    _check_length(command.new_pin, PIN_LENGTH)
    _check_pin(core, user, command.old_pin)
    core.commit(core.state.with_pin(user, Secret(command.new_pin, MAX_TRIES, changed=True)))
    return b""


HANDLERS: Handlers = {
    Login: (Needs(self_test=False), login),
    Logout: (Needs(self_test=False), logout),
    UnblockPin: (Needs(self_test=False), unblock_pin),
    ChangePuk: (Needs(self_test=False), change_puk),
    ChangePin: (Needs(self_test=False), change_pin),
}


def _check_first_self_test(core: Core) -> None:
    """Refuse until a fresh TSE was tested once, even though that test fails (LAN-TSE protocol)."""
    fresh = core.state.lifecycle == Lifecycle.UNINITIALIZED
    if fresh and core.session.self_test is SelfTestOutcome.NOT_RUN:
        raise refusal(Result.NEEDS_SELF_TEST)


def _user(core: Core, number: int) -> User:
    if number not in core.state.pins:
        raise refusal(Result.INVALID_PARAMETER)
    return User(number)


def _puk_user(core: Core, user: User) -> User:
    """Return whose PUK it is; generation 1 has one for both users."""
    return user if core.generation is Generation.TWO else User.ADMIN


def _check_logged_in(core: Core, user: User) -> None:
    if user not in core.logged_in:
        raise refusal(Result.USER_NOT_LOGGED_IN)


def _check_length(secret: bytes, length: int) -> None:
    if len(secret) != length:
        raise refusal(Result.INVALID_PARAMETER)


def _check_pin(core: Core, user: User, given: bytes) -> None:
    if core.faults.strike("blocked_pin"):
        raise refusal(Result.PIN_BLOCKED)
    _check_secret(core, core.state.pins[user], given, lambda pin: core.state.with_pin(user, pin))


def check_puk(core: Core, user: User, given: bytes) -> None:
    """Compare a PUK: three wrong ones end it in generation 1, in generation 2 each makes the next one wait."""
    puk = core.state.puks[user]
    if core.generation is Generation.ONE:
        _check_secret(core, puk, given, lambda changed: core.state.with_puk(user, changed))
        return
    if core.puk_pause(user):
        raise refusal(Result.AUTHENTICATION_FAILED | MAX_TRIES)
    if not hmac.compare_digest(puk.digits, given):
        core.session.puk_refused_at[user] = core.monotonic()
        core.commit(core.state.with_puk(user, replace(puk, refused=puk.refused + 1)))
        raise refusal(Result.AUTHENTICATION_FAILED | MAX_TRIES)
    if puk.refused:
        core.commit(core.state.with_puk(user, replace(puk, refused=0)))


def _check_secret(core: Core, secret: Secret, given: bytes, with_secret: Callable[[Secret], PersistentState]) -> None:
    """Compare a PIN or PUK; the try is on the disk before its outcome is told, so a power cut wins no further try."""
    if secret.tries == 0:
        raise refusal(Result.PIN_BLOCKED)
    if not hmac.compare_digest(secret.digits, given):
        left = secret.tries - 1
        core.commit(with_secret(replace(secret, tries=left)))
        raise refusal(Result.AUTHENTICATION_FAILED | left)
    if secret.tries < MAX_TRIES:
        core.commit(with_secret(replace(secret, tries=MAX_TRIES)))


def _user_element(user: User) -> bytes:
    return element(0x81, _USER_NAMES[user].encode("ascii"))
