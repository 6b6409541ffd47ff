"""The same API for programs of this machine: a Unix socket in the state directory, without TLS and without token.

Who may write to the file may ask: it is its owner's alone (mode 0600), and the kernel is asked as
well who is at the other end. A gateway that cannot have its socket serves the tills all the same.
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

from gateway.config.settings import Settings
from gateway.errors import Unauthorized
from gateway.server.http.listener import Listener

log = logging.getLogger(__name__)

NAME = "gateway.sock"
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of <sys/socket.h>


def socket_path(settings: Settings) -> Path:
    """Where the gateway of these settings listens."""
    return settings.state_dir / NAME


def is_local(request: web.Request) -> bool:
    """Did it come through the socket?"""
    return _socket_of(request) is not None


def admit(request: web.Request) -> None:
    """Return if the peer is the user of the gateway, or root; `Unauthorized` otherwise."""
    found = _socket_of(request)
    if found is None or _user_of(found) not in {0, os.geteuid()}:
        raise Unauthorized("this socket belongs to the user of the gateway: ask as that user or root")


@asynccontextmanager
async def listening(listener: Listener, settings: Settings) -> AsyncIterator[None]:
    """Serve what `listener` serves; at the end the file is gone."""
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
    """Remove what a gateway left that was killed, and nothing else; who holds the state directory is the only one."""
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
