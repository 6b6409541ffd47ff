"""A server with SFTP as target.

SFTP knows no retention: the server has to forbid removal. Renaming never replaces a file (SFTP version 3), so what is
written once stays as it is.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncssh
from asyncssh.constants import FXF_CREAT, FXF_TRUNC, FXF_WRITE
from yarl import URL

from gateway.archive.targets.target import (
    CHUNK,
    StoredFile,
    TargetDiffers,
    TargetFailed,
    TargetFull,
    TargetRefused,
    TargetUnreachable,
)
from gateway.config.archive_target import ArchiveTargetSettings
from gateway.i18n.text import Text

T = TypeVar("T")

_LOGIN, _SILENT = 30, 60  # seconds


class SftpTarget:
    """A directory of an account on a server whose key is known. An event loop of its own, for one thread."""

    def __init__(self, settings: ArchiveTargetSettings) -> None:
        self._settings = settings
        self._url = URL(settings.url)
        self._root = self._url.path.rstrip("/").removeprefix("/~/")
        self._loop = asyncio.new_event_loop()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.abort()
            with suppress(Exception):
                self._loop.run_until_complete(self._connection.wait_closed())
        self._loop.close()

    def put(self, key: str, source: Path) -> None:
        """As of `Target`: written beside under a hidden name, brought to the disk, and renamed."""
        with self._told(key):
            self._run(self._put(f"{self._root}/{key}", source))

    def read(self, key: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """As of `Target`."""
        with self._told(key):
            file = self._run(self._open(f"{self._root}/{key}"))
            try:
                at, left = start, size
                while chunk := self._run(file.read(CHUNK if left is None else min(CHUNK, left), at)):
                    at += len(chunk)
                    left = None if left is None else left - len(chunk)
                    yield chunk if isinstance(chunk, bytes) else chunk.encode()
            finally:
                with suppress(asyncssh.Error, OSError):
                    self._run(file.close())

    def files(self, beginning: str = "") -> Iterator[StoredFile]:
        """As of `Target`."""
        with self._told(beginning):
            yield from self._run(self._listed(beginning.rstrip("/")))

    async def _sftp(self) -> asyncssh.SFTPClient:
        if self._client is None:
            given = self._settings
            secret = given.secret.get_secret_value() if given.secret else None
            self._connection = await asyncssh.connect(
                self._url.host or "",
                self._url.port or 22,
                username=self._url.user or "",
                password=None if given.key_file else secret,
                client_keys=[str(given.key_file)] if given.key_file else None,
                passphrase=secret if given.key_file else None,
                agent_path=None,
                config=None,
                known_hosts=([asyncssh.import_public_key(given.host_key)], [], []),
                connect_timeout=_LOGIN,
                login_timeout=_LOGIN,
                keepalive_interval=_SILENT / 3,
            )
            self._client = await self._connection.start_sftp_client()
        return self._client

    async def _put(self, path: str, source: Path) -> None:
        sftp = await self._sftp()
        if await sftp.exists(path):
            return
        folder, _, name = path.rpartition("/")
        await sftp.makedirs(folder, exist_ok=True)
        draft = f"{folder}/.{name}.new"
        async with sftp.open(draft, FXF_WRITE | FXF_CREAT | FXF_TRUNC, encoding=None) as file:
            with source.open("rb") as read:
                while chunk := read.read(CHUNK):
                    await file.write(chunk)
            with suppress(asyncssh.SFTPOpUnsupported):
                await file.fsync()
        await sftp.rename(draft, path)

    async def _open(self, path: str) -> "asyncssh.SFTPClientFile":
        return await (await self._sftp()).open(path, "rb")

    async def _listed(self, folder: str) -> list[StoredFile]:
        return [file async for file in _walk(await self._sftp(), self._root, folder)]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Raise what the server or the line says as an error of the target."""
        place = f"{self._settings.url}: {key}"
        try:
            yield
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            raise TargetDiffers(Text("{place} is missing", "{place} fehlt"), place=place) from None
        except (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded) as error:
            raise TargetFull(
                Text("{place}: {message}", "{place}: {message}"), place=place, message=error.reason
            ) from None
        except asyncssh.SFTPConnectionLost as error:
            raise TargetUnreachable(
                Text("{place}: {message}", "{place}: {message}"), place=place, message=error.reason
            ) from None
        except asyncssh.SFTPPermissionDenied:
            raise TargetRefused(
                Text("{place}: the account has no right to it", "{place}: das Konto hat kein Recht dazu"), place=place
            ) from None
        except asyncssh.SFTPError as error:
            raise TargetFailed(
                Text(
                    "{place}: {message}: no room on the server, or it does not allow this",
                    "{place}: {message}: kein Platz auf dem Server, oder er erlaubt das nicht",
                ),
                place=place,
                message=error.reason,
            ) from None
        except asyncssh.HostKeyNotVerifiable:
            raise TargetRefused(
                Text(
                    "{url} has another key than host_key: ask who looks after the server whether it is his",
                    "{url} hat einen anderen Schlüssel als host_key: den Betreuer des Servers fragen, ob es seiner ist",
                ),
                url=self._settings.url,
            ) from None
        except asyncssh.PermissionDenied:
            raise TargetRefused(
                Text(
                    "{url} refuses the account: look at key_file or secret",
                    "{url} lehnt das Konto ab: key_file oder secret prüfen",
                ),
                url=self._settings.url,
            ) from None
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise TargetRefused(
                Text(
                    "the key for {url} cannot be used: {error}",
                    "der Schlüssel für {url} ist nicht zu gebrauchen: {error}",
                ),
                url=self._settings.url,
                error=error,
            ) from None
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise TargetUnreachable(
                Text("{url} cannot be reached: {error}", "{url} ist nicht erreichbar: {error}"),
                url=self._settings.url,
                error=error,
            ) from None


async def _walk(sftp: asyncssh.SFTPClient, root: str, folder: str) -> AsyncIterator[StoredFile]:
    path = f"{root}/{folder}" if folder else root
    try:
        entries = [entry async for entry in sftp.scandir(path)]
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return
    for entry in entries:
        name = str(entry.filename)
        inner = f"{folder}/{name}" if folder else name
        if name.startswith("."):
            continue
        if entry.attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
            async for found in _walk(sftp, root, inner):
                yield found
        else:
            yield StoredFile(inner, entry.attrs.size or 0)
