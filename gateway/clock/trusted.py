"""Tells whether the time of this machine is fit for a TSE: by the kernel, or else by time servers (SNTP).

The kernel knows when chrony, systemd-timesyncd or ntpd keeps its clock (adjtimex(2)). When it does not, time
servers are asked, and the time they tell runs on by a clock that nobody sets.
"""

import asyncio
import ctypes
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from gateway.clock.sntp import NONCE, KissOfDeath, Sample, TimeServer, evaluate, request
from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tasks import Backoff
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_KEPT_FOR = 3600.0  # seconds; an unset quartz drifts less than a quarter of a second in that time
_EVERY, _AFTER_FAILURE = 900.0, 120.0  # seconds between measurements
_KERNEL_EVERY = 60.0  # seconds between looks at a kernel that keeps the time
_PATIENCE = 3.0
_MOST_ADDRESSES = 4  # of one name: a pool's name stands for several servers
_LARGEST_ERROR = 2.0
_AGREEING = 1.0
_KISSED = 3600.0
_NEVER_AGAIN = frozenset({"DENY", "RSTR"})
_STILL_FINE = 1_000_000  # microseconds of error that the kernel may admit
_STA_UNSYNC, _STA_NANO, _TIME_ERROR = 0x40, 0x2000, 5
_NOT_ASKED = Text("no time server was asked yet", "noch wurde kein Zeitserver gefragt")
_NO_SERVER = Text("no time server is set", "es ist kein Zeitserver eingestellt")
_DISAGREE = Text("the time servers disagree", "die Zeitserver sind sich nicht einig")
_NO_ANSWER = Text("no time server gave a good answer", "kein Zeitserver hat brauchbar geantwortet")
_BY_KERNEL = Text(
    "the kernel says that its clock is synchronised", "der Kernel sagt, dass seine Uhr synchronisiert ist"
)
_BY_SERVERS = Text("measured at time servers", "an Zeitservern gemessen")
_NOT_SYNCHRONISED = Text(
    "the system clock is not synchronised, and {trouble}", "die Systemuhr ist nicht synchronisiert, und {trouble}"
)
_TOO_OLD = Text(
    "the last measurement is {age:.0f} s old, and {trouble}", "die letzte Messung ist {age:.0f} s alt, und {trouble}"
)


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """Whether a TSE may be given the time. Seconds: `offset` is what the system clock lacks, `age` the sample's."""

    fit: bool
    source: Literal["kernel", "sntp", "none"]
    offset: float | None
    age: float
    reason: Text


@dataclass(frozen=True, slots=True)
class KernelClock:
    """What the kernel says of its clock; `offset` in seconds is what it still has to correct."""

    synchronised: bool
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class _Measured:
    unix: float
    at: float


