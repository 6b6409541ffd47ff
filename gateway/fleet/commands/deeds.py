"""What was done to a TSE, told to the operator; whoever did it: a till, an operator, the gateway itself."""

import logging

from gateway.telemetry.events import Event, event
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    Decommission,
    DeleteStoredData,
    DeregisterClient,
    Initialize,
    RegisterClient,
    SelfTest,
    SetTime,
    UnblockPin,
    User,
)
from gateway.tse.fields import Command
from gateway.tse.results import Result, name_of, tries_left

log = logging.getLogger(__name__)

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


def tell(serial: str, command: Command, result: int, user: str) -> None:
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
