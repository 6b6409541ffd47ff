"""Defects that the simulation must find, each put into the gateway of one run, with a plan that shows it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.operations import recovery
from gateway.operations.journal import Journal, JournalRecord
from gateway.operations.lan import LanTse
from gateway.operations.receipt import Signed
from gateway.operations.settlement import Settlement
from gateway.operations.store import Store
from gateway.operations.transactions import SigningResult, Transactions

_ALL_BLOCKS = 1 << 20


def swap_two_answers() -> None:
    """Two API tills that sign at the same time now and then get each other's answer."""
    sign = Transactions._sign_under_key
    waiting: list[tuple[SigningResult, asyncio.Future[SigningResult]]] = []

    async def mutated(self: Transactions, *request: Any) -> SigningResult:
        mine = await sign(self, *request)
        if waiting:
            theirs, told = waiting.pop()
            told.set_result(mine)
            return theirs
        told = asyncio.get_running_loop().create_future()
        waiting.append((mine, told))
        try:
            async with asyncio.timeout(1):
                return await asyncio.shield(told)
        except TimeoutError:
            waiting.clear()
            return mine

    Transactions._sign_under_key = mutated  # type: ignore[method-assign,assignment]


def drop_the_fsync_of_the_journal() -> None:
    """The journal is written ahead, but not synced."""
    write = Journal._write

    def mutated(self: Journal, record: JournalRecord, anew: Any, *, durable: bool) -> None:
        write(self, record, anew, durable=False)

    Journal._write = mutated  # type: ignore[method-assign]


def forget_a_request_that_is_sent_again() -> None:
    """What a till sends again on another connection is carried out again."""
    once = LanTse._once

    async def mutated(self: LanTse, *request: Any, **options: Any) -> bytes:
        self._last.clear()
        self._signed.clear()
        return await once(self, *request, **options)

    LanTse._once = mutated  # type: ignore[method-assign]


def claim_a_foreign_start() -> None:
    """A key whose start is not where it must be takes the last one of its client."""
    started = recovery._started

    async def mutated(store: Store, record: JournalRecord) -> Signed | None:
        found = await started(store, record)
        if found is not None:
            return found
        async for message in store.newest_first(_ALL_BLOCKS):
            if message.operation.lower() == "starttransaction" and message.client_id == record.client_id:
                return recovery._signed(message)
        return None

    recovery._started = mutated


def look_for_lost_signatures_late() -> None:
    """Others may sign before it is known what became of a key: two tills are mixed up."""
    init = Settlement.__init__

    def mutated(self: Settlement, registry: Any, *given: Any, **options: Any) -> None:
        init(self, registry, *given, **options)
        del registry.before_signing["keys"]

    Settlement.__init__ = mutated  # type: ignore[method-assign]


MUTATIONS: Mapping[str, Callable[[], None]] = {
    "swap": swap_two_answers,
    "fsync": drop_the_fsync_of_the_journal,
    "resent": forget_a_request_that_is_sent_again,
    "claim": claim_a_foreign_start,
    "late": look_for_lost_signatures_late,
}
