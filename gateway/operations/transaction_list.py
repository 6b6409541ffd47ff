"""The transactions in a store, page by page, the newest first.

A finished one stands where its finish is, an open one where its start is: so each is met once, whatever page it is on.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from gateway.operations.history import FINISH, MOST_BLOCKS, START, step_of
from gateway.operations.store import Store
from gateway.tse.logmessage import LogMessage

TransactionState = Literal["open", "finished"]
_CLOCK_SET_BACK = 86_400  # seconds by which log times may decrease, since somebody set the clock


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are wanted; times in Unix seconds, of the finish or of an open one's start.

    All limits are included, and what is left out limits nothing.
    """

    from_time: int | None = None
    to_time: int | None = None
    from_number: int | None = None
    to_number: int | None = None
    client_ids: Collection[str] = ()
    process_type: str | None = None
    state: TransactionState | None = None
    numbers: Collection[int] | None = None

    def fits(self, found: "FoundTransaction") -> bool:
        """Tell whether a transaction is wanted."""
        message = found.message
        return (
            _lies(message.log_time, self.from_time, self.to_time)
            and _lies(message.transaction_number or 0, self.from_number, self.to_number)
            and (not self.client_ids or message.client_id in self.client_ids)
            and self.process_type in {None, message.process_type}
            and self.state in {None, found.state}
            and (self.numbers is None or message.transaction_number in self.numbers)
        )

    def ends_at(self, message: LogMessage) -> bool:
        """Tell whether nothing before this message can be wanted."""
        if self.from_time is not None and message.log_time < self.from_time - _CLOCK_SET_BACK:
            return True
        number = message.transaction_number
        return (
            self.from_number is not None
            and number is not None
            and (step_of(message) == START and number < self.from_number)
        )


@dataclass(frozen=True, slots=True)
class FoundTransaction:
    """A transaction by its finish, or by its start while it is open; `start_time` in Unix seconds, if it was met.

    `end` is the block behind its message.
    """

    message: LogMessage
    state: TransactionState
    end: int
    start_time: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Some transactions, and the block before which the next page begins; 0 if there is none."""

    found: list[FoundTransaction]
    end: int


async def page(
    store: Store,
    wanted: TransactionFilter,
    open_numbers: Collection[int],
    limit: int,
    most_blocks: int = MOST_BLOCKS,
) -> TransactionPage:
    """Return at most `limit` transactions, looked for in `most_blocks` blocks before the end of `store`."""
    found: dict[int, FoundTransaction] = {}
    end = store.used
    async for block, message in store.placed_newest_first(most_blocks):
        number = message.transaction_number
        if wanted.ends_at(message):
            return TransactionPage(list(found.values()), 0)
        if number is not None:
            step = step_of(message)
            if number in found and step == START:
                found[number] = replace(found[number], start_time=message.log_time)
            met = _met(message, step, end, open_numbers)
            if met is not None and wanted.fits(met):
                if len(found) == limit:
                    return TransactionPage(list(found.values()), end)
                found[number] = met
        end = block
    is_whole = store.used <= most_blocks or end == store.used
    return TransactionPage(list(found.values()), 0 if is_whole else end)


def _met(message: LogMessage, step: str, end: int, open_numbers: Collection[int]) -> FoundTransaction | None:
    if step == FINISH:
        return FoundTransaction(message, "finished", end)
    if step == START and message.transaction_number in open_numbers:
        return FoundTransaction(message, "open", end, message.log_time)
    return None


def _lies(value: int, first: int | None, last: int | None) -> bool:
    return (first is None or first <= value) and (last is None or value <= last)
