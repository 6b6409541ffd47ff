"""Serve a web application: its life, and the addresses that it listens on."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from aiohttp import hdrs, web

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of
from gateway.server.http import bodies
from gateway.server.http.acceptor import Acceptor, ServedSocket, most_connections
from gateway.server.http.admission import Admission
from gateway.tasks import beside

_BACKLOG = 1024

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """The sockets of one application."""

    def __init__(self, server: web.Server, admission: Admission) -> None:
        self._server = server
        self._admission = admission
        self._acceptors: list[Acceptor] = []

    def listen(self, addresses: Iterable[IPv4Address | IPv6Address], port: int, context: ssl.SSLContext | None) -> int:
        """Listen on all `addresses`, without TLS if there is no `context`; return the port that they share.

        Raises:
            ConfigurationError: an address or the port is not free.
        """
        for address in addresses:
            try:
                bound = _bound(address, port)
            except OSError as error:
                reason = reason_of(error)
                raise ConfigurationError(
                    Text(
                        "cannot listen on {address}, port {port}: {reason}",
                        "an {address}, Port {port} lässt sich nicht lauschen: {reason}",
                    ),
                    address=address,
                    port=port,
                    reason=reason,
                ) from None
            self._acceptors.append(Acceptor(ServedSocket(bound, self._server, context, self._admission)))
            port = port or int(bound.getsockname()[1])
        return port

    def listen_for_owner(self, bound: socket.socket) -> None:
        """Listen on a socket that only its owner can open: no TLS, and everybody is served at once."""
        bound.listen(_BACKLOG)
        self._acceptors.append(Acceptor(ServedSocket(bound, self._server, None, None)))

    async def sweep(self) -> None:
        """Close connections that are silent for too long. Never returns."""
        while True:
            await asyncio.sleep(1)
            for acceptor in self._acceptors:
                acceptor.sweep()

    def close(self) -> None:
        """Accept nobody any more; connections that are served stay."""
        for acceptor in self._acceptors:
            acceptor.close()

    async def abort(self) -> None:
        """Close the connections that are left, such as those whose clients do not answer the end of TLS."""
        for acceptor in self._acceptors:
            await acceptor.abort()


def new_admission() -> Admission:
    """Return the places of a process, on the clock of its loop."""
    loop = asyncio.get_running_loop()
    return Admission(most_connections(), clock=loop.time, later=loop.call_later)


@asynccontextmanager
async def running(
    app: web.Application, *, shutdown_timeout: float, admission: Admission | None = None
) -> AsyncIterator[Listener]:
    """Yield the listener of `app`; at the end its requests get `shutdown_timeout` seconds to finish."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    server = cast("web.Server", runner.server)  # it is there after `setup`
    server.request_handler = _without_expectations(server.request_handler)
    listener = Listener(server, admission or new_admission())
    try:
        with closing(listener):
            async with beside(sweep=listener.sweep()):
                yield listener
    finally:
        await runner.cleanup()
        await listener.abort()


def _without_expectations(handler: RequestHandler) -> RequestHandler:
    """Refuse whoever expects what no server gives: aiohttp would repeat it, and fail if it is not UTF-8."""

    def checked(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if request.headers.get(hdrs.EXPECT, "").lower() not in {"", bodies.CONTINUE}:
            raise web.HTTPExpectationFailed
        return handler(request)

    return checked


def _bound(address: IPv4Address | IPv6Address, port: int) -> socket.socket:
    ((family, kind, protocol, _, name),) = socket.getaddrinfo(
        str(address), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(name)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made
