"""Revocation lists fetched from the addresses that certificates name, into a directory that keeps them.

Whoever makes an export chooses the addresses in its certificates: only those of chains below a trusted certificate are
asked, by http or https, without following redirects, within a deadline and up to a size.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
from cryptography import x509

from gateway.errors import ConfigurationError, UnfitValue
from gateway.i18n.text import NOTHING, Text, reason_of
from gateway.storage.atomic import replace_file
from gateway.verify.revocation import RevocationList, load_lists, parse_lists, points_of

_NOT_TRUSTED = Text(
    "nothing was fetched, since the chain does not lead to a trusted certificate",
    "nichts wurde abgerufen, weil die Kette zu keinem vertrauten Zertifikat führt",
)
_NO_ADDRESS = Text("the certificate names no address of a list", "das Zertifikat nennt keine Adresse einer Sperrliste")
_FAILED = Text("{address}: {error}", "{address}: {error}")
_STATUS = Text("HTTP status {status}", "HTTP-Status {status}")
_TOO_LARGE = Text("more than {size} bytes", "mehr als {size} Bytes")
_NO_ANSWER = Text("no whole answer within {seconds} s", "keine ganze Antwort in {seconds} s")
FRESH = timedelta(hours=1)  # younger ones are not fetched again

_SCHEMES = ("http://", "https://")
_MAX_BYTES = 16 * 1024 * 1024
_CHUNK = 64 * 1024
_LONGEST_NAME = 200
_OK = 200


class ListFetcher:
    """Fetches lists of certificates whose chain leads to one of `trusted`; each address is asked once at most.

    `directory` holds the lists; one there that is still young is taken as it is, an older one when the address does not
    answer. `deadline`: seconds for an answer.
    """

    def __init__(
        self, directory: Path, trusted: Sequence[x509.Certificate], now: datetime, *, deadline: float = 30.0
    ) -> None:
        self._directory, self._trusted, self._now, self._deadline = directory, frozenset(trusted), now, deadline
        self._known: dict[str, tuple[list[RevocationList], Text]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                Text(
                    "{directory} cannot keep revocation lists: {reason}",
                    "in {directory} lassen sich keine Sperrlisten ablegen: {reason}",
                ),
                directory=directory,
                reason=reason_of(error),
            ) from None

    def lists_for(
        self, certificate: x509.Certificate, issuers: Sequence[x509.Certificate]
    ) -> tuple[list[RevocationList], list[Text]]:
        """Return the lists at the addresses in `certificate`, and why some are not there."""
        if self._trusted.isdisjoint(issuers):
            return [], [_NOT_TRUSTED]
        addresses = [name.value for name in points_of(certificate) if isinstance(name, x509.UniformResourceIdentifier)]
        asked = [address for address in addresses if address.lower().startswith(_SCHEMES)]
        if not asked:
            return [], [_NO_ADDRESS]
        for address in asked:
            if address not in self._known:
                self._known[address] = self._lists_at(address)
        found = [self._known[address] for address in asked]
        return [one for lists, _ in found for one in lists], [fault for _, fault in found if fault]

    def _lists_at(self, address: str) -> tuple[list[RevocationList], Text]:
        file = self._directory / f"{quote(address, safe='')[:_LONGEST_NAME]}.crl"
        kept = self._kept(file)
        if kept and all(self._now - one.obtained < FRESH for one in kept):
            return kept, NOTHING
        try:
            data = asyncio.run(self._answer(address))
            parse_lists(data)
            replace_file(file, data, durable=False, mode=0o644)
            os.utime(file, (self._now.timestamp(), self._now.timestamp()))
            return load_lists(file), NOTHING
        except (OSError, aiohttp.ClientError, ValueError) as error:
            return kept, _FAILED.filled(address=address, error=error)

    def _kept(self, file: Path) -> list[RevocationList]:
        try:
            return load_lists(file)
        except (OSError, ValueError):
            return []

    async def _answer(self, address: str) -> bytes:
        """Return what the address answers; `OSError`, `aiohttp.ClientError` or `UnfitValue` if it does not."""
        data, timeout = bytearray(), aiohttp.ClientTimeout(total=self._deadline)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.get(address, allow_redirects=False) as answer,
            ):
                if answer.status != _OK:
                    raise UnfitValue(_STATUS, status=answer.status)
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    data += chunk
                    if len(data) > _MAX_BYTES:
                        raise UnfitValue(_TOO_LARGE, size=_MAX_BYTES)
        except TimeoutError:
            raise UnfitValue(_NO_ANSWER, seconds=f"{self._deadline:g}") from None
        return bytes(data)
