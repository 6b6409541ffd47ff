"""A TCP connection that can be slow, frozen, cut or refused: the network between a USB server and its user."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

_CHUNK = 65536


class Link:
    """Listens on 127.0.0.1:`port` and passes on to `target`; starts refusing, until `open` is called."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thawed = threading.Event()
        self._thawed.set()
        self.delay = 0.0  # seconds for each piece of data, each way
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])

    def open(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept, self._listener)

    def close(self) -> None:
        """Refuse connections, and cut those that there are."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        self.thaw()
        self.cut()

    def cut(self) -> None:
        """Break the connections that there are; new ones are welcome."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for link in sockets:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        self._thawed.clear()

    def thaw(self) -> None:
        """What was held back goes on its way."""
        self._thawed.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # closed
                return
            try:
                self._join(listener, near, socket.create_connection(self._target))
            except OSError:  # one that hung up already, or nobody behind
                near.close()

    def _join(self, listener: socket.socket, near: socket.socket, far: socket.socket) -> None:
        for link in (near, far):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets |= {near, far}
        self._start(self._pass_on, near, far)
        self._start(self._pass_on, far, near)
        if self._listener is not listener:  # closed just now: this one must not survive
            self.cut()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._thawed.wait()
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        with self._lock:
            self._sockets.discard(sink)
        for link in (source, sink):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        sink.close()  # its own thread reads from it no more: it was just shut down

    @staticmethod
    def _start(work: Callable[..., None], *arguments: socket.socket) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()
