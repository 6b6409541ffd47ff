"""From the store of a TSE into segments: what came after a mark, cut between entries, at the pace that tills leave."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from gateway.archive.directory import Shelf
from gateway.archive.draft import Draft
from gateway.fleet.device import Device
from gateway.operations.exports import Mark, leading_blocks, mark_at
from gateway.operations.store import PatientReader, Store, StoreEntry
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

_AT_ONCE = 1024 * 1024  # bytes collected before a thread is asked to write them


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be copied: from `since` (`None`: a new series, from the beginning) up to `until`."""

    since: Mark | None
    until: Mark
    segment_bytes: int
    least_free: int
    patient: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment on the disk that does not count yet."""

    draft: Draft
    sha256: str
    leading_bytes: int
    first_block: int
    mark: Mark


async def pieces(
    device: Device, shelf: Shelf, plan: Plan, copied: Callable[[int], None]
) -> AsyncGenerator[Piece, None]:
    """Segment after segment; each is gone when the next is asked for, unless it was committed.

    `copied` is told the block behind what was read.
    """
    source = PatientReader(device) if plan.patient else device
    store = Store(source, plan.until.used)
    leading = await leading_blocks(source, plan.until)
    start = leading if plan.since is None else plan.since.used
    beginning = [piece async for piece in store.blocks(0, leading)]
    entries = store.entries(start)
    while start < plan.until.used:
        with shelf.draft(plan.least_free) as draft:
            await _write(draft, beginning)
            last = await _fill(draft, store, entries, plan, copied)
            await _write(draft, [END])
            sha256 = await asyncio.to_thread(draft.finish)
            mark = await mark_at(source, last.end, last.data_block - 1)
            yield Piece(draft, sha256, leading * SECTOR, start, mark)
        start = mark.used


async def _fill(
    draft: Draft, store: Store, entries: AsyncIterator[StoreEntry], plan: Plan, copied: Callable[[int], None]
) -> StoreEntry:
    """Whole entries until the draft is large enough or there are no more; the last of them."""
    waiting: list[bytes] = []
    size, written = 0, draft.size
    async for entry in entries:
        async for piece in store.blocks(entry.block, entry.end - entry.block):
            waiting.append(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                await _write(draft, waiting)
                waiting, written, size = [], draft.size, 0
                copied(entry.block)
        if written + size >= plan.segment_bytes or entry.end >= plan.until.used:
            await _write(draft, waiting)
            copied(entry.end)
            return entry
    raise AssertionError("a store that is longer than its mark has an entry behind it")


async def _write(draft: Draft, waiting: list[bytes]) -> None:
    await asyncio.to_thread(draft.write, b"".join(waiting))
