"""Which commands of LAN clients are acts of operators, for the audit log: tills sign, read, and set the time."""

from collections.abc import Mapping

from gateway.errors import ProtocolError
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    Decommission,
    DeleteStoredData,
    DeregisterClient,
    DisableCtss,
    FactoryReset,
    Initialize,
    RegisterClient,
    UnblockPin,
    parse,
    title_of,
)
from gateway.tse.fields import Command
from gateway.tse.pins import PinOwner

_ACTS: tuple[type[Command], ...] = (
    *(Initialize, RegisterClient, DeregisterClient, ChangePin, ChangePuk, UnblockPin),
    *(DeleteStoredData, Decommission, DisableCtss, FactoryReset),
)
_OPCODES = frozenset(opcode for kind in _ACTS for opcode in kind.opcodes.values())


def act_of(data: bytes) -> tuple[str, Mapping[str, str]] | None:
    """Return the name of the act that a command is, and what it is about; `None` if it is none."""
    if not data or data[0] not in _OPCODES:
        return None
    return f"lan: {title_of(data)}", _about(data)


def _about(data: bytes) -> Mapping[str, str]:
    try:
        command = parse(data)
    except ProtocolError:
        return {}
    match command:
        case RegisterClient(client_id=client_id) | DeregisterClient(client_id=client_id):
            return {"client_id": client_id.decode("latin-1")}
        case ChangePin(user=user) | UnblockPin(user=user):
            owner = PinOwner.of(user)
            return {"user": owner.value if owner else str(user)}
        case _:
            return {}
