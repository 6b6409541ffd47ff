"""Finds out who listens at a port or socket, and with which certificate; sends nothing secret for it."""

import asyncio
import hashlib
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from yarl import URL

from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

WHOSE = Text(
    "Run this as the gateway's user or root, and let GATEWAY_STATE_DIR or GATEWAY_CONFIG name what it runs with",
    "Den Befehl als Benutzer des Gateways oder als root aufrufen, und mit GATEWAY_STATE_DIR oder GATEWAY_CONFIG "
    "nennen, "
    "womit es läuft",
)
_PATIENCE = 3.0


class NoGateway(ConfigurationError):
    """Nothing answers where the gateway should be."""

    code = "no_gateway"


async def certificate_at(host: str, port: int) -> bytes | None:
    """Return the certificate (DER) of whoever listens there, without trusting it; None when nobody does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            await _closed(writer)
    except (OSError, TimeoutError):
        return None
    return bytes(found) if found else None


async def listens(settings: Settings) -> bool:
    """Tell whether anybody listens where tills reach the gateway."""
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(settings.local_address.strip("[]"), settings.port)
            await _closed(writer)
    except (OSError, TimeoutError):
        return False
    return True


async def pinned(url: URL, fingerprint: bytes) -> ssl.SSLContext:
    """Return a context that trusts exactly the certificate with this SHA-256.

    Raises:
        NoGateway: nothing speaks TLS there, or with another certificate.
    """
    found = await certificate_at(url.host or "", url.port or 0)
    if found is None:
        raise NoGateway(
            Text(
                "nothing that speaks TLS answers at {host}:{port}", "an {host}:{port} antwortet nichts, das TLS spricht"
            ),
            host=url.host,
            port=url.port,
        )
    if hashlib.sha256(found).digest() != fingerprint:
        raise NoGateway(
            Text(
                "{host}:{port} has another certificate than the fingerprint says: is it the right one?",
                "{host}:{port} hat ein anderes Zertifikat, als der Fingerabdruck sagt: ist es das richtige Gateway?",
            ),
            host=url.host,
            port=url.port,
        )
    context = ssl.create_default_context(cadata=found)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()  # the other end may never answer a TLS shutdown
    with suppress(OSError):
        await writer.wait_closed()


def socket_listens(path: Path, *, token_known: bool) -> bool:
    """Tell whether a process listens at this socket; False, too, if it may not be opened but the token is known.

    Raises:
        ConfigurationError: it may not be opened, and without a token there is no other way to the gateway.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except PermissionError:
            if token_known:
                return False
            raise ConfigurationError(
                Text("{path} may not be opened. {whose}", "{path} darf nicht geöffnet werden. {whose}"),
                path=path,
                whose=WHOSE,
            ) from None
        except OSError:
            return False
    return True
