"""Brings archives to the targets beside everything else: a thread for each target, one archive after the other."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway.archive.run import Stopped
from gateway.archive.service import ArchiveService
from gateway.archive.targets.connect import target_of
from gateway.archive.targets.target import Target
from gateway.archive.targets.upload import ArchiveUpload
from gateway.archive.tse_archive import TseArchive
from gateway.config.archive_target import ArchiveTargetSettings
from gateway.driver.usb.thread import BlockingThread
from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.tasks import Backoff
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_LOOK = 5.0  # seconds between two looks for new segments
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
_WITHOUT_END = 10 * 365 * 86_400.0  # a share that does not answer is waited for


@dataclass
class ArchiveUploads:
    """Uploads of all archives to `targets`. Nothing waits for them: neither tills nor the nightly run."""

    archives: ArchiveService
    targets: Sequence[ArchiveTargetSettings]
    root: Path
    metrics: Metrics
    connect: Callable[[ArchiveTargetSettings, Path], Target] = target_of
    _stop: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Upload for ever."""
        await self.archives.open()
        try:
            await asyncio.gather(*map(self._serve, self.targets))
        finally:
            self._stop.set()

    async def _serve(self, settings: ArchiveTargetSettings) -> None:
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        thread = BlockingThread(f"archive target {settings.name}")
        try:
            while True:
                if await self._round(settings, thread):
                    backoff.reset()
                    await asyncio.sleep(_LOOK)
                else:
                    await asyncio.sleep(backoff.next())
        finally:
            thread.stop()

    async def _round(self, settings: ArchiveTargetSettings, thread: BlockingThread) -> bool:
        """Upload every archive that is not all there; return whether that went well."""
        well = True
        for archive in self.archives.all():
            upload = archive.uploads[settings.name]
            if upload.is_due(archive.index, self.archives.now()):
                well &= await self._upload(settings, thread, archive, upload)
        return well

    async def _upload(
        self, settings: ArchiveTargetSettings, thread: BlockingThread, archive: TseArchive, upload: ArchiveUpload
    ) -> bool:
        began, before = time.monotonic(), upload.state
        work = partial(self._blocking, settings, upload, archive)
        try:
            await thread.run(work, _WITHOUT_END)
        except Stopped:
            return True
        except GatewayError as error:
            self.metrics.maintenance.upload_failed(archive.serial, settings.name, error.code)
            if before.last_error is None or before.last_error.code != error.code:
                told = event(Event.UPLOAD_FAILED, archive.serial, target=settings.name, reason=error.code)
                log.warning("archive of TSE %s is not at %s: %s", archive.serial, settings.name, error, extra=told)
            return False
        seconds = round(time.monotonic() - began, 1)
        told = event(Event.UPLOADED, archive.serial, target=settings.name, last=upload.state.last, seconds=seconds)
        log.info("archive of TSE %s is at %s up to %s", archive.serial, settings.name, upload.state.last, extra=told)
        return True

    def _blocking(self, settings: ArchiveTargetSettings, upload: ArchiveUpload, archive: TseArchive) -> None:
        upload.run(lambda: self.connect(settings, self.root), archive.index, self.archives.now(), self._go_on)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped(
                Text(
                    "the gateway stops; the upload goes on after the next start",
                    "das Gateway wird beendet; die Übertragung geht nach dem nächsten Start weiter",
                )
            )
