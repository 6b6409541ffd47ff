"""S3-compatible object storage as target, with Object Lock.

An object is written with `If-None-Match: *`, so that the storage refuses to write it twice, and with a retention that
nobody can shorten (COMPLIANCE). The rights to put, get and list objects are enough.
"""

import base64
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.retention import Retention
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError
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

_LEAST_PART = 5 * 2**20  # bytes, of S3
_TIMES = Timeout(connect=20, read=120)  # seconds
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "EntityTooLarge"})
_NO_LOCK = Text(
    "it was made without Object Lock: make another one with it, or set retain_years to 0",
    "er wurde ohne Object Lock angelegt: einen anderen damit anlegen, oder retain_years auf 0 setzen",
)
_ADVICE = {
    "RequestTimeTooSkewed": Text(
        "the clock of this machine is more than 15 minutes wrong: set it",
        "die Uhr dieses Rechners geht mehr als 15 Minuten falsch: sie stellen",
    ),
    "NoSuchBucket": Text(
        "there is no such bucket: make it, with Object Lock",
        "diesen Bucket gibt es nicht: ihn anlegen, mit Object Lock",
    ),
    "InvalidRequest": _NO_LOCK,
    "InvalidBucketState": _NO_LOCK,
    "SignatureDoesNotMatch": Text("the secret is not that of the key_id", "das secret gehört nicht zur key_id"),
    "InvalidAccessKeyId": Text("it does not know the key_id", "er kennt die key_id nicht"),
    "AccessDenied": Text(
        "the key_id has no right to do this; it needs those to put, get and list objects",
        "die key_id hat kein Recht dazu; sie braucht die zum Ablegen, Holen und Auflisten von Objekten",
    ),
}
_REFUSES = Text("{place} refuses {what} ({code}): {reason}", "{place} lehnt {what} ab ({code}): {reason}")
_A_LIST, _NO_REASON = Text("a list", "eine Liste"), Text("no reason given", "kein Grund genannt")


class S3Target:
    """A bucket, or what is below a prefix of it. `now`: the retention counts from the end of this year."""

    def __init__(self, settings: ArchiveTargetSettings, now: datetime | None = None) -> None:
        url = URL(settings.url)
        bucket, _, prefix = url.path.strip("/").partition("/")
        self._place = settings.url
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        year = (now or datetime.now(UTC)).year + settings.retain_years + 1
        self._retention = Retention(COMPLIANCE, datetime(year, 1, 1, tzinfo=UTC)) if settings.retain_years else None
        self._pool = _WriteOncePool(settings.ca_file)
        secret = settings.secret.get_secret_value() if settings.secret else None
        self._client = Minio(
            url.authority,
            settings.key_id or None,
            secret,
            secure=url.scheme == "https",
            region=settings.region,
            http_client=self._pool,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def put(self, key: str, source: Path) -> None:
        """As of `Target`; the storage compares the SHA-256 of what arrived. The file, 64 MiB at most, is in memory."""
        size = source.stat().st_size
        with source.open("rb") as file, self._told(key):
            if self._holds(key):  # older storages ignore the condition, and would add a version
                return
            checksum: dict[str, Any] = {
                "x-amz-checksum-sha256": _checksum(source),
                "x-amz-sdk-checksum-algorithm": "SHA256",
            }
            try:
                self._client.put_object(
                    self._bucket,
                    self._prefix + key,
                    file,
                    size,
                    metadata=checksum,
                    part_size=max(
                        size, _LEAST_PART
                    ),  # one request: lock, checksum and condition are for the whole file
                    retention=self._retention,
                )
            except S3Error as error:
                if error.code not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                    raise

    def _holds(self, key: str) -> bool:
        try:
            # not HEAD, whose refusal has no body that would tell why
            self._client.get_object(self._bucket, self._prefix + key, length=1).close()
        except S3Error as error:
            if error.code == "NoSuchKey":
                return False
            raise
        return True

    def read(self, key: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """As of `Target`."""
        with self._told(key):
            found = self._client.get_object(self._bucket, self._prefix + key, offset=start, length=size or 0)
            try:
                yield from found.stream(CHUNK)
            finally:
                found.close()
                found.release_conn()

    def files(self, beginning: str = "") -> Iterator[StoredFile]:
        """As of `Target`; 1,000 files with each request."""
        with self._told(beginning):
            for found in self._client.list_objects(self._bucket, self._prefix + beginning, recursive=True):
                yield StoredFile(str(found.object_name).removeprefix(self._prefix), found.size or 0)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Raise what the storage or the line says as an error of the target."""
        try:
            yield
        except S3Error as error:
            raise self._error(key, str(error.code), error.message or "", error.response.status) from None
        except (ServerError, InvalidResponseError) as error:
            status = error.status_code if isinstance(error, ServerError) else error._code  # noqa: SLF001 (it has no other way)
            raise self._error(key, f"HTTP {status}", "", status) from None
        except (HTTPError, MinioException, OSError, ValueError) as error:
            raise TargetUnreachable(
                Text("{place} cannot be reached: {error}", "{place} ist nicht erreichbar: {error}"),
                place=self._place,
                error=error,
            ) from None

    def _error(self, key: str, code: str, message: str, status: int) -> TargetFailed | TargetDiffers:
        if code == "NoSuchKey":
            return TargetDiffers(
                Text("{place} does not have {key}", "{place} hat {key} nicht"), place=self._place, key=key
            )
        kind: type[TargetFailed] = TargetRefused
        if code in _FULL or status == HTTPStatus.INSUFFICIENT_STORAGE:
            kind = TargetFull
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = TargetUnreachable
        reason = _ADVICE.get(code) or message or _NO_REASON
        return kind(_REFUSES, place=self._place, what=key or _A_LIST, code=code, reason=reason)


class _WriteOncePool(PoolManager):
    """Connections that let an object be made only if there is none."""

    def __init__(self, ca_file: Path | None) -> None:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        super().__init__(timeout=_TIMES, retries=False, ssl_context=context)

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> Any:  # type: ignore[override]
        """Send a request as `PoolManager` does."""
        if method == "PUT":
            options["headers"]["If-None-Match"] = "*"
        return super().urlopen(method, url, redirect=redirect, **options)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
