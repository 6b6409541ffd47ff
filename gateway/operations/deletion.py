"""Deleting the log messages in a TSE: only against the proof that somebody has a complete export.

The proof is the SHA-256 of a full export as the API gave it. The login of the Admin writes
one more message behind it. That rest is kept as a file of its own before anything is
deleted, so that export and rest together are the whole store.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from gateway.errors import ConfigurationError, GatewayError
from gateway.files import write_private
from gateway.fleet.device import Device
from gateway.fleet.lockout import Secret
from gateway.fleet.registry import Registry
from gateway.operations import exports
from gateway.operations.administration import Administration
from gateway.operations.confirmations import Irreversible
from gateway.operations.exports import Mark
from gateway.operations.store import used_blocks
from gateway.operations.visit import Visit
from gateway.tse.archive import END
from gateway.tse.commands import AcknowledgeExport, DeleteStoredData, User
from gateway.tse.sectors import SECTOR

_MOST_REST_BLOCKS = 2048  # 1 MiB: what may have been signed since the export


class NotExported(GatewayError):
    """There is no proof of a complete export of what is stored now."""

    code = "not_exported"
    status = HTTPStatus.CONFLICT


class RestNotKept(GatewayError):
    """What was signed since the export cannot be kept on the disk, so nothing is deleted."""

    code = "rest_not_kept"
    status = HTTPStatus.INSUFFICIENT_STORAGE


@dataclass(frozen=True, slots=True)
class Proof:
    """The cursor and the SHA-256 (hex) of a full export."""

    cursor: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Rest:
    """What was signed since the export, as TAR, and the name of the file that keeps it."""

    name: str
    data: bytes


class Deletion:
    """Deletes stored data; what was not in the export is kept below `directory`."""

    def __init__(
        self,
        registry: Registry,
        administration: Administration,
        directory: Path,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._administration = administration
        self._directory = directory
        self._now = now

    async def delete(self, serial: str, pin: Secret, proof: Proof, token: str) -> Rest:
        """Delete everything up to now; gives what came after the export.

        Raises:
            NotExported: the proof does not fit, or too much was signed since.
            NotConfirmed: `token` does not allow it.
        """
        device = self._registry.find(serial)
        mark = await _proven(device, proof)
        self._administration.confirmations.use(device.serial, Irreversible.DELETE_STORED_DATA, token)
        async with self._administration.logged_in(serial, User.ADMIN, pin) as visit:
            used = used_blocks(await visit.info())
            if used - mark.used > _MOST_REST_BLOCKS:
                raise NotExported("too much was signed since the export: export again")
            kept = await self._keep_rest(visit.device, mark)
            await _acknowledge_and_delete(visit, used)
        return kept

    async def _keep_rest(self, device: Device, mark: Mark) -> Rest:
        until = await exports.mark_of(device)
        rest = b"".join([piece async for piece in exports.newer(device, mark, until)])
        path = self._directory / f"TSE_{device.serial}_{int(self._now())}_rest.tar"
        try:
            await asyncio.to_thread(write_private, path, rest)
        except ConfigurationError as error:
            raise RestNotKept(str(error)) from None
        return Rest(path.name, rest)


async def _proven(device: Device, proof: Proof) -> Mark:
    mark = Mark.decode(proof.cursor)
    if not await exports.still_holds(device, mark):
        raise NotExported("the export is not of what is stored now: export again")
    digest = hashlib.sha256()
    async for piece in exports.full(device, mark, 0, exports.full_size(mark)):
        digest.update(piece)
    if not hmac.compare_digest(digest.hexdigest(), proof.sha256.lower()):
        raise NotExported("the SHA-256 is not that of the export: export again and compare")
    return mark


async def _acknowledge_and_delete(visit: Visit, used: int) -> None:
    await visit.send(AcknowledgeExport(used * SECTOR + len(END)))
    await visit.send(DeleteStoredData())
