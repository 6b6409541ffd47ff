"""Time stamps of an authority (RFC 3161) on manifests, so that nobody can say that they were written later.

0001-000042.tsr    the authority's whole reply on 0001-000042.json

A manifest holds the hash of the one before, so a stamp on the newest covers all before it: one stamp a night is enough.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from cryptography import x509

from gateway.archive.directory import ArchiveStamp, RunFailure
from gateway.archive.service import ArchiveService
from gateway.archive.tse_archive import TseArchive
from gateway.errors import ConfigurationError, GatewayError, ProtocolError
from gateway.i18n.text import Text
from gateway.storage.atomic import write_private
from gateway.tasks import Backoff
from gateway.telemetry.events import Event, event
from gateway.tse.der import DerElement, read, walk
from gateway.verify.trust import load_trust

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

log = logging.getLogger(__name__)

_NO_ANSWER = Text("no answer within a minute", "keine Antwort in einer Minute")
_LOOK = 5.0  # seconds between two looks for new manifests
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
_DEADLINE = aiohttp.ClientTimeout(total=60)
_MOST_BYTES = 256 * 1024
_CERTIFICATES = 0xA0  # tag
_QUERY, _OK = {"Content-Type": "application/timestamp-query"}, 200


class NotStamped(GatewayError):
    """The authority gave no time stamp that counts."""

    code = "not_stamped"


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """The authority at `url`; its stamps must lead to one of `roots` (files or directories of certificates)."""

    url: str
    roots: Sequence[Path]

    async def stamp(self, data: bytes) -> tuple[bytes, datetime]:
        """Return the authority's reply on `data`, and the time that it states.

        Raises:
            NotStamped: it does not answer, or its stamp does not count.
            ConfigurationError: the certificates cannot be read, or the extra `archive` is not installed.
        """
        try:
            from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response
            from rfc3161_client.errors import VerificationError
            from rfc3161_client.verify import VerifierBuilder
        except ImportError:
            raise ConfigurationError(
                Text(
                    "time stamps need the extra archive: pip install 'tse-gateway[archive]'",
                    "Zeitstempel brauchen das Extra archive: pip install 'tse-gateway[archive]'",
                )
            ) from None
        roots = await asyncio.to_thread(load_trust, self.roots)
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        reply = await self._asked(request.as_bytes())
        try:
            response = decode_timestamp_response(_with_ordered_certificates(reply))
            verifier = VerifierBuilder.from_request(request)
            for root in roots or ():
                verifier = verifier.add_root_certificate(root)
            verifier.build().verify_message(response, data)
        except (ValueError, VerificationError, x509.ExtensionNotFound) as error:
            raise NotStamped(
                Text("the stamp of {url} does not count: {error}", "der Zeitstempel von {url} zählt nicht: {error}"),
                url=self.url,
                error=error,
            ) from None
        return reply, _time_of(response)

    async def _asked(self, query: bytes) -> bytes:
        try:
            async with (
                aiohttp.ClientSession(timeout=_DEADLINE, trust_env=True) as session,
                session.post(self.url, data=query, headers=_QUERY) as answer,
            ):
                if answer.status != _OK:
                    raise NotStamped(
                        Text("{url} answers with HTTP status {status}", "{url} antwortet mit dem HTTP-Status {status}"),
                        url=self.url,
                        status=answer.status,
                    )
                reply = await answer.content.read(_MOST_BYTES)
                while chunk := await answer.content.read(_MOST_BYTES):
                    reply += chunk
                    if len(reply) > _MOST_BYTES:
                        raise NotStamped(
                            Text(
                                "{url} answers with more than {most} bytes", "{url} antwortet mit mehr als {most} Bytes"
                            ),
                            url=self.url,
                            most=_MOST_BYTES,
                        )
                return reply
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotStamped(
                Text("{url} cannot be reached: {error}", "{url} ist nicht erreichbar: {error}"),
                url=self.url,
                error=_NO_ANSWER if isinstance(error, TimeoutError) else error,
            ) from None


@dataclass
class Timestamps:
    """Has the newest manifest of each archive stamped, beside everything else."""

    archives: ArchiveService
    authority: TimestampAuthority
    _backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE, _LONGEST_PAUSE))

    async def run(self) -> None:
        """Have manifests stamped for ever."""
        await self.archives.open()
        while True:
            if all([await self.stamp(archive) for archive in self.archives.all()]):
                self._backoff.reset()
                await asyncio.sleep(_LOOK)
            else:
                await asyncio.sleep(self._backoff.next())

    async def stamp(self, archive: TseArchive) -> bool:
        """Have the newest manifest stamped if it is not; return whether it is now."""
        last = archive.index.last
        if last is None or (archive.stamp is not None and archive.stamp.file == last.file):
            return True
        manifest = archive.directory.file(last.file).with_suffix(".json")
        before = archive.stamp or ArchiveStamp()
        try:
            data = await asyncio.to_thread(manifest.read_bytes)
            reply, moment = await self.authority.stamp(data)
            await asyncio.to_thread(write_private, manifest.with_suffix(".tsr"), reply)
        except (GatewayError, OSError) as error:
            code = error.code if isinstance(error, GatewayError) else NotStamped.code
            told = event(Event.STAMP_FAILED, archive.serial, reason=code)
            if before.error is None or before.error.code != code:
                log.warning("archive of TSE %s has no time stamp: %s", archive.serial, error, extra=told)
            await archive.keep_stamp(before.model_copy(update={"error": RunFailure.of(error, code)}))
            return False
        await archive.keep_stamp(ArchiveStamp(file=last.file, stamped=moment))
        told = event(Event.STAMPED, archive.serial, file=manifest.name)
        log.info("archive of TSE %s is stamped up to %s", archive.serial, manifest.name, extra=told)
        return True


def _with_ordered_certificates(reply: bytes) -> bytes:
    """Return a reply with the certificates of its SignedData (RFC 5652, 5.1) in the order that DER wants of a set.

    Many authorities, openssl among them, send the signer first, which the library refuses. They are not signed.
    """
    with suppress(ProtocolError, IndexError):
        token = _children(reply, 0)[1]
        signed_data = _children(reply, token.at)[1].start
        for item in _children(reply, signed_data):
            if item.tag == _CERTIFICATES:
                ordered = sorted(reply[one.at : one.next] for one in _children(reply, item.at))
                return reply[: item.start] + b"".join(ordered) + reply[item.end :]
    return reply


def _children(data: bytes, at: int) -> list[DerElement]:
    around = read(data, at, [])
    return walk(data, around.start, around.end, [])


def _time_of(response: "TimeStampResponse") -> datetime:
    return response.tst_info.gen_time
