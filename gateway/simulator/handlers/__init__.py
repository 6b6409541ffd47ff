"""The commands of the simulated TSE, by subject; `execute` carries one out."""

from gateway.errors import CommandRejected, ProtocolError
from gateway.simulator import assumptions as assumed
from gateway.simulator.core import Core
from gateway.simulator.handlers import clients, exports, lifecycle, transactions, users
from gateway.simulator.needs import Handlers, check
from gateway.tse.commands import COMMANDS, parse
from gateway.tse.fields import Generation
from gateway.tse.results import Result

HANDLERS: Handlers = {
    **users.HANDLERS,
    **clients.HANDLERS,
    **lifecycle.HANDLERS,
    **transactions.HANDLERS,
    **exports.HANDLERS,
}


def execute(core: Core, raw: bytes) -> tuple[int, bytes]:
    """Carry out the bytes of a command; return its result and the data of its response."""
    kind = COMMANDS.get(raw[0])
    if kind is None or kind.opcodes.get(core.generation) != raw[0]:
        known = kind is not None and core.generation is Generation.TWO
        return assumed.REFUSED_BY_GENERATION_2 if known else Result.UNKNOWN_COMMAND, b""
    try:
        command = parse(raw)
        if core.generation is Generation.ONE and command.encode() != raw:
            return Result.COMMAND_SYNTAX, b""
    except ProtocolError:
        return Result.COMMAND_SYNTAX, b""
    needs, handler = HANDLERS[type(command)]
    try:
        check(core, needs)
        return Result.OK, handler(core, command)
    except CommandRejected as refused:
        return refused.result, b""
    finally:
        core.session.last_command = core.monotonic()
