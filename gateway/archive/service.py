"""The archives of all TSEs of a gateway, those that are gone included."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.archive.directory import Shelf, shelves
from gateway.archive.errors import NothingArchived
from gateway.archive.manifest import is_name
from gateway.archive.restore import Volume, one_file, rebuilt
from gateway.archive.run import Stopped, Terms, Work
from gateway.archive.status import ArchiveRun, ArchiveStatus, ArchiveSummary, status_of, summary_of
from gateway.archive.tse_archive import Book
from gateway.errors import UnknownDevice
from gateway.fleet.device import Device
from gateway.fleet.registry import Registry
from gateway.telemetry.metrics import Metrics


class Archivist:
    """Below `directory`, one folder for each TSE, named by its serial."""

    def __init__(self, registry: Registry, metrics: Metrics, directory: Path, terms: Terms) -> None:
        self._registry = registry
        self._metrics = metrics
        self._directory = directory
        self._terms = terms
        self._books: dict[str, Book] = {}
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[ArchiveRun]] = set()

    # ---- what there is -------------------------------------------------------

    async def open(self) -> None:
        """Read what is on the disk, unless it was."""
        for shelf in await asyncio.to_thread(shelves, self._directory):
            await self._book(shelf.serial)

    async def book(self, device: Device) -> Book:
        """That of a TSE which is there; its archive is missed from now on if it does not come about."""
        book = await self._book(device.serial)
        await book.seen()
        return book

    def books(self) -> list[Book]:
        """All that are known, by serial."""
        return [self._books[serial] for serial in sorted(self._books)]

    def summary(self, book: Book) -> ArchiveSummary:
        """An archive in short."""
        device = self._device(book.shelf.serial)
        attached = device is not None and device.attached
        return summary_of(book.shelf.serial, book.index, book.state, book.work, attached=attached)

    async def status(self, serial: str) -> ArchiveStatus:
        """All of an archive.

        Raises:
            UnknownDevice: neither a TSE nor an archive has this serial.
        """
        book = await self._find(serial)
        manifests = await asyncio.to_thread(book.shelf.manifests)
        return status_of(self.summary(book), book.index, book.state, manifests)

    async def file(self, serial: str, name: str) -> Volume:
        """One segment or manifest.

        Raises:
            UnknownDevice: neither a TSE nor an archive has this serial.
            NothingArchived: there is none with this name.
        """
        book = await self._find(serial)
        if not is_name(name) or book.index.segment(name) is None:
            raise NothingArchived(f"the archive has no file {name[:64]!r}")
        return await asyncio.to_thread(one_file, book.shelf, name)

    async def rebuilt(self, serial: str, series: int | None) -> Volume:
        """The store of a series, by default of the newest, as a full export.

        Raises:
            UnknownDevice: neither a TSE nor an archive has this serial.
            NothingArchived: there is no such series.
        """
        index = (await self._find(serial)).index
        wanted = series if series is not None or index.last is None else index.last.series
        return rebuilt(self._shelf(serial), [] if wanted is None else index.of_series(wanted))

    # ---- runs ------------------------------------------------------------------

    async def run(self, serial: str) -> ArchiveRun:
        """Bring an archive up to date; once begun it is done, whoever hangs up.

        Raises:
            UnknownDevice: there is no such TSE.
            ArchiveBusy: a run is under way.
            Stopped: the gateway ends.
        """
        device = self._registry.find(serial)
        task = asyncio.create_task(self._run(device), name=f"archive {device.serial}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Stopped("the gateway stops; the next run goes on") from None
            raise

    @asynccontextmanager
    async def taken(self, device: Device) -> AsyncIterator[tuple[Book, Work]]:
        """For who must know that the archive stands still between its runs."""
        book = await self.book(device)
        with book.taken() as work:
            yield book, work

    async def close(self) -> None:
        """End the runs; what they have added stays."""
        for book in self._books.values():
            if book.work is not None:
                book.work.stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[ArchiveRun]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it is written down; whoever hung up does not fetch it

    async def _run(self, device: Device) -> ArchiveRun:
        async with self.taken(device) as (book, work):
            return await book.run(device, work)

    async def _find(self, serial: str) -> Book:
        device = self._device(serial)
        if device is not None:
            return await self.book(device)
        shelf = self._shelf(serial)
        if not await asyncio.to_thread(shelf.directory.is_dir):
            raise UnknownDevice(f"neither a TSE nor an archive has the serial {serial[:64]!r}")
        return await self._book(shelf.serial)

    async def _book(self, serial: str) -> Book:
        async with self._opening:
            if serial not in self._books:
                made = Book(self._shelf(serial), self._terms, self._metrics)
                await asyncio.to_thread(made.load)
                self._books[serial] = made
        return self._books[serial]

    def _shelf(self, serial: str) -> Shelf:
        return Shelf(self._directory, serial.upper())

    def _device(self, serial: str) -> Device | None:
        try:
            return self._registry.find(serial)
        except UnknownDevice:
            return None
