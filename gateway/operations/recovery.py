"""Recovery of signatures whose answer was lost: the store of the TSE tells, nothing is guessed.

Before a step is signed under an Idempotency-Key the journal holds the length of the store.
A start that was signed is then the entry at exactly that block: the lock was ours, and until
the TSE has told, nobody else has anything signed (`settlement`). (After a power cycle the time
must be set first, and that log stands there instead.) Updates and finishes carry their number
and their data.
"""

from dataclasses import replace

from gateway.errors import CommandRejected, GatewayError, ProtocolError
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations.journal import Journal, JournalRecord
from gateway.operations.receipt import Action, Signed, SigningRequest
from gateway.operations.store import Store, StoreEntry
from gateway.tse.info import TseInfo
from gateway.tse.log_names import LogName
from gateway.tse.logmessage import LogMessage
from gateway.tse.results import Result, explain

_MOST_BETWEEN = 2  # signatures between count and counter: some TSEs sign their certificate request first


class OutcomeUnknown(GatewayError):
    """Whether the TSE has signed under this key can no longer be found out."""

    code = "outcome_unknown"


class EndedOtherwise(GatewayError):
    """Somebody else has finished the transaction with other data."""

    code = "ended_otherwise"


async def resolve(journal: Journal, record: JournalRecord, device: Device) -> None:
    """Bring an unclear record up to date with what the TSE has signed; it is void if that was nothing.

    Raises:
        CommandRejected: the TSE does not show its store before the self test has passed.
        OutcomeUnknown: the store was emptied in between.
        EndedOtherwise: the transaction has ended, but not with these data.
        ProtocolError: the store is not laid out as expected.
    """
    info = TseInfo.decode(await device.read_info())
    if not info.used_blocks:
        raise CommandRejected(Result.NEEDS_SELF_TEST, explain(Result.NEEDS_SELF_TEST))
    if record.position > info.used_blocks:
        raise OutcomeUnknown(
            Text(
                "stored data were deleted since the first try: look into the export made before",
                "seit dem ersten Versuch wurden gespeicherte Daten gelöscht: im Export von davor nachsehen",
            )
        )
    found = await _look(journal, record, Store(device, info.used_blocks))
    if found is None:
        await journal.void(record)
    elif found.done is not None:
        await journal.end(found)
    else:
        await journal.update(found)


async def _look(journal: Journal, record: JournalRecord, store: Store) -> JournalRecord | None:
    action, number, start_time = Action(record.action), record.number, record.start_time
    if not number:
        started = await _started(store, record)
        if started is None or journal.claims(record.serial, started.number):
            return None
        if action is Action.START:
            return replace(record, number=started.number, start_time=started.log_time, done=started)
        number, start_time = started.number, started.log_time
    try:
        ended = await _ended(store, record, number, action)
    except EndedOtherwise:
        if record.number:
            raise
        return None  # nobody was told this number: the receipt of the request may be signed anew
    if ended is not None:
        return replace(record, number=number, start_time=start_time, done=ended)
    return replace(record, number=number, start_time=start_time, sure=True) if action is Action.SIGN else None


async def _started(store: Store, record: JournalRecord) -> Signed | None:
    """Return the start at the block where one that was signed must be."""
    if record.position == store.used:
        return None
    entry = await anext(store.entries(record.position))
    message = await _message(store, entry)
    if message is None or message.operation.lower() != "starttransaction" or message.client_id != record.client_id:
        return None
    near = 0 < message.signature_counter - record.signatures <= _MOST_BETWEEN
    return _signed(message) if near else None


async def _ended(store: Store, record: JournalRecord, number: int, action: Action) -> Signed | None:
    """Return the update or finish of transaction `number` since then, with the data of the request."""
    step = "update" if action is Action.UPDATE else "finish"
    async for entry in store.entries(record.position):
        name = LogName.parse(entry.name)
        if name is None or name.number != number or name.step.lower() != step:
            continue
        message = await _message(store, entry)
        if message is not None and _fits(message, record, action):
            return _signed(message)
        if step == "finish":
            raise EndedOtherwise(
                Text(
                    "transaction {number} was finished with other data, by somebody else",
                    "Transaktion {number} wurde mit anderen Daten beendet, von jemand anderem",
                ),
                number=number,
            )
    return None


def _fits(message: LogMessage, record: JournalRecord, action: Action) -> bool:
    number = 0 if action is Action.SIGN else record.number
    texts = message.client_id.encode(), number, message.process_type.encode()
    return SigningRequest(action, record.serial, *texts, message.process_data).fingerprint == record.fingerprint


async def _message(store: Store, entry: StoreEntry) -> LogMessage | None:
    try:
        return LogMessage.decode(await store.content(entry))
    except ProtocolError:
        return None


def _signed(message: LogMessage) -> Signed:
    return Signed(message.transaction_number or 0, message.signature_counter, message.log_time, message.signature)
