"""TSEs in the USB ports of a simulated machine, and what befalls them between one access and the next.

They are the simulator's, with its state and store in memory, which no test can tell from a disk that never fails, and
with signatures that are quick and always the same.
"""

import asyncio
import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partialmethod
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.driver.usb import block
from gateway.driver.usb.block import BlockDriver
from gateway.driver.usb.thread import BlockingThread
from gateway.operations import lan_journal
from gateway.simulator import signing
from gateway.simulator.core import Core
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make, create_files, open_core, take
from gateway.simulator.faults import Counts, Faults
from gateway.simulator.profiles import INSTANT
from gateway.simulator.session import Session
from gateway.simulator.signing import SigningKey
from gateway.simulator.state import PersistentState
from gateway.simulator.store import StoreFiles
from gateway.tse import signatures
from gateway.tse.fields import Generation
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END
from gateway.verify import archive
from tests.simulation.clock import CLOCK
from tests.simulation.loop import Killed, SimulatedLoop

T = TypeVar("T")


def install() -> None:
    """Let the drivers and verifiers of this process work with these TSEs."""
    block.BlockingThread = lan_journal.BlockingThread = SimulatedThread  # type: ignore[attr-defined]
    signatures.check = _check
    archive.BACKGROUND_FROM = sys.maxsize  # messages from which another process verifies them


def _check(signature: bytes, signed: bytes, oid: bytes, key: ec.EllipticCurvePublicKey) -> Callable[[], bool]:
    return lambda: signature == _signature(signed)


def _signature(data: bytes) -> bytes:
    """The 96 bytes that stand for a signature."""
    return hashlib.sha384(b"r" + data).digest() + hashlib.sha384(b"s" + data).digest()


@dataclass(frozen=True)
class _Key(SigningKey):
    def sign(self, data: bytes) -> bytes:
        return _signature(data)


class _Core(Core):
    """Whatever is committed outlasts a power cut, and nothing else."""

    def commit(self, state: PersistentState) -> None:
        self.written.clear()
        self.state = state

    def power_cycle(self) -> None:
        self.session = Session(began=self.monotonic())
        self.written.clear()


class _Store(StoreFiles):
    def __init__(self, content: bytes) -> None:
        self._content = bytearray(content)

    def read(self, block: int, count: int) -> bytes:
        return bytes(self._content[block * SECTOR : (block + count) * SECTOR]).ljust(count * SECTOR, b"\0")

    def write(self, block: int, data: bytes) -> None:
        self._content[block * SECTOR :] = data

    def cut(self, blocks: int) -> None:
        del self._content[blocks * SECTOR :]

    def close(self) -> None:
        """Nothing is open."""


class _Faults(Faults):
    def __init__(self) -> None:
        self._counts: Counts = {}

    def set(self, name: str, times: int | None = None) -> None:
        self._counts[name] = times

    def clear(self, name: str | None = None) -> None:
        self._counts.clear()

    def strike(self, name: str) -> bool:
        left = self._counts.get(name, 0)
        if left:
            self._counts[name] = left - 1
        return left != 0

    def close(self) -> None:
        """Nobody hangs here."""

    def _current(self) -> Counts:
        return self._counts


def made(directory: Path, number: int, generation: Generation) -> SimulatedTse:
    """A fresh TSE, the same one for the same number."""
    directory.mkdir()
    owned = take(directory)
    with _predictable(number):
        create_files(directory, Make(generation=generation), created=CLOCK.unix(), durable=False)
    opened = open_core(directory, monotonic=CLOCK.monotonic, durable=False)
    content = opened.store.read(0, opened.state.used_blocks)
    opened.store.close()
    core = _Core(
        directory,
        _Key.of(opened.key.private),
        opened.certificates,
        opened.log,
        _Store(content),
        _Faults(),
        CLOCK.monotonic,
        durable=False,
        state=opened.state,
    )
    return SimulatedTse(core, owned, INSTANT)


@contextmanager
def _predictable(number: int) -> Iterator[None]:
    numbers = count(1000 * number + 1)
    sign = x509.CertificateBuilder.sign

    def new_key() -> ec.EllipticCurvePrivateKey:
        digest = hashlib.sha256(b"key %d" % next(numbers)).digest()
        return ec.derive_private_key(int.from_bytes(digest, "big"), ec.BrainpoolP384R1())

    with (
        mock.patch.object(signing, "_new_key", new_key),
        mock.patch.object(x509, "random_serial_number", numbers.__next__),
        mock.patch.object(x509.CertificateBuilder, "sign", partialmethod(sign, ecdsa_deterministic=True)),
    ):
        yield


def export(tse: SimulatedTse) -> bytes:
    """The whole store as TAR, whatever state the TSE is in."""
    core = tse._core
    return core.store.read(0, core.state.used_blocks) + END


