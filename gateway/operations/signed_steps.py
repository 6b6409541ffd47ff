"""What a TSE signs, step by step as its store grows: whoever goes on from a place misses nothing, also over kill -9."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.errors import ProtocolError
from gateway.fleet.device import Device
from gateway.operations.store import PatientReader, Store, open_store
from gateway.tse.log_names import LogName
from gateway.tse.logmessage import LogMessage


@dataclass(frozen=True, slots=True)
class StorePlace:
    """How far a store was read: the first block that was not, and the last signature counter that was."""

    block: int = 0
    counter: int = 0


async def steps_since(device: Device, place: StorePlace) -> AsyncIterator[tuple[StorePlace, LogMessage | None]]:
    """Yield each signed step of a transaction after `place` in the order of the store, with the place behind it.

    Other entries of the store, and steps that were read before, are yielded as `None`.
    If the store does not go on there, since stored data were deleted, it is read from its beginning. Tills go first.

    Raises:
        StoreClosed: the TSE does not show its store.
        ProtocolError: the store is not laid out as expected.
    """
    used = (await open_store(device)).used
    store = Store(PatientReader(device), used)
    begin = place.block if place.block <= used else 0
    try:
        async for found in _steps(store, begin, place.counter):
            yield found
            place = found[0]
    except ProtocolError:
        if not begin:
            raise
        async for found in _steps(store, 0, place.counter):
            yield found


async def _steps(store: Store, block: int, counter: int) -> AsyncIterator[tuple[StorePlace, LogMessage | None]]:
    async for entry in store.entries(block):
        name, message = LogName.parse(entry.name), None
        if name is not None and name.number is not None and name.counter > counter:
            message = LogMessage.decode(await store.content(entry))
            counter = name.counter
        yield StorePlace(entry.end, counter), message
