"""A block store as a network block device, so that QEMU can put it into a USB stick of its own.

The part of the NBD protocol that QEMU needs: one export, fixed newstyle handshake, simple replies.
"""

import contextlib
import socket
import struct
import threading
from typing import Protocol

_HELLO = b"NBDMAGIC"
_OPTION_MAGIC = b"IHAVEOPT"
_REPLY_MAGIC = 0x3E889045565A9
_FIXED_NEWSTYLE = 1
_ABORT, _GO = 2, 7
_ACK, _INFO, _UNSUPPORTED = 1, 3, 2**31 + 1
_INFO_EXPORT = 0
_HAS_FLAGS = 1
_REQUEST, _SIMPLE_REPLY = 0x25609513, 0x67446698
_READ, _WRITE, _DISCONNECT = 0, 1, 2
_EIO = 5


class Blocks(Protocol):
    """A disk: blocks of `block_size` bytes; both calls may raise `OSError`."""

    @property
    def block_size(self) -> int: ...
    @property
    def num_blocks(self) -> int: ...
    def read(self, lba: int, count: int) -> bytes: ...
    def write(self, lba: int, count: int, data: bytes) -> None: ...


class NbdServer:
    """Serves `blocks` on 127.0.0.1:`port`."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Serve nobody new."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:  # closed
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            with link:
                if self._shake_hands(link):
                    self._transmit(link)
        except (OSError, EOFError):
            pass  # the other side hung up; the store's own errors are answered below

    def _shake_hands(self, link: socket.socket) -> bool:
        link.sendall(_HELLO + _OPTION_MAGIC + struct.pack(">H", _FIXED_NEWSTYLE))
        _exactly(link, 4)  # the client's flags
        while True:
            _magic, option, length = struct.unpack(">8sII", _exactly(link, 16))
            _exactly(link, length)  # name of the export: there is one
            if option == _GO:
                size = self._blocks.num_blocks * self._blocks.block_size
                _answer(link, option, _INFO, struct.pack(">HQH", _INFO_EXPORT, size, _HAS_FLAGS))
                _answer(link, option, _ACK)
                return True
            _answer(link, option, _ACK if option == _ABORT else _UNSUPPORTED)
            if option == _ABORT:
                return False

    def _transmit(self, link: socket.socket) -> None:
        while True:
            magic, _flags, kind, cookie, offset, length = struct.unpack(">IHHQQI", _exactly(link, 28))
            if magic != _REQUEST or kind == _DISCONNECT:
                return
            sent = _exactly(link, length) if kind == _WRITE else b""
            error, data = self._do(kind, offset, length, sent)
            link.sendall(struct.pack(">IIQ", _SIMPLE_REPLY, error, cookie) + data)

    def _do(self, kind: int, offset: int, length: int, sent: bytes) -> tuple[int, bytes]:
        size = self._blocks.block_size
        try:
            if kind == _READ:
                first, last = offset // size, -(-(offset + length) // size)
                data = self._blocks.read(first, last - first)
                return 0, data[offset % size :][:length]
            if kind == _WRITE:
                self._blocks.write(offset // size, length // size, sent)
        except OSError:
            return _EIO, b""
        return 0, b""


def _answer(link: socket.socket, option: int, kind: int, data: bytes = b"") -> None:
    link.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, kind, len(data)) + data)


def _exactly(link: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = link.recv(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
