"""Deletes the log messages in a TSE: only when the archive holds all of them, verified and intact.

The archive is brought up to date first, while tills go on selling. Then, under the lock, what was signed meanwhile
(the login of the Admin is one more message) is added to it, and only then the store is deleted. Who has made an export
of their own may have it compared as well.
"""

import hashlib
import hmac
from dataclasses import dataclass

from gateway.archive.errors import ArchiveNotWritten
from gateway.archive.manifest import ArchiveVerdict, Manifest
from gateway.archive.run import RunProgress
from gateway.archive.service import ArchiveService
from gateway.archive.tse_archive import TseArchive
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text
from gateway.operations import exports
from gateway.operations.administration import Administration
from gateway.operations.confirmations import Irreversible
from gateway.operations.exclusive import Exclusive
from gateway.operations.exports import Mark
from gateway.operations.store import used_blocks
from gateway.tse.commands import AcknowledgeExport, DeleteStoredData, User
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

_CHANGED = Text("changed files", "geänderte Dateien")
_MOST_REST_BLOCKS = 2048  # 1 MiB: what may have been signed since the archive was brought up to date


class NotExported(GatewayError):
    """The export is not a complete one of what is stored now."""

    code = "not_exported"


class NotArchived(GatewayError):
    """The archive does not hold everything that is stored, verified: look at its findings."""

    code = "not_archived"


class RestNotKept(GatewayError):
    """What was signed last cannot be kept on the disk, so nothing is deleted."""

    code = "rest_not_kept"


@dataclass(frozen=True, slots=True)
class FullExport:
    """Cursor and SHA-256 (hex) of a full export that somebody made."""

    cursor: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DeletedData:
    """Where deleted data are kept: the series, and the file of its last segment."""

    series: int
    last_file: str
    last_counter: int | None


class Deletion:
    """Deletes stored data that `archives` hold."""

    def __init__(self, registry: Registry, administration: Administration, archives: ArchiveService) -> None:
        self._registry = registry
        self._administration = administration
        self._archives = archives

    async def delete(self, serial: str, pin: PinOrPuk, token: str, export: FullExport | None = None) -> DeletedData:
        """Delete everything up to now.

        Raises:
            NotConfirmed: `token` does not allow it.
            NotExported: the export does not fit.
            NotArchived: the verifier found an error, or too much was signed meanwhile.
            ArchiveDamaged: a file of the archive is missing or changed.
        """
        device = self._registry.find(serial)
        mark = None if export is None else Mark.decode(export.cursor)
        self._administration.confirmations.use(device.serial, Irreversible.DELETE_STORED_DATA, token)
        if export is not None and mark is not None:
            await _compare(device, mark, export.sha256)
        async with self._archives.taken(device) as (archive, progress):
            await _bring_up_to_date(archive, device, progress)
            async with self._administration.logged_in(serial, User.ADMIN, pin) as tse:
                used = used_blocks(await tse.info())
                last = await _add_rest(archive, tse.device, progress, used)
                await _acknowledge_and_delete(tse, used)
        return DeletedData(last.series, last.file, last.last_counter)


async def _bring_up_to_date(archive: TseArchive, device: Device, progress: RunProgress) -> None:
    done = await archive.run(device, progress)
    last = archive.index.last
    if last is None:
        raise NotArchived(Text("there is nothing to delete", "es gibt nichts zu löschen"))
    errors = [one.file for one in archive.index.of_series(last.series) if one.verdict is ArchiveVerdict.ERROR]
    if done.verdict is ArchiveVerdict.ERROR or errors:
        raise NotArchived(
            Text(
                "the archive has errors ({errors}): see its findings",
                "das Archiv hat Fehler ({errors}): siehe seine Befunde",
            ),
            errors=", ".join(errors[:3]) or _CHANGED,
        )
    await archive.demand_intact()


async def _add_rest(archive: TseArchive, device: Device, progress: RunProgress, used: int) -> Manifest:
    last = archive.index.last
    if last is None or used - last.mark.used > _MOST_REST_BLOCKS:
        raise NotArchived(
            Text(
                "too much was signed meanwhile: try again at a quieter time",
                "inzwischen wurde zu viel signiert: zu einer ruhigeren Zeit noch einmal versuchen",
            )
        )
    try:
        done = await archive.run(device, progress, quick=True)
    except ArchiveNotWritten as error:
        raise RestNotKept(error.text) from None
    last = archive.index.last
    if done.verdict is ArchiveVerdict.ERROR or last is None or last.mark.used != used:
        raise NotArchived(
            Text(
                "what was signed last is not in the archive as it should be: see its findings",
                "was zuletzt signiert wurde, ist nicht so im Archiv, wie es sein soll: siehe seine Befunde",
            )
        )
    return last


async def _compare(device: Device, mark: Mark, sha256: str) -> None:
    if not await exports.still_holds(device, mark):
        raise NotExported(
            Text(
                "the export is not of what is stored now: export again",
                "der Export ist nicht von dem, was jetzt gespeichert ist: noch einmal exportieren",
            )
        )
    digest = hashlib.sha256()
    async for piece in exports.full(device, mark, 0, exports.full_size(mark)):
        digest.update(piece)
    if not hmac.compare_digest(digest.hexdigest(), sha256.lower()):
        raise NotExported(
            Text(
                "the SHA-256 is not that of the export: export again and compare",
                "die SHA-256 ist nicht die des Exports: noch einmal exportieren und vergleichen",
            )
        )


async def _acknowledge_and_delete(tse: Exclusive, used: int) -> None:
    await tse.send(AcknowledgeExport(used * SECTOR + len(END)))
    await tse.send(DeleteStoredData())
