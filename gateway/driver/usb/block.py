"""The sector exchange with one TSE: a command is sent once, and only reading is repeated.

The README of gateway/driver has a table of all failures. The driver raises, never hides, and is of no use
after a `DeviceError` or a `ProtocolError`: the fleet opens the TSE afresh. Whether a command that ended so
took effect is unknown here; the till asks the TSE, which knows.
"""

import contextlib
import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from gateway.driver.protocols import BlockTransport
from gateway.driver.usb.polling import Polling
from gateway.driver.usb.thread import BlockingThread, T
from gateway.errors import (
    CommandRejected,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
)
from gateway.i18n.text import Text, reason_of
from gateway.tse.commands import ApplyUpdate, FetchResponse, SelfTest
from gateway.tse.results import explain
from gateway.tse.sectors import Response, WindowState, encode_command, read_counter

log = logging.getLogger(__name__)

_MOST_FETCHES = 64  # a TSE that never ends with "fetch" must not be believed
_KERNEL_GRACE = 5.0  # beyond the deadline of an exchange before its thread counts as hung
_OPEN_TIMEOUT = 10.0
_CLOSE_WAIT = 1.0
SLOW_OPCODES = frozenset({*SelfTest.opcodes.values(), ApplyUpdate.opcode})
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESHUTDOWN, errno.ENOTCONN})
_FETCH = encode_command(FetchResponse().encode())


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for an ordinary command (tills give up after 60), and for a self test or firmware update."""

    command: float = 45.0
    slow: float = 180.0

    def of(self, command: bytes) -> float:
        """Return the seconds that this command may take."""
        return self.command if SLOW_OPCODES.isdisjoint(command[:1]) else self.slow


class BlockDriver:
    """A `TseDriver` over a `BlockTransport`; `power_cycles` counts those that its response counter shows."""

    def __init__(
        self,
        transport: BlockTransport,
        *,
        thread: BlockingThread | None = None,
        deadlines: Deadlines | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._deadlines = deadlines or Deadlines()
        self._clock = clock
        self._pause = pause
        self._polling = Polling()
        self._thread = thread or BlockingThread("tse")
        self._counter = 0
        self._closed = False
        self.power_cycles = 0

    @classmethod
    async def open(cls, opener: Callable[[], BlockTransport], *, name: str, deadlines: Deadlines | None = None) -> Self:
        """Open a transport in the thread that will use it, and the driver over it.

        Raises:
            DeviceError: it cannot be opened; the message says what to do.
            ProtocolError: something is there, but it is no TSE.
        """
        thread = BlockingThread(name)
        opened: list[BlockTransport] = []
        try:
            await thread.run(lambda: opened.append(opener()), _OPEN_TIMEOUT)
        except OSError as error:
            thread.stop()
            raise _cannot_open(error) from error
        except BaseException:  # given up or too late: what still gets opened is closed in its thread
            thread.stop(lambda: _close_all(opened))
            raise
        return cls(opened[0], thread=thread, deadlines=deadlines)

    async def read_info(self) -> bytes:
        """Return the info sector; after an I/O error it is read a second time."""
        return await self._run(lambda: _twice(self._transport.read_info), self._deadlines.command)

    async def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of the store from `block`; after an I/O error they are read a second time."""
        return await self._run(
            lambda: _twice(lambda: self._transport.read_store(block, count)), self._deadlines.command
        )

    async def write_store(self, block: int, data: bytes) -> None:
        """Write process data to the store at `block`, once."""
        await self._run(lambda: self._transport.write_store(block, data), self._deadlines.command)

    async def send_command(self, command: bytes) -> bytes:
        """Send one command, once, and return the data of its response."""
        sector = encode_command(command)
        limit = self._deadlines.of(command)
        response = await self._run(lambda: self._exchange(sector, limit), limit)
        if response.result:
            raise CommandRejected(response.result, explain(response.result))
        return response.data

    async def close(self) -> None:
        """Close the transport in its own thread; leave a hung one behind; harmless when closed already."""
        if self._closed:
            return
        self._closed = True
        if not self._thread.hung:
            with contextlib.suppress(DeviceError):
                await self._thread.run(lambda: _quietly(self._transport.close), _CLOSE_WAIT)
        self._thread.stop()

    async def _run(self, call: Callable[[], T], limit: float) -> T:
        try:
            return await self._thread.run(call, limit + _KERNEL_GRACE)
        except OSError as error:
            if error.errno in _GONE:
                raise DeviceGone(
                    Text("the TSE is gone: {reason}", "die TSE ist weg: {reason}"), reason=reason_of(error)
                ) from error
            raise DeviceError(
                Text("I/O error of the TSE: {reason}", "Ein-/Ausgabefehler der TSE: {reason}"), reason=reason_of(error)
            ) from error

    def _exchange(self, sector: bytes, limit: float) -> Response:
        before = read_counter(_twice(self._transport.read_window))
        if before < self._counter:
            self.power_cycles += 1
            log.warning("the TSE lost power since the last command")
        self._counter = before
        self._transport.write_window(sector)
        response = self._await_response(sector[2], limit)
        self._counter = response.counter
        if response.counter == before + 1:
            return response
        if response.counter == 0:
            self.power_cycles += 1
            raise PowerCycleDetected(
                Text("the TSE lost power during the command", "die TSE war während des Befehls ohne Strom")
            )
        raise ResponseMissing(
            Text("response {counter} came instead of {expected}", "Antwort {counter} kam statt {expected}"),
            counter=response.counter,
            expected=before + 1,
        )

    def _await_response(self, opcode: int, limit: float) -> Response:
        began = self._clock()
        fetches = 0
        while True:
            response = Response.decode(_twice(self._transport.read_window))
            elapsed = self._clock() - began
            if response.state is WindowState.DONE:
                if not response.result:  # refusing is quick, whatever the command would have taken
                    self._polling.took(opcode, elapsed)
                return response
            if elapsed > limit:
                raise DeviceTimeout(
                    Text("the TSE is still busy after {limit:g} s", "die TSE ist nach {limit:g} s noch beschäftigt"),
                    limit=limit,
                )
            if response.state is WindowState.FETCH:
                fetches += 1
                if fetches > _MOST_FETCHES:
                    raise ProtocolError(
                        Text(
                            "the TSE asked {fetches} times to be fetched from",
                            "die TSE wollte {fetches}-mal, dass die Antwort geholt wird",
                        ),
                        fetches=fetches,
                    )
                self._transport.write_window(_FETCH)
            self._pause(self._polling.pause(opcode, elapsed))


def _twice(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        log.info("reading the TSE again after an I/O error")
        return read()


def _cannot_open(error: OSError) -> DeviceError:
    if error.errno in _GONE:
        return DeviceGone(Text("nothing is there", "es ist nichts da"))
    way_out = {
        errno.EACCES: Text(
            "no permission: let the gateway's user read and write it (udev rule, group)",
            "keine Berechtigung: dem Benutzer des Gateways Lesen und Schreiben erlauben (udev-Regel, Gruppe)",
        ),
        errno.EBUSY: Text(
            "in use: unmount it, or stop the other program that has it",
            "in Benutzung: aushängen, oder das andere Programm beenden, das sie hat",
        ),
        errno.EINVAL: Text(
            "its file system does not allow direct access (O_DIRECT)",
            "ihr Dateisystem erlaubt keinen direkten Zugriff (O_DIRECT)",
        ),
    }
    other = Text("cannot be opened: {reason}", "lässt sich nicht öffnen: {reason}")
    return DeviceError(way_out.get(error.errno or 0, other), reason=reason_of(error))


def _close_all(transports: list[BlockTransport]) -> None:
    for transport in transports:
        _quietly(transport.close)


def _quietly(close: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        close()
