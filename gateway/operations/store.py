"""The store of a TSE, a TAR archive: read in chunks, entry by entry, forwards or from its end.

Each chunk is one turn in the queue of the TSE and needs no lock, since a store only grows:
whoever reads it lets everybody sell in between.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import GatewayError, ProtocolError
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.i18n.text import Text
from gateway.tse.info import TseInfo
from gateway.tse.log_names import LogName
from gateway.tse.logmessage import LogMessage
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import PAX, PAX_GLOBAL, Header, blocks_of, is_ustar, pax_records

LEADING = 2  # entries: info.csv and the certificates begin every store
CHUNK_BLOCKS = 128  # 64 KiB: what the vendor's library reads at a time
_PAX_TYPES = (PAX, PAX_GLOBAL)


class StoreClosed(GatewayError):
    """The TSE shows its store only after a passed self test."""

    code = "store_closed"


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One file in the store; `block` is that of its first header, `data_block` that of its content."""

    name: str
    block: int
    data_block: int
    size: int

    @property
    def end(self) -> int:
        """The block behind the entry."""
        return self.data_block - 1 + blocks_of(self.size)


class BlockReader(Protocol):
    """A source of blocks of a store: a `Device` or a `PatientReader`."""

    async def read_store(self, block: int, count: int) -> bytes: ...


class PatientReader:
    """Reads the store of a TSE between sales, so that a sale waits for one chunk at most.

    `mine` is the lease of the reader, if it has one.
    """

    def __init__(self, device: Device, mine: Lease | None = None) -> None:
        self._device = device
        self._mine = mine

    async def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of 512 bytes of the store, from `block` on."""
        await self._device.lock.wait_for_sale(self._mine)
        return await self._device.read_store(block, count)


class Store:
    """The store of a TSE up to `used`, the first block behind its last entry."""

    def __init__(self, reader: BlockReader, used: int) -> None:
        self.reader = reader
        self.used = used
        self._first = 0
        self._chunk = b""

    async def entries(self, start: int = 0) -> AsyncIterator[StoreEntry]:
        """Yield every entry from the one whose header is block `start`.

        Raises:
            ProtocolError: there is no header where one must be.
        """
        block = start
        while block < self.used:
            entry = await self._entry(block)
            yield entry
            block = entry.end

    async def content(self, entry: StoreEntry) -> bytes:
        """Return the content of the file."""
        pieces = [piece async for piece in self.blocks(entry.data_block, entry.end - entry.data_block)]
        return b"".join(pieces)[: entry.size]

    async def blocks(self, first: int, count: int) -> AsyncIterator[bytes]:
        """Yield `count` blocks from `first` on, in pieces of at most one chunk."""
        end = first + count
        while first < end:
            await self._load(first)
            at = (first - self._first) * SECTOR
            piece = self._chunk[at : at + (end - first) * SECTOR]
            yield piece
            first += len(piece) // SECTOR

    async def newest_first(self, most_blocks: int) -> AsyncIterator[LogMessage]:
        """Yield what `placed_newest_first` does, without the blocks."""
        async for _, message in self.placed_newest_first(most_blocks):
            yield message

    async def placed_newest_first(self, most_blocks: int) -> AsyncIterator[tuple[int, LogMessage]]:
        """Yield log messages with the blocks where they begin, from the end backwards.

        It goes through no more than `most_blocks` blocks.

        A header counts only if its message ends, with nothing but zeros behind it, exactly
        where the next entry begins: process data that look like an entry never do that.
        """
        end, tail = self.used, b""  # `tail` reaches from `end` to the beginning of the next entry
        while end > max(0, self.used - most_blocks) and len(tail) <= _LONGEST_ENTRY:
            first = max(0, end - CHUNK_BLOCKS)
            tail = await self.reader.read_store(first, end - first) + tail
            for at in range((end - first - 1) * SECTOR, -1, -SECTOR):
                header = _header_in(tail[at : at + SECTOR])
                if header is None or at + header.blocks * SECTOR != len(tail):
                    continue
                content, padding = _parted(tail, at, header.size)
                message = _message(content) if not any(padding) else None
                if message is not None:
                    yield first + at // SECTOR, message
                if message is not None or (header.kind in _PAX_TYPES and _path_in(content)):
                    tail = tail[:at]
            end = first

    async def _entry(self, block: int) -> StoreEntry:
        header = await self._header(block)
        start, path = block, None
        while header.kind in _PAX_TYPES:
            path = _path_in(await self.content(StoreEntry("", block, block + 1, header.size))) or path
            block += header.blocks
            header = await self._header(block)
        return StoreEntry(path or header.path, start, block + 1, header.size)

    async def _header(self, block: int) -> Header:
        await self._load(block)
        at = (block - self._first) * SECTOR
        header = _header_in(self._chunk[at : at + SECTOR])
        if header is None or block + header.blocks > self.used:
            raise ProtocolError(
                Text("the store has no entry at block {block}", "der Speicher hat keinen Eintrag bei Block {block}"),
                block=block,
            )
        return header

    async def _load(self, block: int) -> None:
        if not self._first <= block < self._first + len(self._chunk) // SECTOR:
            count = min(CHUNK_BLOCKS, self.used - block)
            if count <= 0:
                raise ProtocolError(
                    Text(
                        "block {block} lies behind the end of the store",
                        "Block {block} liegt hinter dem Ende des Speichers",
                    ),
                    block=block,
                )
            self._chunk = await self.reader.read_store(block, count)
            self._first = block


_LONGEST_ENTRY = 32_768 * SECTOR  # 16 MiB, far over any receipt


async def open_store(device: Device) -> Store:
    """Return the store as long as it is now.

    Raises:
        StoreClosed: the TSE does not show it.
    """
    info = TseInfo.decode(await device.read_info())
    return Store(device, used_blocks(info))


async def receipts_begin(device: Device) -> int:
    """Return the block of the first log message of a transaction; what stands before is about the TSE alone.

    Raises:
        StoreClosed: the TSE does not show its store.
    """
    store, position = await open_store(device), 0
    async for entry in store.entries():
        name = LogName.parse(entry.name)
        if position >= LEADING and (name is None or name.number is not None):
            return entry.block
        position += 1
    return store.used


def used_blocks(info: TseInfo) -> int:
    """Return the length of the store in blocks, without its end mark.

    Raises:
        StoreClosed: the TSE does not show it.
    """
    if not info.used_blocks:
        raise StoreClosed(
            Text(
                "the store of the TSE is closed until the self test has passed and CTSS is active",
                "der Speicher der TSE ist zu, bis der Selbsttest bestanden und CTSS aktiv ist",
            )
        )
    return info.used_blocks


def _header_in(block: bytes) -> Header | None:
    return Header.decode(block) if is_ustar(block) else None


def _path_in(content: bytes) -> str:
    """Return the long name that the data of a PAX header give; empty if they give none."""
    try:
        path = dict(pax_records(content)).get(b"path", b"")
    except ValueError:
        return ""
    return path.decode("utf-8", "backslashreplace").removeprefix("./")


def _parted(data: bytes, at: int, size: int) -> tuple[bytes, bytes]:
    """Return content and padding of the entry whose header is at `at` and that reaches to the end of `data`."""
    start = at + SECTOR
    return data[start : start + size], data[start + size :]


def _message(content: bytes) -> LogMessage | None:
    try:
        message = LogMessage.decode(content)
    except ProtocolError:
        return None
    return message if not message.deviations else None  # one of them is: bytes behind the message
