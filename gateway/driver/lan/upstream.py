"""Another LAN-TSE connector: where it is, whom to trust, its token, and which TSEs it has."""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
from pydantic import SecretStr
from yarl import URL

from gateway.driver.lan.connection import Trust, UpstreamConnection
from gateway.driver.lan.sessions import OpenSessions
from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.text import Text, reason_of
from gateway.tasks import Backoff
from gateway.telemetry.log import register_secret

log = logging.getLogger(__name__)

_NO_CERTIFICATE = Text("there is no certificate in it", "es steht kein Zertifikat darin")
_BASE = "lantse/api/v1"
_USER = "lantse"
_FINGERPRINT_BYTES = 32
_FIRST_WAIT = 0.25


class Upstream:
    """Where a connector is, and how to be let in.

    With `ca_file` its certificate must come from there and be for the host in the URL; with `fingerprint`
    (SHA-256, hex) it must be exactly that one. With neither, which connectors that sign their own
    certificate need, the connection is encrypted but could end at an impostor; `trust` takes the place of both.
    `sessions` has what is locked there.

    Raises:
        ConfigurationError: something of it cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: SecretStr,
        *,
        ca_file: Path | None = None,
        fingerprint: str = "",
        trust: Trust | None = None,
        sessions: OpenSessions | None = None,
    ) -> None:
        self._base = URL(url) / _BASE
        self.place = f"{self._base.host}:{self._base.port}"
        self.sessions = sessions or OpenSessions()
        self._trust = trust_of(ca_file, fingerprint) if trust is None else trust
        secret = token.get_secret_value()
        register_secret(secret)
        self._authorization = aiohttp.encode_basic_auth(_USER, secret)
        if self._trust is False:
            log.warning("upstream %s could be an impostor: set ca_file or fingerprint to have it checked", self.place)

    def connect(self) -> UpstreamConnection:
        """Return a connection of its own; opened by the first request, and again when it was lost."""
        return UpstreamConnection(self.place, self._base, self._trust, self._authorization)

    async def serials(self) -> list[str]:
        """Return the serials of the TSEs that it has now, in upper-case hex."""
        connection = self.connect()
        try:
            return await connection.serials()
        finally:
            await connection.close()

    async def discover(self, *, every: float = 10.0) -> AsyncGenerator[frozenset[str], None]:
        """Yield the serials of all TSEs that it ever had, whenever there is a new one; ask every `every` seconds.

        A TSE that it has no more stays in the set: it may come back, and until then counts as failed.
        """
        seen: frozenset[str] = frozenset()
        backoff, trouble = Backoff(_FIRST_WAIT, every), ""
        connection = self.connect()
        try:
            while True:
                try:
                    found = seen.union(await connection.serials())
                    trouble = ""
                    backoff.skip_to_longest()
                except GatewayError as error:
                    log.log(logging.DEBUG if str(error) == trouble else logging.WARNING, "%s; trying again", error)
                    found, trouble = seen, str(error)
                if found != seen:
                    seen = found
                    yield seen
                await asyncio.sleep(backoff.next())
        finally:
            await connection.close()


def trust_of(ca_file: Path | None, fingerprint: str) -> Trust:
    """Return trust in the CA of `ca_file`, or in the one certificate with `fingerprint`; `False` with neither.

    Raises:
        ConfigurationError: both are given, or what is given cannot be used.
    """
    if ca_file is not None and fingerprint:
        raise ConfigurationError(
            Text(
                "ca_file and fingerprint are both given: keep one of them",
                "ca_file und fingerprint sind beide angegeben: eines davon weglassen",
            )
        )
    if ca_file is not None:
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            reason = _NO_CERTIFICATE if isinstance(error, ssl.SSLError) else reason_of(error)
            raise ConfigurationError(
                Text("{ca_file} cannot be used: {reason}", "{ca_file} ist nicht zu gebrauchen: {reason}"),
                ca_file=ca_file,
                reason=reason,
            ) from None
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may hold the server's own certificate
        return context
    if not fingerprint:
        return False
    try:
        digest = bytes.fromhex(fingerprint.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != _FINGERPRINT_BYTES:
        raise ConfigurationError(
            Text(
                "a fingerprint must be SHA-256: 64 hex digits, colons allowed",
                "ein Fingerabdruck ist SHA-256: 64 Hexziffern, Doppelpunkte erlaubt",
            )
        )
    return aiohttp.Fingerprint(digest)
