"""The archives of all TSEs of a gateway, those of TSEs that are gone included."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from gateway.archive.directory import ArchiveDirectory, archive_directories
from gateway.archive.errors import NothingArchived
from gateway.archive.manifest import is_name
from gateway.archive.restore import JoinedFile, restore, whole_file
from gateway.archive.run import ArchiveOptions, RunProgress, Stopped
from gateway.archive.status import (
    ArchiveRun,
    ArchiveStatus,
    ArchiveSummary,
    status_of,
    summary_of,
    target_status_of,
)
from gateway.archive.tse_archive import TseArchive
from gateway.errors import DeviceGone, UnknownDevice
from gateway.fleet.device import Device
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text
from gateway.operations.store import Store
from gateway.telemetry.metrics import Metrics
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END


class ArchiveService:
    """Archives below `root`, one directory for each TSE, named by its serial."""

    def __init__(self, registry: Registry, metrics: Metrics, root: Path, options: ArchiveOptions) -> None:
        self._registry = registry
        self._metrics = metrics
        self._root = root
        self._options = options
        self._archives: dict[str, TseArchive] = {}
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[ArchiveRun]] = set()

    # ---- what there is -------------------------------------------------------

    async def open(self) -> None:
        """Read what is on the disk; done once."""
        for directory in await asyncio.to_thread(archive_directories, self._root):
            await self._opened(directory.serial)

    async def of(self, device: Device) -> TseArchive:
        """Return the archive of a TSE that is there; from now on it counts as missing until it is written."""
        archive = await self._opened(device.serial)
        await archive.seen()
        return archive

    def all(self) -> list[TseArchive]:
        """Return all that are known, by serial."""
        return [self._archives[serial] for serial in sorted(self._archives)]

    def now(self) -> datetime:
        """Return the time by which archives are written."""
        return self._options.now()

    def summary(self, archive: TseArchive) -> ArchiveSummary:
        """Return an archive in short."""
        device = self._device(archive.serial)
        attached = device is not None and device.attached
        targets = [target_status_of(name, upload.state, archive.index) for name, upload in archive.uploads.items()]
        return summary_of(
            archive.serial, archive.index, archive.state, archive.progress, attached=attached, targets=targets
        )

    async def status(self, serial: str) -> ArchiveStatus:
        """Return everything known of an archive.

        Raises:
            UnknownDevice: neither a TSE nor an archive has this serial.
        """
        archive = await self._find(serial)
        manifests = await asyncio.to_thread(archive.directory.manifests)
        return status_of(self.summary(archive), archive.index, archive.state, manifests)

    async def file(self, serial: str, name: str) -> JoinedFile:
        """Return one segment or manifest.

        Raises:
            UnknownDevice: neither a TSE nor an archive has this serial.
            NothingArchived: there is none with this name.
        """
        archive = await self._find(serial)
        if not is_name(name) or archive.index.segment(name) is None:
            raise NothingArchived(
                Text("the archive has no file {name!r}", "das Archiv hat keine Datei {name!r}"), name=name[:64]
            )
        if name.endswith(".tsr") and not await asyncio.to_thread(archive.directory.file(name).is_file):
            raise NothingArchived(
                Text(
                    "there is no time stamp {name}: one covers all manifests before it",
                    "es gibt keinen Zeitstempel {name}: einer gilt für alle Manifeste vor ihm",
                ),
                name=name,
            )
        return await asyncio.to_thread(whole_file, archive.directory, name)

    async def restore(self, serial: str, series: int | None) -> JoinedFile:
        """Return the store of a series, by default of the newest, as a full export.

        Raises:
            UnknownDevice: neither a TSE nor an archive has this serial.
            NothingArchived: there is no such series.
        """
        index = (await self._find(serial)).index
        wanted = series if series is not None or index.last is None else index.last.series
        return restore(self._directory_of(serial), [] if wanted is None else index.of_series(wanted))

    async def store(self, serial: str) -> Store:
        """Return the newest store of a TSE as far as it is archived; errors as of `restore`."""
        file = await self.restore(serial, None)
        return Store(file, (file.size - len(END)) // SECTOR)

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
                raise Stopped(
                    Text(
                        "the gateway stops; the next run goes on",
                        "das Gateway wird beendet; der nächste Lauf macht weiter",
                    )
                ) from None
            raise

    @asynccontextmanager
    async def taken(self, device: Device) -> AsyncIterator[tuple[TseArchive, RunProgress]]:
        """Give the archive to nobody else meanwhile, so that it stands still between its runs."""
        archive = await self.of(device)
        with archive.taken() as progress:
            yield archive, progress

    async def close(self) -> None:
        """Stop the runs; what they have added stays."""
        for archive in self._archives.values():
            if archive.progress is not None:
                archive.progress.stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[ArchiveRun]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it is written down; whoever hung up does not fetch it

    async def _run(self, device: Device) -> ArchiveRun:
        async with self.taken(device) as (archive, progress):
            return await archive.run(device, progress)

    async def _find(self, serial: str) -> TseArchive:
        device = self._device(serial)
        if device is not None:
            return await self.of(device)
        directory = self._directory_of(serial)
        if not await asyncio.to_thread(directory.path.is_dir):
            raise UnknownDevice(
                Text(
                    "neither a TSE nor an archive has the serial {serial!r}",
                    "weder eine TSE noch ein Archiv hat die Seriennummer {serial!r}",
                ),
                serial=serial[:64],
            )
        return await self._opened(directory.serial)

    async def _opened(self, serial: str) -> TseArchive:
        async with self._opening:
            if serial not in self._archives:
                made = TseArchive(self._directory_of(serial), self._options, self._metrics)
                await asyncio.to_thread(made.load)
                self._archives[serial] = made
        return self._archives[serial]

    def _directory_of(self, serial: str) -> ArchiveDirectory:
        return ArchiveDirectory(self._root, serial.upper())

    def _device(self, serial: str) -> Device | None:
        try:
            return self._registry.find(serial)
        except (UnknownDevice, DeviceGone):
            return None