class Clock:
    """The time for TSEs. `wall` reads the system clock, `steady` one that nobody sets; both in seconds."""

    def __init__(
        self,
        servers: Sequence[TimeServer] = (),
        *,
        kernel: Callable[[], KernelClock] | None = None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._servers = servers
        self._kernel = kernel or kernel_state
        self._wall = wall
        self._steady = steady
        self._measured: _Measured | None = None
        self._trouble = _NOT_ASKED if servers else _NO_SERVER
        self._silent_until: dict[str, float] = {}

    @property
    def status(self) -> ClockStatus:
        """Return the status as of now; asks nobody but the kernel."""
        kernel = self._kernel()
        if kernel.synchronised:
            return ClockStatus(True, "kernel", kernel.offset, 0.0, _BY_KERNEL)
        measured = self._measured
        if measured is None:
            return ClockStatus(False, "none", None, 0.0, _NOT_SYNCHRONISED.filled(trouble=self._trouble))
        age = self._steady() - measured.at
        offset = measured.unix + age - self._wall()
        if age > _KEPT_FOR:
            return ClockStatus(False, "none", offset, age, _TOO_OLD.filled(age=age, trouble=self._trouble))
        return ClockStatus(True, "sntp", offset, age, _BY_SERVERS)

    def now(self) -> float:
        """Return Unix seconds by the source of the status; those of the system clock when there is none."""
        status = self.status
        return self._wall() + (status.offset or 0.0) if status.source == "sntp" else self._wall()

    async def run(self, metrics: Metrics) -> None:
        """Measure for ever while the kernel's clock is not synchronised; log and count each change of the status."""
        logged: tuple[bool, str] | None = None
        backoff = Backoff(_AFTER_FAILURE, _EVERY)
        while True:
            wait = _KERNEL_EVERY
            if self._kernel().synchronised or not self._servers:
                backoff.reset()
            else:
                if await self.measure():
                    backoff.skip_to_longest()
                wait = backoff.next()
            status = self.status
            metrics.host.clock(status.fit, status.source, status.offset)
            if logged != (status.fit, status.source):
                logged = (status.fit, status.source)
                level, which = (logging.INFO, Event.CLOCK_FIT) if status.fit else (logging.WARNING, Event.CLOCK_UNFIT)
                log.log(level, "%s", _sentence(status), extra=event(which))
            await asyncio.sleep(wait)

    async def measure(self) -> bool:
        """Ask each server once, and return whether enough of them agree."""
        if not self._servers:
            return False
        samples = [sample for sample in await self._samples() if sample.error <= _LARGEST_ERROR]
        offset = _agreed(samples)
        if offset is None:
            self._trouble = _DISAGREE if samples else _NO_ANSWER
            return False
        self._measured = _Measured(self._wall() + offset, self._steady())
        return True

    async def _samples(self) -> list[Sample]:
        addresses = [address for server in self._servers for address in await _resolved(server)]
        now = self._steady()
        wanted = [address for address in dict.fromkeys(addresses) if self._silent_until.get(address[0], 0.0) <= now]
        asked = await asyncio.gather(*(self._ask(address) for address in wanted))
        return [sample for sample in asked if sample is not None]

    async def _ask(self, address: tuple[str, int]) -> Sample | None:
        nonce = os.urandom(NONCE)
        asked, began = self._wall(), self._steady()
        try:
            answer = await _exchange(address, request(nonce))
            # By the steady clock: somebody may set the other one meanwhile.
            return evaluate(answer, nonce, asked, asked + self._steady() - began)
        except KissOfDeath as kiss:
            log.warning("time server %s is left alone from now on: %s", address[0], kiss.reason)
            self._silent_until[address[0]] = float("inf") if kiss.reason in _NEVER_AGAIN else began + _KISSED
        except (OSError, TimeoutError, ProtocolError) as error:
            log.debug("time server %s: %s", address[0], error or "no answer")
        return None


def kernel_state() -> KernelClock:
    """Return what adjtimex(2), which only reads here, says of the kernel's clock; not synchronised if it is refused."""
    timex = _Timex()
    with suppress(OSError, AttributeError):
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
        good = 0 <= state < _TIME_ERROR and not timex.status & _STA_UNSYNC and timex.maxerror < _STILL_FINE
        return KernelClock(good, timex.offset / (1e9 if timex.status & _STA_NANO else 1e6))
    return KernelClock(synchronised=False)


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; what is not read here is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_long * 32),
    )


class _Listener(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _: object) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def _exchange(address: tuple[str, int], packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_PATIENCE):
        transport, listener = await loop.create_datagram_endpoint(_Listener, remote_addr=address)
        try:
            transport.sendto(packet)
            return await listener.answer
        finally:
            transport.close()


async def _resolved(server: TimeServer) -> list[tuple[str, int]]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await loop.getaddrinfo(
                server.host, server.port, proto=socket.IPPROTO_UDP, flags=socket.AI_ADDRCONFIG
            )
    except (OSError, TimeoutError, UnicodeError) as error:
        log.debug("time server %s has no address: %s", server.host, error or "no answer")
        return []
    return [(str(address[0]), int(address[1])) for *_, address in found[:_MOST_ADDRESSES]]


def _agreed(samples: Iterable[Sample]) -> float | None:
    """Return the offset that more than half of the servers agree on, as the one with the least error has it."""
    known = list(samples)
    if not known:
        return None
    middle = sorted(sample.offset for sample in known)[(len(known) - 1) // 2]
    agreeing = [sample for sample in known if abs(sample.offset - middle) <= _AGREEING + sample.error]
    if 2 * len(agreeing) <= len(known):
        return None
    return min(agreeing, key=lambda sample: sample.error).offset


def _sentence(status: ClockStatus) -> str:
    if not status.fit:
        return f"no TSE is given the time: {status.reason}"
    return f"TSEs are given the time: {status.reason}, the system clock lacks {status.offset or 0.0:.3f} s"
