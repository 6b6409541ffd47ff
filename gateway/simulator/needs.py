"""Preconditions of the commands, checked in one order for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.simulator.core import Core, refusal
from gateway.simulator.session import SelfTestOutcome
from gateway.tse.commands import User
from gateway.tse.fields import Command
from gateway.tse.info import Lifecycle
from gateway.tse.results import Result


@dataclass(frozen=True, slots=True)
class Needs:
    """Preconditions; `users` means one of them. `export` opens the way for the case that the signature part fails."""

    self_test: bool = True
    ctss: bool = False
    initialized: bool = False
    users: frozenset[User] = frozenset()
    time: bool = False
    export: bool = False


ADMIN = frozenset({User.ADMIN})
ANY_USER = frozenset({User.ADMIN, User.TIME_ADMIN})

Handler = Callable[[Core, Any], bytes]
Handlers = dict[type[Command], tuple[Needs, Handler]]


def check(core: Core, needs: Needs) -> None:
    """Raise `CommandRejected` for the first of the needs that is not met.

    The order is assumed: self test, CTSS, initialisation, login, time.
    """
    if not (needs.export and core.export_allowed_after_failure):
        _check_self_test(core, needs)
        if needs.ctss and not core.ctss_active:
            raise refusal(Result.NEEDS_ACTIVE_CTSS)
    if needs.initialized:
        check_initialized(core)
    if needs.users and not needs.users & core.logged_in:
        raise refusal(Result.NOT_AUTHORIZED)
    if needs.time and core.unix_time() is None:
        raise refusal(Result.NO_TIME_SET)


def check_initialized(core: Core) -> None:
    """Raise `CommandRejected` before the setup and after the decommissioning."""
    if core.state.lifecycle == Lifecycle.UNINITIALIZED:
        raise refusal(Result.NOT_INITIALIZED)
    if core.state.lifecycle == Lifecycle.DECOMMISSIONED:
        raise refusal(Result.DECOMMISSIONED)


def _check_self_test(core: Core, needs: Needs) -> None:
    if needs.self_test:
        if core.session.self_test is SelfTestOutcome.FAILED:
            raise refusal(Result.NEEDS_PASSED_SELF_TEST)
        if not core.self_test_passed:
            raise refusal(Result.NEEDS_SELF_TEST)
