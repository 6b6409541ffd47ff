"""A Unix socket in the state directory, for programs of this machine: all that the port serves, without TLS and token.

Only the owner of the file may connect (mode 0600), and the kernel confirms who is at the other end (SO_PEERCRED).
Without its socket the gateway still serves the tills.
"""

import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from gateway.access.caller import LOCAL, Caller
from gateway.config.defaults import SOCKET
from gateway.config.settings import Settings
from gateway.errors import Unauthorized
from gateway.i18n.text import Text
from gateway.server.http.listener import Listener

log = logging.getLogger(__name__)

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of <sys/socket.h>


def socket_path(settings: Settings) -> Path:
    """Return the path of the socket of a gateway with these settings."""
    return settings.state_dir / SOCKET


def admit(request: web.Request) -> Caller:
    """Return the caller of a request through the socket if the peer is the user of the gateway, or root.

    Raises:
        Unauthorized: it is another user.
    """
    found = _socket_of(request)
    if found is None or _user_of(found) not in {0, os.geteuid()}:
        raise Unauthorized(
            Text(
                "this socket belongs to the user of the gateway: ask as that user or root",
                "dieser Socket gehört dem Benutzer des Gateways: als dieser oder als root fragen",
            )
        )
    return Caller(LOCAL, None)


@asynccontextmanager
async def listening(listener: Listener, settings: Settings) -> AsyncIterator[None]:
    """Serve what `listener` serves on the socket as well, and remove its file at the end."""
    path = socket_path(settings)
    made = _bound(path) if settings.local_socket else None
    if made is None:
        yield
        return
    inode = path.stat().st_ino
    try:
        listener.listen_for_owner(made)
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == inode:  # else it is not ours any more
                path.unlink()


def _bound(path: Path) -> socket.socket | None:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        os.fchmod(made.fileno(), 0o600)  # before it is bound, so that the file never has another mode
        made.bind(str(path))
    except OSError as error:
        made.close()
        reason = error.strerror or "choose a shorter state directory"
        log.warning("programs of this machine need the token, %s cannot be made: %s", path, reason)
        return None
    return made


def _clear(path: Path) -> None:
    """Remove the socket of a gateway that was killed, and nothing else; the lock of the state directory is ours."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "something else has its name")
    except FileNotFoundError:
        return
    path.unlink()


def _socket_of(request: web.Request) -> socket.socket | None:
    found = None if request.transport is None else request.transport.get_extra_info("socket")
    return found if found is not None and found.family == socket.AF_UNIX else None


def _user_of(peer: socket.socket) -> int:
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(user)
