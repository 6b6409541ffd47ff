"""Who listens there, and with which certificate; nothing secret is sent to find out."""

import asyncio
import hashlib
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from yarl import URL

from gateway.config.settings import Settings
from gateway.errors import ConfigurationError

WHOSE = "Run this as the gateway's user or root, and let GATEWAY_STATE_DIR or GATEWAY_CONFIG name what it runs with"
_PATIENCE = 3.0


class NoGateway(ConfigurationError):
    """Nothing answers where the gateway should be."""

    code = "no_gateway"


async def certificate_at(host: str, port: int) -> bytes | None:
    """The certificate (DER) of whoever listens there; it is looked at, not trusted. `None` if there is none."""
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
    """Does anybody listen where tills reach the gateway?"""
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(settings.local_address.strip("[]"), settings.port)
            await _closed(writer)
    except (OSError, TimeoutError):
        return False
    return True


async def pinned(url: URL, fingerprint: bytes) -> ssl.SSLContext:
    """Trust in exactly the certificate with this SHA-256, and in no other."""
    found = await certificate_at(url.host or "", url.port or 0)
    if found is None:
        raise NoGateway(f"nothing that speaks TLS answers at {url.host}:{url.port}")
    if hashlib.sha256(found).digest() != fingerprint:
        raise NoGateway(
            f"{url.host}:{url.port} has another certificate than the fingerprint says: is it the right one?"
        )
    context = ssl.create_default_context(cadata=found)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()  # there is nothing to say goodbye for, and who knows whether the other end would answer
    with suppress(OSError):
        await writer.wait_closed()


def answers(path: Path, *, known: bool) -> bool:
    """Is there a process behind this socket? Who may not open it and knows the token can go by the port."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except PermissionError:
            if known:
                return False
            raise ConfigurationError(f"{path} may not be opened. {WHOSE}") from None
        except OSError:
            return False
    return True
