"""One TCP connection of a client: TLS in little memory, and bounds for silence, heads and requests sent ahead.

asyncio's and aiohttp's own classes do the work; what is changed here are bounds that neither has as a setting. Written
against `asyncio.sslproto` of Python 3.11 to 3.14 and `aiohttp.web_protocol` 3.14: tests/server/http/test_connection.py
fails when the attributes used here are gone.
"""

import asyncio
import logging
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler

log = logging.getLogger(__name__)

HEAD = 16 * 1024  # bytes of a request line and its fields
HEAD_SECONDS = 10  # for the TLS handshake, and then for each head
ANONYMOUS_SECONDS = 30.0  # of silence before the right token was shown
KEEP_ALIVE = 600.0  # seconds of silence after it; a till keeps one connection, and a new one costs it a second try
_FIELDS = 64
_CHUNK = 16 * 1024  # bytes; a TLS record has no more, and what is read ahead of a handler twice this
_RECEIVED = bytearray(4 * _CHUNK)
_CLOSING = 10  # seconds for the other side to say goodbye
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Tls(SSLProtocol):
    """TLS between a socket and its `HttpConnection`."""

    max_size = _CHUNK  # asyncio would keep 256 KiB for each connection, also for one that says nothing

    def __init__(self, http: "HttpConnection", context: ssl.SSLContext, ended: Callable[[], None]) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            http,
            context,
            waiter=None,  # type: ignore[arg-type] # nobody waits: what follows a handshake is HTTP's business
            server_side=True,
            ssl_handshake_timeout=HEAD_SECONDS,
            ssl_shutdown_timeout=_CLOSING,
        )
        self._http, self._ended = http, ended
        # What is received is copied before the next connection receives: one buffer serves all.
        self._ssl_buffer, self._ssl_buffer_view = _RECEIVED, memoryview(_RECEIVED)

    def eof_received(self) -> None:
        super().eof_received()
        self._http.close()  # asyncio tells it nothing, and leaves the socket open, while reading is paused

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._ended()


class HttpConnection(RequestHandler):
    """HTTP on one connection. `authenticated` is called when the right token came, `ended` when it is closed."""

    __slots__ = (
        "_authenticated",
        "_body",
        "_ended",
        "_head",
        "_head_since",
        "_quiet_since",
        "is_authenticated",
        "is_local",
        "login",
    )

    def __init__(self, server: web.Server, authenticated: Callable[[], None], ended: Callable[[], None]) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE,
            access_log=None,  # type: ignore[arg-type] # the middleware tells more, and knows what must not be told
            max_headers=_FIELDS,
            lingering_time=0,  # a refused body is not read to its end
            read_bufsize=_CHUNK,
            auto_decompress=False,  # a megabyte may become a gigabyte
        )
        # Two requests ahead of the one that is being answered, not 32. With one, reading would pause at each request.
        self._max_msg_queue_size, self._msg_queue_resume_size = 2, 0
        self.is_authenticated = self.is_local = False
        self.login: object = None  # what `keep_login` was given
        self._authenticated, self._ended = authenticated, ended
        self._body: StreamReader | None = None
        self._head = 0  # bytes of a head that is not complete yet
        self._head_since = self._quiet_since = self._loop.time()

    def authenticate(self) -> None:
        """Note that a request of this connection has shown the right token."""
        if not self.is_authenticated:
            self.is_authenticated = True
            self._authenticated()

    def overdue(self, now: float) -> bool:
        """Return whether its client is silent, or its head unfinished, for too long; `now` on the loop's clock."""
        if self._head:
            return now - self._head_since > HEAD_SECONDS
        is_idle = self._waiter is not None  # it waits for a request
        return is_idle and not self.is_authenticated and now - self._quiet_since > ANONYMOUS_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if hasattr(transport, "set_read_buffer_limits"):  # TLS reads ahead, too
            transport.set_read_buffer_limits(2 * _CHUNK)
        accepted = transport.get_extra_info("socket")
        self.is_local = accepted is not None and accepted.family == socket.AF_UNIX
        self._quiet_since = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._ended()

    def eof_received(self) -> None:
        self.close()  # TLS can send nothing after this: whatever was asked ahead is not answered

    def data_received(self, data: bytes) -> None:
        before, body = len(self._messages), self._body
        in_body = body is not None and not body.is_eof()
        super().data_received(data)
        self._quiet_since = self._loop.time()
        if len(self._messages) > before:
            if in_body and body is not None and not body.is_eof():
                # What came is no part of it, and aiohttp's parser tells everybody but the handler that waits for it.
                body.set_exception(web.RequestPayloadError("the body is no HTTP"))
            self._head, self._body = 0, self._messages[-1][1]
        elif data and not in_body:
            if not self._head:
                self._head_since = self._quiet_since
            self._head += len(data)
            if self._head > HEAD:
                self._refuse_head()

    def _refuse_head(self) -> None:
        self._head = 0
        if self._waiter is not None and self.transport is not None:  # no answer is on its way
            self.transport.write(_TOO_LARGE)
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the response to what is no HTTP, logged at DEBUG: anybody can send it. Our own errors stay errors."""
        if status >= 500 or request.writer.output_size:
            return super().handle_error(request, status, exc, message)
        log.debug("no HTTP from %s: %s", request.remote, message)
        answer = web.Response(status=status, text=message)
        answer.force_close()
        return answer


def peer_of(transport: asyncio.BaseTransport | None) -> str:
    """Return address and port of the client; empty if they are not known."""
    name = transport.get_extra_info("peername") if transport is not None else None
    if not isinstance(name, tuple):  # a Unix socket has none
        return ""
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def is_local(request: web.BaseRequest) -> bool:
    """Return whether the request came through the Unix socket (see `unix_socket`)."""
    return isinstance(request.protocol, HttpConnection) and request.protocol.is_local


def is_authenticated(request: web.BaseRequest) -> bool:
    """Return whether a request on this connection has shown the right token before."""
    return isinstance(request.protocol, HttpConnection) and request.protocol.is_authenticated


def keep_login(request: web.BaseRequest, login: object) -> None:
    """Keep what a request has shown, for the next ones of its connection."""
    if isinstance(request.protocol, HttpConnection):
        request.protocol.login = login


def login_of(request: web.BaseRequest) -> object:
    """Return what `keep_login` was given last on the connection of this request."""
    return request.protocol.login if isinstance(request.protocol, HttpConnection) else None


def authenticate(request: web.BaseRequest) -> None:
    """Note that the request has shown the right token: its connection may stay."""
    if isinstance(request.protocol, HttpConnection):
        request.protocol.authenticate()
