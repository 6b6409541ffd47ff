"""Serve a web application: the life of its runner, and the TCP addresses that it listens on."""

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address

from aiohttp import web

from gateway.errors import ConfigurationError

_KEEP_ALIVE = 600.0  # seconds; a till keeps one connection, and a closed one costs it a second try
_BACKLOG = 1024


@asynccontextmanager
async def running(app: web.Application, *, shutdown_timeout: float) -> AsyncIterator[web.AppRunner]:
    """Yield the runner of `app`; at the end its requests get `shutdown_timeout` seconds to finish."""
    runner = web.AppRunner(
        app,
        access_log=None,  # the middleware tells more, and knows what must not be told
        keepalive_timeout=_KEEP_ALIVE,
        shutdown_timeout=shutdown_timeout,
    )
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def listen(
    runner: web.AppRunner, addresses: Iterable[IPv4Address | IPv6Address], port: int, context: ssl.SSLContext | None
) -> int:
    """Listen on all `addresses`, without TLS if there is no `context`; return the port that they share.

    Raises:
        ConfigurationError: an address or the port is not free.
    """
    for address in addresses:
        site = web.TCPSite(runner, str(address), port, ssl_context=context, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(f"cannot listen on {address}, port {port}: {reason}") from None
        port = port or int(runner.addresses[0][1])
    return port
