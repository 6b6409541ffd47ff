"""Exports of a store as TAR streams: all of it, what matches a filter, or what is new.

The filter is our own, by the names of the log messages, so that firmware of both
generations answers alike. No lock is held: between two chunks tills have their turn.
A store only grows, so an export is of the store as long as it was when it began; only
deleting stored data breaks it, and then it ends in an error, never in a wrong archive.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from gateway.errors import GatewayError, ProtocolError
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations.store import (
    CHUNK_BLOCKS,
    LEADING,
    BlockReader,
    PatientReader,
    Store,
    StoreEntry,
    open_store,
    used_blocks,
)
from gateway.storage import strict_json
from gateway.tse.info import TseInfo
from gateway.tse.log_names import LogName
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

_HASHED = 16  # characters that tell one last entry from another


class NothingToExport(GatewayError):
    """No log message matches, or none is new."""

    code = "nothing_to_export"


class CursorInvalid(GatewayError):
    """The cursor does not belong to this store, or stored data were deleted since: export all of it once."""

    code = "cursor_invalid"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filtered export contains; both ends included, `None` and the empty client mean all. Unix seconds."""

    from_time: int | None = None
    to_time: int | None = None
    from_number: int | None = None
    to_number: int | None = None
    client_id: str = ""

    def takes(self, entry: StoreEntry) -> bool:
        """Return whether the export contains `entry`; system logs are left out if transaction numbers are asked for."""
        name = LogName.parse(entry.name)
        if name is None:
            return False
        if not _between(self.from_time, name.log_time, self.to_time):
            return False
        if name.number is None:
            return self.from_number is None and self.to_number is None
        return _between(self.from_number, name.number, self.to_number) and self.client_id in ("", name.client_id)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far an export went.

    `used` is the length of the store in blocks, `last` the block of its last header, `digest` tells that entry apart.
    """

    used: int
    last: int
    digest: str

    def encode(self) -> str:
        """Return the mark as opaque text."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Mark":
        """Return the mark that `encode` wrote.

        Raises:
            CursorInvalid: `text` did not come from `encode`.
        """
        try:
            plain = strict_json.parse(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            used, last, digest = plain["used"], plain["last"], plain["digest"]
        except (binascii.Error, ValueError, TypeError, KeyError):
            raise CursorInvalid(Text("this is no cursor of an export", "das ist kein Cursor eines Exports")) from None
        if not (isinstance(used, int) and isinstance(last, int) and isinstance(digest, str) and 0 <= last < used):
            raise CursorInvalid(Text("this is no cursor of an export", "das ist kein Cursor eines Exports"))
        return cls(used, last, digest)


async def mark_of(device: Device) -> Mark:
    """Return the mark of the end of the store, read now."""
    info = TseInfo.decode(await device.read_info())
    return await mark_at(device, used_blocks(info), info.last_entry_block)


async def mark_at(device: BlockReader, used: int, last: int) -> Mark:
    """Return the mark of an entry's end; `last` is the block of its header, `used` the one behind it."""
    return Mark(used, last, await _digest(device, last))


async def still_holds(device: Device, mark: Mark) -> bool:
    """Return whether everything up to `mark` is still in the store."""
    info = TseInfo.decode(await device.read_info())
    return mark.used <= used_blocks(info) and await _digest(device, mark.last) == mark.digest


def full_size(mark: Mark) -> int:
    """Return the size of a full export up to `mark`, in bytes."""
    return mark.used * SECTOR + len(END)


async def full(device: Device, mark: Mark, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes from `start` until before `end` of the full export up to `mark`."""
    position, source = start, PatientReader(device)
    while position < min(end, mark.used * SECTOR):
        block = position // SECTOR
        count = min(CHUNK_BLOCKS, mark.used - block)
        chunk = await source.read_store(block, count)
        offset = position - block * SECTOR
        piece = chunk[offset : offset + end - position]
        yield piece
        position += len(piece)
    if position < end:
        yield bytes(end - position)


async def matching(device: Device, chosen: Filter, source: BlockReader | None = None) -> AsyncIterator[bytes]:
    """Yield the export of what `chosen` takes; the first piece comes when something was found.

    The store is read by `source`, or between sales.

    Raises:
        NothingToExport: nothing matches.
    """
    async for piece in matching_in(Store(source or PatientReader(device), (await open_store(device)).used), chosen):
        yield piece


async def matching_in(store: Store, chosen: Filter) -> AsyncIterator[bytes]:
    """Yield what `matching` does, of a store at hand.

    Raises:
        NothingToExport: nothing matches.
    """
    leading: list[StoreEntry] = []
    found = False
    async for entry in store.entries():
        if len(leading) < LEADING:
            leading.append(entry)
            continue
        if not chosen.takes(entry):
            continue
        if not found:
            found = True
            async for piece in Store(store.reader, store.used).blocks(0, leading[-1].end):
                yield piece
        async for piece in store.blocks(entry.block, entry.end - entry.block):
            yield piece
    if not found:
        raise NothingToExport(Text("no log message matches", "keine Logmeldung passt"))
    yield END


async def newer_size(device: Device, since: Mark, until: Mark) -> int:
    """Return the size of the export of what came between two marks, in bytes.

    Raises:
        CursorInvalid: `since` is not of this store.
        NothingToExport: nothing came.
    """
    if since.used > until.used or not await still_holds(device, since):
        raise CursorInvalid(
            Text(
                "the cursor does not fit this store: export all of it once, and go on from there",
                "der Cursor passt nicht zu diesem Speicher: einmal alles exportieren, und von da an weiter",
            )
        )
    if since.used == until.used:
        raise NothingToExport(Text("nothing was signed since then", "seitdem wurde nichts signiert"))
    return (await leading_blocks(device, until) + until.used - since.used) * SECTOR + len(END)


async def newer(device: Device, since: Mark, until: Mark) -> AsyncIterator[bytes]:
    """Yield the two leading entries and what came between two marks."""
    async for piece in full(device, until, 0, await leading_blocks(device, until) * SECTOR):
        yield piece
    async for piece in full(device, until, since.used * SECTOR, full_size(until)):
        yield piece


async def leading_blocks(device: BlockReader, mark: Mark) -> int:
    """Return the number of blocks of info.csv and the certificates."""
    entries = Store(device, mark.used).entries()
    await anext(entries)
    return (await anext(entries)).end


async def _digest(device: BlockReader, block: int) -> str:
    header = await device.read_store(block, 1)
    if len(header) != SECTOR:
        raise ProtocolError(
            Text("a block has {sector} bytes, not {given}", "ein Block hat {sector} Bytes, nicht {given}"),
            sector=SECTOR,
            given=len(header),
        )
    return hashlib.sha256(header).hexdigest()[:_HASHED]


def _between(least: int | None, value: int, most: int | None) -> bool:
    return (least is None or least <= value) and (most is None or value <= most)
