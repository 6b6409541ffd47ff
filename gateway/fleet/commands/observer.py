"""What the end of a command tells: who is logged in, PIN tries, a client id, flash health, and events for the log.

It does not matter who sent the command: a till, an operator or the gateway itself.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from gateway.errors import ProtocolError
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.pins.retry_guard import RetryGuard
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    Decommission,
    DeleteStoredData,
    DeregisterClient,
    FlashHealth,
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
from gateway.tse.fields import Command, Generation
from gateway.tse.info import TseInfo
from gateway.tse.pins import PinOwner, has_tries, pin_shown_by
from gateway.tse.results import Result, explain, name_of, refuses_secret, tries_left

log = logging.getLogger(__name__)

_BROKEN = range(0x1300, 0x1400)
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
# Commands that always tell something; `OpenImport` does only while no client id is known.
_KINDS: tuple[type[Command], ...] = (*_DONE, Login, Logout, FlashHealth)
OBSERVED = frozenset(opcode for kind in _KINDS for opcode in kind.opcodes.values())


@dataclass(frozen=True, slots=True)
class FlashHealthReading:
    """What a TSE told of its flash memory; `at` in Unix seconds."""

    health: HealthReply
    at: float


class CommandObserver:
    """The observer of one TSE. `logged_in` are the users who logged in through the gateway, and not out."""

    def __init__(
        self,
        serial: str,
        memory: PinMemory,
        login_guard: LoginGuard,
        retry_guard: RetryGuard,
        metrics: Metrics,
        *,
        generation: Generation,
    ) -> None:
        self._serial = serial
        self._generation = generation
        self._memory = memory
        self._login_guard = login_guard
        self._retry_guard = retry_guard
        self._metrics = metrics
        self.logged_in: set[int] = set()
        self.flash_health: FlashHealthReading | None = None
        for owner, left in memory.record.tries.items():
            metrics.maintenance.pin_tries(serial, owner, left)

    async def saw(self, raw: bytes, result: int, reply: bytes = b"") -> None:
        """Learn from a command that ended with `result`, 0 for success, and with the data `reply`."""
        try:
            command = parse(raw)
        except ProtocolError:
            return
        shown = pin_shown_by(command, self._generation)
        owner = None if shown is None else shown[0]
        if owner is not None:
            await self._saw_pin(command, owner, result)
        log_command(self._serial, command, result, owner)
        if result == Result.OK:
            await self._saw_done(command, reply)
        elif isinstance(command, Logout) and result == Result.USER_NOT_LOGGED_IN:
            self.logged_in.discard(command.user)

    def told(self, info: TseInfo) -> None:
        """Take over who is logged in, as a TSE of generation 2 tells in its info sector."""
        if info.generation is Generation.TWO:
            self.logged_in = {info.logged_in_user} - {User.NONE}

    async def forget_client(self, client_id: bytes) -> None:
        """Forget `client_id`, which the TSE does not know any more."""
        if client_id == self._memory.record.client_id.encode("latin-1"):
            await self._memory.try_to_write(client_id="")

    async def _saw_done(self, command: Command, reply: bytes) -> None:
        match command:
            case Login(user=user):
                if self._generation is Generation.TWO:
                    self.logged_in.clear()  # there only one user is logged in at a time
                self.logged_in.add(user)
            case Logout(user=user):
                self.logged_in.discard(user)
                if self._generation is Generation.TWO:
                    self.logged_in.clear()
            case SetTime():
                self._metrics.maintenance.done(self._serial, "set_time")
            case SelfTest(client_id=client_id):
                self._metrics.maintenance.done(self._serial, "self_test")
                await self._learn_client(client_id)
            case OpenImport(client_id=client_id) | RegisterClient(client_id=client_id):
                await self._learn_client(client_id)
            case DeregisterClient(client_id=client_id):
                self._metrics.clients.gone(self._serial, client_id)
                await self.forget_client(client_id)
            case FlashHealth():
                with suppress(ProtocolError):  # whoever asked gets to see it
                    self.flash_health = FlashHealthReading(HealthReply.decode(reply), time.time())

    async def _learn_client(self, client_id: bytes) -> None:
        # The first is as good as any later one, and writing it once spares the disk.
        if not self._memory.record.client_id:
            await self._memory.try_to_write(client_id=client_id.decode("latin-1"))

    async def _saw_pin(self, command: Command, owner: PinOwner, result: int) -> None:
        left = tries_left(result)
        if left is None and result != Result.OK:
            return  # the TSE did not come to look at it
        if not has_tries(owner, self._generation):
            left = None
        tries = {other: known for other, known in self._memory.record.tries.items() if other != owner}
        if left is not None:
            tries[owner] = left
        elif isinstance(command, UnblockPin) and (unblocked := PinOwner.of(command.user)):
            tries.pop(unblocked, None)
            self._metrics.maintenance.pin_tries(self._serial, unblocked, None)
        if has_tries(owner, self._generation):
            self._metrics.maintenance.pin_tries(self._serial, owner, left)
        await self._memory.try_to_write(tries=tries)
        if result == Result.OK:
            self._retry_guard.accepted(command)
            await self._login_guard.accepted(command)
        elif result != Result.PIN_BLOCKED:  # which says nothing of this one
            self._retry_guard.refused(command)


def log_command(serial: str, command: Command, result: int, owner: PinOwner | None) -> None:
    """Write an event of a command that ended with `result`; `owner` is whose PIN or PUK it showed."""
    if result == Result.OK:
        if type(command) in _DONE:
            which, level, text = _DONE[type(command)]
            log.log(level, text, serial, extra=event(which, serial, **_fields(command, owner)))
    elif refuses_secret(result):
        refused = event(Event.PIN_REFUSED, serial, tries_left=tries_left(result), user=owner or "")
        log.warning("TSE %s refused a PIN or PUK: %s", serial, explain(result), extra=refused)
    elif isinstance(command, SelfTest) and result in _BROKEN:
        broken = event(Event.SELF_TEST_FAILED, serial, result=name_of(result))
        log.error("TSE %s failed its self test: %s", serial, name_of(result), extra=broken)


def _fields(command: Command, owner: PinOwner | None) -> dict[str, object]:
    """Return what an event may tell of `command`, which is never a PIN."""
    match command:
        case RegisterClient(client_id=client_id) | DeregisterClient(client_id=client_id):
            return {"client": client_id.decode("latin-1")}
        case UnblockPin(user=user):
            return {"user": PinOwner.of(user) or ""}
        case _:
            return {"user": owner} if owner else {}
