"""Transactions: announce a step, take its process data, sign it; and what was signed last."""

from dataclasses import replace

from gateway.simulator import assumptions as assumed
from gateway.simulator.core import Core, refusal
from gateway.simulator.needs import Handlers, Needs, check
from gateway.simulator.session import Import
from gateway.simulator.state import PersistentState
from gateway.tse.commands import (
    AbortImport,
    CloseImport,
    ImportOpened,
    LastTransaction,
    ListTransactions,
    OpenImport,
    Part,
    TransactionReply,
    TransactionStep,
)
from gateway.tse.der import integer_element
from gateway.tse.fields import Generation
from gateway.tse.lists import TRANSACTIONS_PER_LIST, TransactionListReply, encode_transactions
from gateway.tse.logmessage import UnsignedMessage
from gateway.tse.results import Result
from gateway.tse.tar import blocks_of

_OPERATIONS = {
    TransactionStep.START: "StartTransaction",
    TransactionStep.UPDATE: "UpdateTransaction",
    TransactionStep.FINISH: "FinishTransaction",
}
_MESSAGE_BYTES = 512  # what a message has besides client id, type and data; generous
_ANY_CLIENT = b""
_TO_SIGN = Needs(ctss=True, initialized=True, time=True)


def open_import(core: Core, command: OpenImport) -> bytes:
    """Announce a step; it replaces one that was announced before and never signed."""
    _check_step(core, command)
    core.session.pending_import = Import(command, core.state.used_blocks + assumed.STAGING_DISTANCE)
    return ImportOpened(core.session.pending_import.block).encode()


def abort_import(core: Core, _command: AbortImport) -> bytes:
    """Forget the announced step; nothing is signed."""
    if core.session.pending_import is None:
        raise refusal(Result.NO_TRANSACTION_IN_PROGRESS)
    core.session.pending_import = None
    return b""


def close_import(core: Core, _command: CloseImport) -> bytes:
    """Sign the announced step; what held at the announcement must still hold."""
    pending = core.session.pending_import
    if pending is None:
        raise refusal(Result.NO_TRANSACTION_IN_PROGRESS)
    if not pending.complete:
        raise refusal(Result.NOT_ENOUGH_DATA_WRITTEN)
    check(core, _TO_SIGN)
    _check_step(core, pending.request)
    reply = _sign(core, pending)
    core.session.pending_import = None
    return reply


def last_transaction(core: Core, command: LastTransaction) -> bytes:
    """Return the reply to the last signature once more, for a host that lost it."""
    reply = core.state.last_replies.get(command.client_id)
    if reply is None:
        raise refusal(Result.NO_LAST_TRANSACTION)
    return reply


def list_transactions(core: Core, command: ListTransactions) -> bytes:
    """List open transactions by number."""
    wanted = command.client_id
    numbers = sorted(
        number for number, client in core.state.open_transactions.items() if wanted in (_ANY_CLIENT, client)
    )
    if core.generation is Generation.TWO:
        return Part(encode_transactions(numbers)[command.skip :][: assumed.PART_BYTES]).encode()
    return TransactionListReply(tuple(numbers[command.skip : command.skip + TRANSACTIONS_PER_LIST])).encode()


HANDLERS: Handlers = {
    OpenImport: (_TO_SIGN, open_import),
    AbortImport: (Needs(self_test=False), abort_import),
    CloseImport: (Needs(self_test=False), close_import),
    LastTransaction: (Needs(ctss=True), last_transaction),
    ListTransactions: (Needs(ctss=True), list_transactions),
}


def _check_step(core: Core, command: OpenImport) -> None:
    state = core.state
    if core.session.export is not None:
        raise refusal(Result.EXPORT_IN_PROGRESS)
    if command.client_id not in state.clients:
        raise refusal(Result.CLIENT_NOT_REGISTERED)
    _check_parameters(command)
    if command.event == TransactionStep.START:
        if len(state.open_transactions) >= assumed.MAX_OPEN_TRANSACTIONS:
            raise refusal(Result.MAX_PARALLEL_TRANSACTIONS)
    elif state.open_transactions.get(command.transaction_number) != command.client_id:
        raise refusal(Result.TRANSACTION_NOT_STARTED)
    _check_resources(core, command)


def _check_parameters(command: OpenImport) -> None:
    numbered_start = command.event == TransactionStep.START and command.transaction_number != 0
    too_long = command.data_length > assumed.MAX_PROCESS_DATA or len(command.process_type) > assumed.MAX_PROCESS_TYPE
    if command.event not in _OPERATIONS or numbered_start or too_long or command.additional_external_data:
        raise refusal(Result.INVALID_PARAMETER)


def _check_resources(core: Core, command: OpenImport) -> None:
    state = core.state
    if core.faults.strike("expired_certificate") or core.log_time() > state.certificate_expires:
        raise refusal(Result.CERTIFICATE_EXPIRED)
    if state.signature_counter >= state.max_signatures:
        raise refusal(Result.SIGNATURES_EXCEEDED)
    needed = blocks_of(command.data_length + _MESSAGE_BYTES) + assumed.RESERVED_BLOCKS
    if core.faults.strike("store_full") or state.used_blocks + needed > state.capacity_blocks:
        raise refusal(Result.STORE_FULL)


def _sign(core: Core, pending: Import) -> bytes:
    """Sign one message; the store and the reply are committed together."""
    request, state, time = pending.request, core.state, core.log_time()
    counter = state.signature_counter + 1
    number = state.transaction_number + 1 if request.event == TransactionStep.START else request.transaction_number
    operation = _OPERATIONS[TransactionStep(request.event)]
    is_first = core.generation is Generation.ONE
    message = UnsignedMessage.transaction(
        version=2 if is_first else 3,
        operation=operation if is_first else operation[0].lower() + operation[1:],
        client_id=request.client_id,
        process_data=pending.process_data(),
        process_type=request.process_type,
        number=number,
        serial=core.key.serial,
        counter=counter,
        log_time=integer_element(time),
    )
    signature = core.key.sign(message.to_be_signed)
    reply = TransactionReply(number, core.key.serial, time, counter, signature).encode()
    after = _after_step(state, TransactionStep(request.event), number, request.client_id, reply)
    core.commit(core.with_log(after, message.sealed(signature), time))
    return reply


def _after_step(
    state: PersistentState, event: TransactionStep, number: int, client: bytes, reply: bytes
) -> PersistentState:
    transactions = dict(state.open_transactions)
    if event is TransactionStep.START:
        transactions[number] = client
    elif event is TransactionStep.FINISH:
        del transactions[number]
    return replace(
        state,
        open_transactions=transactions,
        transaction_number=max(state.transaction_number, number),
        last_replies={**state.last_replies, client: reply, _ANY_CLIENT: reply},
    )
