"""What passes through to a TSE teaches: a client id it knows, who is logged in, how many PIN tries are left."""

import logging
import time
from contextlib import suppress

from gateway.errors import ProtocolError
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.pins.retry_guard import PUK, RetryGuard, shown
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.metrics.maintenance import User as Owner
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    Decommission,
    DeleteStoredData,
    DeregisterClient,
    HealthReply,
    Initialize,
    Login,
    Logout,
    OpenImport,
    RegisterClient,
    SelfTest,
    SetTime,
    UnblockPin,
    User,
    parse,
)
from gateway.tse.fields import Command
from gateway.tse.results import Result, name_of, tries_left

log = logging.getLogger(__name__)

_NAMES: dict[int, Owner] = {PUK: "puk", User.ADMIN: "admin", User.TIME_ADMIN: "time_admin"}

_BROKEN = range(0x1300, 0x1400)
_UNBLOCKED: dict[int, str] = {User.ADMIN: "admin", User.TIME_ADMIN: "time_admin"}
_DONE: dict[type[Command], tuple[Event, int, str]] = {
    SelfTest: (Event.SELF_TEST_PASSED, logging.INFO, "TSE %s passed its self test"),
    SetTime: (Event.TIME_SET, logging.INFO, "TSE %s was given the time"),
    ChangePin: (Event.PIN_CHANGED, logging.INFO, "a PIN of TSE %s was changed"),
    UnblockPin: (Event.PIN_CHANGED, logging.INFO, "a PIN of TSE %s was unblocked"),
    ChangePuk: (Event.PIN_CHANGED, logging.INFO, "the PUK of TSE %s was changed"),
    RegisterClient: (Event.CLIENT_REGISTERED, logging.INFO, "a client was registered with TSE %s"),
    DeregisterClient: (Event.CLIENT_DEREGISTERED, logging.INFO, "a client of TSE %s was deregistered"),
    Initialize: (Event.SET_UP, logging.INFO, "TSE %s was put into service"),
    Decommission: (Event.DECOMMISSIONED, logging.WARNING, "TSE %s was taken out of service for good"),
    DeleteStoredData: (Event.DATA_DELETED, logging.WARNING, "the stored data of TSE %s were deleted"),
}


class CommandObserver:
    """Of one TSE. `logged_in` are the users whose login went through the gateway and whose logout did not."""

    def __init__(
        self, serial: str, memory: PinMemory, guard: LoginGuard, retry_guard: RetryGuard, metrics: Metrics
    ) -> None:
        self._serial = serial
        self._memory = memory
        self._login_guard = guard
        self._retry_guard = retry_guard
        self._metrics = metrics
        self.logged_in: set[int] = set()
        self.health: HealthReply | None = None
        self.health_seen = 0.0  # Unix seconds
        for user, left in memory.record.tries.items():
            self._show_tries(user, left)

    @property
    def tries_left(self) -> dict[str, int]:
        """By user (and "puk"): only of those whose PIN was wrong since it was last right."""
        return {_NAMES[user]: left for user, left in self._memory.record.tries.items() if user in _NAMES}

    async def saw(self, raw: bytes, result: int) -> None:
        """A command ended with `result`, 0 if it was carried out."""
        try:
            command = parse(raw)
        except ProtocolError:
            return
        found = shown(command)
        secret = None if found is None else found[0]
        if secret is not None:
            await self._saw_secret(command, secret, result)
        log_command(self._serial, command, result, "" if secret is None else _NAMES.get(secret, ""))
        if result == Result.OK:
            await self._saw_done(command)
        elif isinstance(command, Logout) and result == Result.USER_NOT_LOGGED_IN:
            self.logged_in.discard(command.user)

    def saw_health(self, reply: bytes) -> None:
        """The TSE told the state of its flash memory."""
        with suppress(ProtocolError):  # whoever asked gets to see it
            self.health, self.health_seen = HealthReply.decode(reply), time.time()

    async def forget_client(self, client_id: bytes) -> None:
        """The TSE does not know it any more."""
        if client_id == self._memory.record.client_id.encode("latin-1"):
            await self._memory.try_to_write(client_id="")

    async def _saw_done(self, command: Command) -> None:
        match command:
            case Login(user=user):
                self.logged_in.add(user)
            case Logout(user=user):
                self.logged_in.discard(user)
            case SetTime():
                self._metrics.maintenance.done(self._serial, "set_time")
            case SelfTest(client_id=client_id) | OpenImport(client_id=client_id):
                if isinstance(command, SelfTest):
                    self._metrics.maintenance.done(self._serial, "self_test")
                # The first is as good as any later one, and writing it once spares the disk.
                if not self._memory.record.client_id:
                    await self._memory.try_to_write(client_id=client_id.decode("latin-1"))
            case DeregisterClient(client_id=client_id):
                self._metrics.clients.gone(self._serial, client_id)
                await self.forget_client(client_id)
            case _:
                pass

    async def _saw_secret(self, command: Command, secret: int, result: int) -> None:
        left = tries_left(result)
        if left is None and result != Result.OK:
            return  # the TSE did not come to look at it
        tries = {user: known for user, known in self._memory.record.tries.items() if user != secret}
        if left is not None:
            tries[secret] = left
        elif isinstance(command, UnblockPin):
            tries.pop(command.user, None)
            self._show_tries(command.user, None)
        self._show_tries(secret, left)
        await self._memory.try_to_write(tries=tries)
        if result == Result.OK:
            self._retry_guard.accepted(command)
            await self._login_guard.accepted(command)
        elif result != Result.PIN_BLOCKED:  # which says nothing of this one
            self._retry_guard.refused(command)

    def _show_tries(self, user: int, left: int | None) -> None:
        if user in _NAMES:
            self._metrics.maintenance.pin_tries(self._serial, _NAMES[user], left)


def log_command(serial: str, command: Command, result: int, user: str) -> None:
    """A command ended with `result`; `user` is whose PIN or PUK it showed, if any."""
    left = tries_left(result)
    if result == Result.OK:
        if type(command) in _DONE:
            which, level, text = _DONE[type(command)]
            log.log(level, text, serial, extra=event(which, serial, **_fields(command, user)))
    elif left is not None:
        refused = event(Event.PIN_REFUSED, serial, tries_left=left, user=user)
        log.warning("TSE %s refused a PIN or PUK; tries left: %d", serial, left, extra=refused)
    elif isinstance(command, SelfTest) and result in _BROKEN:
        broken = event(Event.SELF_TEST_FAILED, serial, result=name_of(result))
        log.error("TSE %s failed its self test: %s", serial, name_of(result), extra=broken)


def _fields(command: Command, user: str) -> dict[str, object]:
    """What may be told of it: never a PIN."""
    match command:
        case RegisterClient(client_id=client_id) | DeregisterClient(client_id=client_id):
            return {"client": client_id.decode("latin-1")}
        case UnblockPin(user=unblocked):
            return {"user": _UNBLOCKED.get(unblocked, "")}
        case _:
            return {"user": user} if user else {}
