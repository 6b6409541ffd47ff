"""What a listening socket does: accept, admit, serve, and close whoever is silent for too long.

asyncio's own servers begin TLS with everybody at once and have no bound; when the process is out of files they write
as many lines as they can. Here a connection costs little until its client has said something and has a place.
"""

import asyncio
import errno
import logging
import os
import resource
import select
import socket
import ssl
import time
from contextlib import suppress
from typing import NamedTuple

from aiohttp import web

from gateway.server.http.admission import Admission, network_of
from gateway.server.http.connection import HEAD_SECONDS, HttpConnection, Tls
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_MOST = 2048  # connections, those with the right token included
_OTHER_FILES = 128  # for TSEs, archive, journal, logs
_FEWEST = 16
_AT_ONCE = 64  # accepted before others have their turn
_PAUSE = 1.0  # seconds without accepting, when the process is out of files
_SILENCE = 60.0  # seconds between two lines about that
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ServedSocket(NamedTuple):
    """A listening socket and what answers there.

    Without `admission` everybody is served at once, as is right for a socket that only its owner can open.
    """

    socket: socket.socket
    server: web.Server
    tls: ssl.SSLContext | None
    admission: Admission | None


def most_connections() -> int:
    """Return how many there may be at the same time, below the limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(_FEWEST, min(_MOST, soft - _OTHER_FILES))


class Acceptor:
    """Accept on one socket."""

    def __init__(self, served: ServedSocket) -> None:
        self._served_socket = served
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._reserve = _open_reserve()
        self._told = float("-inf")
        self._closed = False
        served.socket.setblocking(False)
        self._accept_again()

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        self._loop.remove_reader(self._served_socket.socket)
        self._served_socket.socket.close()
        for connection in [it for it in self._connections if not it.is_served]:
            connection.end()
        if self._reserve is not None:
            os.close(self._reserve)

    async def abort(self) -> None:
        """Close what is still open, at once, and return when it is closed."""
        while self._connections:
            for connection in list(self._connections):
                connection.end()
            await asyncio.sleep(0)

    def sweep(self) -> None:
        """Close connections whose clients are silent or slow for too long."""
        now = self._loop.time()
        for connection in [it for it in self._connections if it.overdue(now)]:
            connection.end()

    def _accept_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._served_socket.socket, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, name = self._served_socket.socket.accept()
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    self._refuse_one(error)
                return  # nobody is there, or was there a moment ago
            accepted.setblocking(False)
            network = network_of(str(name[0])) if name else ""
            Connection(accepted, network, self._served_socket, self._connections).open()

    def _refuse_one(self, error: OSError) -> None:
        """Let the next one go by means of a file kept for this, and rest: the socket would be ready again and again."""
        if self._reserve is not None:
            os.close(self._reserve)
            with suppress(OSError):
                self._served_socket.socket.accept()[0].close()
        self._reserve = _open_reserve()
        self._loop.remove_reader(self._served_socket.socket)
        self._loop.call_later(_PAUSE, self._accept_again)
        if time.monotonic() - self._told >= _SILENCE:
            self._told = time.monotonic()
            full = event(Event.OUT_OF_FILES)
            log.error("new connections are refused: %s", os.strerror(error.errno or 0), extra=full)


class Connection:
    """One accepted connection on its way: silent, waiting for a place, served."""

    def __init__(
        self, accepted: socket.socket, network: str, served: ServedSocket, connections: "set[Connection]"
    ) -> None:
        self._socket = accepted
        self._served_socket = served
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._http: HttpConnection | None = None
        self.network = network

    def open(self) -> None:
        """Wait for what its client says, if there is room for that."""
        admission = self._served_socket.admission
        if admission is None:
            self._connections.add(self)
            self.serve()
        elif admission.arrive(self):
            self._connections.add(self)
            self._loop.add_reader(self._socket, self._has_spoken, admission)
        else:
            self._socket.close()

    @property
    def is_served(self) -> bool:
        return self._http is not None

    @property
    def has_left(self) -> bool:
        poller = select.poll()
        poller.register(self._socket, select.POLLRDHUP)
        return bool(poller.poll(0))

    def overdue(self, now: float) -> bool:
        """Return whether its client has been silent for too long; `now` on the loop's clock."""
        if self._http is None:
            return now - self._since > HEAD_SECONDS
        return self._http.overdue(now)

    def serve(self) -> None:
        self._http = HttpConnection(self._served_socket.server, self._is_authenticated, self._ended)
        if self._served_socket.admission is None:
            self._http.authenticate()
        self._serving = self._loop.create_task(self._connect(self._http))

    def close(self) -> None:
        """Close it at once, whatever it does; admission, which calls this, is not told of one that was never served."""
        if self._http is None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._connections.discard(self)
        elif self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """Close it at once, and tell admission."""
        self.close()
        if self._http is None:
            self._ended()

    def _has_spoken(self, admission: Admission) -> None:
        self._loop.remove_reader(self._socket)
        if self.has_left:
            self.end()
        else:
            admission.speak(self)

    async def _connect(self, http: HttpConnection) -> None:
        tls = self._served_socket.tls
        protocol = http if tls is None else Tls(http, tls, self._ended)
        try:
            self._transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, self._socket)
        except OSError:  # it was reset meanwhile
            self._socket.close()
            self._ended()

    def _is_authenticated(self) -> None:
        if self._served_socket.admission is not None:
            self._served_socket.admission.authenticated(self)

    def _ended(self) -> None:
        self._connections.discard(self)
        if self._served_socket.admission is not None:
            self._served_socket.admission.ended(self)


def _open_reserve() -> int | None:
    with suppress(OSError):
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    return None
