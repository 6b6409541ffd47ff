"""Copies what a TSE stored since a mark into segments that end between entries, at the pace that tills leave."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from gateway.archive.directory import ArchiveDirectory, NewSegment
from gateway.fleet.device import Device
from gateway.operations.exports import Mark, leading_blocks, mark_at
from gateway.operations.store import PatientReader, Store, StoreEntry
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

_AT_ONCE = 1024 * 1024  # bytes collected before a thread is asked to write them


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What is to be copied: from `since` (`None`: a new series, from the beginning) up to `until`.

    `patient`: a sale under way is finished before each chunk is read.
    """

    since: Mark | None
    until: Mark
    segment_bytes: int
    least_free: int
    patient: bool = True


@dataclass(frozen=True, slots=True)
class CopiedSegment:
    """A segment on the disk that has no manifest yet. `first_block` and `mark` are its place in the store."""

    file: NewSegment
    sha256: str
    leading_bytes: int
    first_block: int
    mark: Mark


async def copy_segments(
    device: Device, directory: ArchiveDirectory, plan: CopyPlan, copied: Callable[[int], None]
) -> AsyncGenerator[CopiedSegment, None]:
    """Yield one segment after the other; each is gone when the next is asked for, unless it was committed.

    `copied` is told the block behind what was read.
    """
    source = PatientReader(device) if plan.patient else device
    store = Store(source, plan.until.used)
    leading = await leading_blocks(source, plan.until)
    start = leading if plan.since is None else plan.since.used
    beginning = [piece async for piece in store.blocks(0, leading)]
    entries = store.entries(start)
    while start < plan.until.used:
        with directory.new_segment(plan.least_free) as file:
            await _write(file, beginning)
            last = await _fill(file, store, entries, plan, copied)
            await _write(file, [END])
            sha256 = await asyncio.to_thread(file.finish)
            mark = await mark_at(source, last.end, last.data_block - 1)
            yield CopiedSegment(file, sha256, leading * SECTOR, start, mark)
        start = mark.used


async def _fill(
    file: NewSegment, store: Store, entries: AsyncIterator[StoreEntry], plan: CopyPlan, copied: Callable[[int], None]
) -> StoreEntry:
    """Write whole entries until the segment is large enough or there are no more; return the last one."""
    waiting: list[bytes] = []
    size, written = 0, file.size
    async for entry in entries:
        async for piece in store.blocks(entry.block, entry.end - entry.block):
            waiting.append(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                await _write(file, waiting)
                waiting, written, size = [], file.size, 0
                copied(entry.block)
        if written + size >= plan.segment_bytes or entry.end >= plan.until.used:
            await _write(file, waiting)
            copied(entry.end)
            return entry
    raise AssertionError("a store that is longer than its mark has an entry behind it")


async def _write(file: NewSegment, waiting: list[bytes]) -> None:
    await asyncio.to_thread(file.write, b"".join(waiting))
