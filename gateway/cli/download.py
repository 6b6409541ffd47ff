"""Download a file from the gateway: resumed where it was interrupted, in place only when it is whole.

.NAME.part         what has come so far
.NAME.part.json    the ETag that it belongs to
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError

from gateway.cli.output import STANDARD, opened
from gateway.cli.progress import transfer
from gateway.client.api import Refused
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of
from gateway.storage.atomic import write_private

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from gateway.client.api import Api

_CURSOR = "TSE-Export-Cursor"
_PIECE = 2**18  # bytes


@dataclass(frozen=True, slots=True)
class Download:
    """A whole file; `cursor` is where the next incremental export begins, empty if there is none."""

    file: Path
    size: int
    sha256: str
    cursor: str


def cursor_file(export: Path) -> Path:
    """Return the file that keeps the cursor of an export, for the next incremental one."""
    return export.with_name(f"{export.name}.cursor")


def digest(file: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


async def fetch(
    api: "Api", path: str, target: Path, *, params: Mapping[str, Any] | None = None, resumable: bool = False
) -> Download:
    """Download `path` into `target`, or pass it on to standard output.

    If it is `resumable`, the next call goes on with what an interrupted one got.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if target == STANDARD:
        async with api.opened(path, params=params or {}) as answer:
            return await _passed_on(answer)
    held = _held(target) if resumable else None
    headers = {"Range": f"bytes={held[0]}-", "If-Range": held[1]} if held else {}
    try:
        async with api.opened(path, params=params or {}, headers=headers) as answer:
            done = held[0] if held and answer.status == HTTPStatus.PARTIAL_CONTENT else 0
            return await _kept(answer, target, done)
    except Refused as refused:
        if not held or refused.http_status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
    _note_of(target).unlink()  # the part is as long as the whole file, which must be loaded again to be sure
    return await fetch(api, path, target, params=params, resumable=resumable)


async def _passed_on(answer: "ClientResponse") -> Download:
    size, sha256 = 0, hashlib.sha256()
    with opened(STANDARD) as out, transfer(str(STANDARD), answer.content_length) as bar:
        async for piece in answer.content.iter_chunked(_PIECE):
            out.write(piece)
            size += len(piece)
            sha256.update(piece)
            bar.advance(len(piece))
    return Download(STANDARD, size, sha256.hexdigest(), answer.headers.get(_CURSOR, ""))


async def _kept(answer: "ClientResponse", target: Path, done: int) -> Download:
    part, note, etag = _part_of(target), _note_of(target), answer.headers.get("ETag", "")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if etag:
            write_private(note, json.dumps({"etag": etag}).encode())
        await _write(answer, part, done, target.name)
        size, sha256 = part.stat().st_size, digest(part)
        cursor = answer.headers.get(_CURSOR, "")
        if cursor:
            write_private(cursor_file(target), f"{cursor}\n".encode())
        part.replace(target)
        note.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, TimeoutError | ClientError):  # not the disk, but the connection: the client tells it
            raise
        raise ConfigurationError(
            Text("{target} cannot be written: {reason}", "{target} lässt sich nicht schreiben: {reason}"),
            target=target,
            reason=reason_of(error),
        ) from None
    return Download(target, size, sha256, cursor)


async def _write(answer: "ClientResponse", part: Path, done: int, title: str) -> None:
    total = answer.content_length + done if answer.content_length is not None else None
    handle = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "wb") as file, transfer(title, total, done) as bar:
        file.truncate(done)
        file.seek(done)
        async for piece in answer.content.iter_chunked(_PIECE):
            file.write(piece)
            bar.advance(len(piece))
        file.flush()
        os.fsync(file.fileno())


def _held(target: Path) -> tuple[int, str] | None:
    """Return what an earlier call got: its size in bytes, and the ETag that it belongs to."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        size, etag = _part_of(target).stat().st_size, str(json.loads(_note_of(target).read_bytes())["etag"])
        if size and etag:
            return size, etag
    return None


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _note_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part.json")
