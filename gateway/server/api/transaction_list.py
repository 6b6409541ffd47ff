"""Transactions as a resource: a list with filters and pages, and one with all its steps, from store or archive."""

from datetime import UTC, datetime
from typing import Any

from gateway.access.caller import TILLS_AND_AUDITORS
from gateway.archive.errors import ArchiveDamaged, NothingArchived
from gateway.errors import DeviceError, UnknownDevice
from gateway.i18n.text import Text
from gateway.operations import history, transaction_list
from gateway.operations.exports import CursorInvalid
from gateway.operations.history import StoreOwner, TransactionNotFound
from gateway.operations.store import PatientReader, Store, StoreClosed, open_store
from gateway.operations.transaction_list import FoundTransaction, TransactionFilter
from gateway.server.api.endpoint import TSE, Call, Endpoint
from gateway.server.api.errors import SENDING, Errors
from gateway.server.api.parameters import TransactionListParams, TransactionStepsParams
from gateway.server.api.receipts import moment, receipt_response
from gateway.server.api.requests import NoBody
from gateway.server.api.transaction_responses import (
    ListedTransaction,
    StoreSource,
    TransactionDetails,
    TransactionList,
)
from gateway.server.http.callers import caller_of

_ERRORS: Errors = (*SENDING, StoreClosed, CursorInvalid, NothingArchived, ArchiveDamaged)


async def list_transactions(call: Call[TransactionListParams, NoBody]) -> TransactionList:
    """Return one page of the transactions, the newest first."""
    wanted, serial = call.params, call.params.serial.upper()
    store, _, source = await _store_of(call, serial, wanted.cursor)
    numbers = None if wanted.reference is None else call.services.transactions.numbers_of(serial, wanted.reference)
    if numbers is not None and not numbers:
        return TransactionList(transactions=[], next_cursor=None, source=source)
    chosen = TransactionFilter(
        from_time=wanted.first_second,
        to_time=wanted.last_second,
        from_number=max(wanted.from_number or 0, min(numbers)) if numbers else wanted.from_number,
        to_number=wanted.to_number,
        client_ids={wanted.client_id} if wanted.client_id else caller_of(call.request).clients,
        process_type=wanted.process_type,
        state=wanted.state,
        numbers=numbers,
    )
    open_numbers = await _open_numbers(call, serial, source) if wanted.state != "finished" else ()
    page = await transaction_list.page(store, chosen, open_numbers, wanted.limit)
    return TransactionList(
        transactions=[_listed(call, serial, found) for found in page.found],
        next_cursor=str(page.end) if page.end else None,
        source=source,
    )


async def get_transaction_steps(call: Call[TransactionStepsParams, NoBody]) -> TransactionDetails:
    """Return all steps of a transaction, the first one first."""
    number, serial = call.params.number, call.params.serial.upper()
    store, owner, source = await _store_of(call, serial, call.params.cursor)
    steps = (await history.steps_in(store, number))[::-1]
    if not steps or not caller_of(call.request).may_read(steps[-1].client_id):
        raise TransactionNotFound(
            Text(
                "transaction {number} is not among the last ones: give its cursor from the list",
                "Transaktion {number} ist nicht unter den letzten: ihren Cursor aus der Liste angeben",
            ),
            number=number,
        )
    started = steps[0].log_time if history.step_of(steps[0]) == history.START else None
    last = steps[-1]
    is_finished = history.step_of(last) == history.FINISH
    reference, metadata = call.services.transactions.own_of(serial, number)
    return TransactionDetails(
        transaction_number=number,
        state="finished" if is_finished else "open",
        client_id=last.client_id,
        start_time=moment(started),
        end_time=moment(last.log_time if is_finished else None),
        reference=reference,
        metadata=dict(metadata),
        steps=[receipt_response(history.receipt_of(step, owner, started)) for step in steps],
        source=source,
    )


async def _store_of(call: Call[Any, Any], serial: str, cursor: str | None) -> tuple[Store, StoreOwner, StoreSource]:
    """Return the store of the TSE up to the cursor, or what is archived of it while the TSE does not show it."""
    source: StoreSource = "store"
    try:
        device = call.services.registry.find(serial)
        shown = await open_store(device)
        store, owner = Store(PatientReader(device), shown.used), history.owner_of(device)
    except (UnknownDevice, DeviceError, StoreClosed) as error:
        try:
            store, source = await call.services.archives.store(serial), "archive"
            owner = await history.owner_in(store, serial)
        except (UnknownDevice, NothingArchived):
            raise error from None
    if cursor is None:
        return store, owner, source
    if int(cursor) > store.used:
        raise CursorInvalid(
            Text(
                "stored data were deleted since: begin with the first page",
                "inzwischen wurden gespeicherte Daten gelöscht: mit der ersten Seite beginnen",
            )
        )
    return Store(store.reader, int(cursor)), owner, source


async def _open_numbers(call: Call[Any, Any], serial: str, source: StoreSource) -> frozenset[int]:
    if source == "archive" or not call.services.registry.find(serial).info.open_transactions:
        return frozenset()
    return frozenset(await call.services.administration.open_transactions(serial, b""))


def _listed(call: Call[Any, Any], serial: str, found: FoundTransaction) -> ListedTransaction:
    message = found.message
    number = message.transaction_number or 0
    reference, metadata = call.services.transactions.own_of(serial, number)
    return ListedTransaction(
        transaction_number=number,
        state=found.state,
        client_id=message.client_id,
        process_type=message.process_type,
        start_time=moment(found.start_time),
        end_time=None if found.state == "open" else datetime.fromtimestamp(message.log_time, UTC),
        signature_counter=message.signature_counter,
        reference=reference,
        metadata=dict(metadata),
        cursor=str(found.end),
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        f"{TSE}/transactions",
        TILLS_AND_AUDITORS,
        list_transactions,
        "List transactions",
        "The newest first, read from the store of the TSE, or from its archive while the TSE is away. Each page looks "
        "through 8 MiB at most, so it may have fewer than `limit`: go on while there is a `next_cursor`. Open ones are "
        "listed of a TSE that is there. A token for some client ids sees only what these have signed.",
        _ERRORS,
    ),
    Endpoint(
        "GET",
        f"{TSE}/transactions/{{number}}/steps",
        TILLS_AND_AUDITORS,
        get_transaction_steps,
        "Get a transaction with all its steps",
        "From the store of the TSE, or from its archive while the TSE is away.",
        (*_ERRORS, TransactionNotFound),
    ),
)