class SimulatedThread(BlockingThread):
    """In the place of the thread of a TSE: its calls take no time, but their results come as late as they would."""

    def __init__(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        self._calls: Any = _Calls(loop)
        self._hung = False
        self._due, self._look = {}, None
        self._thread: Any = SimpleNamespace(name=name)


class _Calls:
    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self._free = 0.0
        self._hangs = False

    def put(self, call: Callable[[], object] | None) -> None:
        if call is not None:
            self._free = max(self._free, self._loop.time()) + self._loop.pause()
            self._loop.call_at(self._free, self._carry_out, call)

    def _carry_out(self, call: Callable[[], object]) -> None:
        if self._hangs:
            return
        self._loop.delivers = True
        with CLOCK.blocking():
            CLOCK.sleep(self._loop.pause())
            try:
                call()
            except Killed:
                return
            self._free = max(self._free, CLOCK.monotonic())
        self._hangs = not self._loop.delivers


@dataclass(frozen=True, slots=True)
class Strike:
    """What befalls a TSE at its `access`th access from now on, before or after that is carried out.

    `what` is pulled, power, hangs, io, slow, or a fault of the simulator; `times` or seconds where it has any.
    """

    what: str
    access: int
    before: bool = True
    times: float = 1


class Port:
    """A USB port with its TSE. `plug` counts the times it was plugged in; it is 0 while it is not."""

    def __init__(self, name: str, tse: SimulatedTse, loop: SimulatedLoop, accessed: Callable[[], None]) -> None:
        self.name = name
        self.tse = tse
        self.serial = tse.serial.hex().upper()
        self.generation = tse._core.generation
        self.plug = 1
        self.hangs = False
        self._times_plugged = 1
        self._loop = loop
        self._accessed = accessed
        self._strikes: list[Strike] = []
        self._io_errors = 0
        self.on_pulled: Callable[[], None] = lambda: None

    def strike(self, strike: Strike) -> None:
        """Let it befall the TSE."""
        self._strikes.append(strike)

    def pull(self) -> None:
        """The TSE is gone, with its power."""
        if self.plug:
            self.plug = 0
            self.on_pulled()

    def plug_in(self) -> None:
        """The TSE is back; whatever was wrong with it is over."""
        self._times_plugged += 1
        self.plug = self._times_plugged
        self.heal()
        self.tse.power_cycle()

    def heal(self) -> None:
        """Nothing is wrong with the TSE any more."""
        self._strikes.clear()
        self._io_errors, self.hangs = 0, False
        self.tse.faults.clear()

    async def open(self) -> BlockDriver:
        """As an `Attachment` does."""
        return await BlockDriver.open(lambda: _Transport(self), name=self.name)

    def access(self, plug: int, work: Callable[[], T]) -> T:
        """An access by somebody who has opened the TSE while it was plugged in for the time `plug`."""
        self._accessed()
        self._demand_there(plug)
        due = self._due()
        self._befall([strike for strike in due if strike.before])
        self._demand_there(plug)
        result = work()
        self._befall([strike for strike in due if not strike.before])
        self._demand_there(plug)
        return result

    def _demand_there(self, plug: int) -> None:
        if plug != self.plug or not plug:
            raise _failed(errno.ENODEV)
        if self.hangs:
            self._loop.delivers = False
            raise _failed(errno.EIO)
        if self._io_errors:
            self._io_errors -= 1
            raise _failed(errno.EIO)

    def _due(self) -> list[Strike]:
        if not self._strikes:
            return []
        self._strikes = [replace(strike, access=strike.access - 1) for strike in self._strikes]
        due = [strike for strike in self._strikes if strike.access <= 0]
        self._strikes = [strike for strike in self._strikes if strike.access > 0]
        return due

    def _befall(self, strikes: list[Strike]) -> None:
        for strike in strikes:
            match strike.what:
                case "pulled":
                    self.pull()
                case "power":
                    self.tse.power_cycle()
                case "hangs":
                    self.hangs = True
                case "io":
                    self._io_errors = int(strike.times)
                case "slow":
                    CLOCK.sleep(strike.times)
                case fault:
                    self.tse.faults.set(fault, int(strike.times))


class _Transport:
    """A `BlockTransport` to the TSE in a port."""

    def __init__(self, port: Port) -> None:
        self._port, self._plug = port, port.plug
        port.access(self._plug, lambda: None)

    def read_info(self) -> bytes:
        return self._port.access(self._plug, self._port.tse.read_info)

    def read_window(self) -> bytes:
        return self._port.access(self._plug, self._port.tse.read_window)

    def write_window(self, sector: bytes) -> None:
        self._port.access(self._plug, lambda: self._port.tse.write_window(sector))

    def read_store(self, block: int, count: int) -> bytes:
        return self._port.access(self._plug, lambda: self._port.tse.read_store(block, count))

    def write_store(self, block: int, data: bytes) -> None:
        self._port.access(self._plug, lambda: self._port.tse.write_store(block, data))

    def close(self) -> None:
        """Nothing is held."""


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))
