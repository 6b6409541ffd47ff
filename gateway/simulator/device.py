"""A TSE in software, in the place of the USB device: the same sectors, rules and signatures, and faults on demand.

    SimulatedTse.create(directory)           a fresh one
    SimulatedTse.open(directory)             one that was created before; only one process at a time
    SimulatedTse.open_or_create(directory)   whichever fits

By shape it is a `gateway.driver.protocols.BlockTransport`; several threads may use it at
once. `Core` holds what it is, `handlers` what it does on each command.
"""

import errno
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError, ProtocolError
from gateway.i18n.text import Text
from gateway.simulator.core import Core
from gateway.simulator.factory import Make, create_files, holds_tse, open_core, take
from gateway.simulator.faults import Faults
from gateway.simulator.handlers import execute
from gateway.simulator.profiles import INSTANT, Profile
from gateway.tse.commands import COMMANDS, FetchResponse, User
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR, Response, WindowState, decode_command

log = logging.getLogger(__name__)

_POWER_UP = Response(0, WindowState.DONE)
_COUNTER_END = 2**32


class SimulatedTse:
    """One TSE in a directory. `monotonic` tells seconds; `durable=False` leaves out every fsync, for quick tests."""

    def __init__(self, core: Core, ownership: int, profile: Profile) -> None:
        self._core = core
        self._ownership = ownership
        self._profile = profile
        self._lock = threading.Lock()
        self._closed = False
        self._broken = False
        self._power_lost = False
        self._power_up_window()

    @classmethod
    def create(
        cls,
        directory: Path,
        make: Make | None = None,
        *,
        profile: Profile = INSTANT,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        durable: bool = True,
    ) -> "SimulatedTse":
        """Make a fresh TSE that is not set up; `now` dates its certificate.

        Raises:
            ConfigurationError: the directory already holds one, or is in use.
        """
        directory.mkdir(parents=True, exist_ok=True)
        ownership = take(directory)
        try:
            create_files(directory, make or Make(), created=now(), durable=durable)
            core = open_core(directory, monotonic=monotonic, durable=durable)
        except BaseException:
            os.close(ownership)
            raise
        log.info("simulated TSE %s created in %s", core.key.serial.hex(), directory)
        return cls(core, ownership, profile)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        profile: Profile = INSTANT,
        monotonic: Callable[[], float] = time.monotonic,
        durable: bool = True,
    ) -> "SimulatedTse":
        """Open the TSE in `directory`, as after power-up.

        Raises:
            ConfigurationError: none there, damaged, written by a newer version, or in use.
        """
        if not holds_tse(directory):
            raise ConfigurationError(
                Text("there is no simulated TSE in {directory}", "in {directory} gibt es keine simulierte TSE"),
                directory=directory,
            )
        ownership = take(directory)
        try:
            core = open_core(directory, monotonic=monotonic, durable=durable)
        except BaseException:
            os.close(ownership)
            raise
        log.info("simulated TSE %s opened in %s", core.key.serial.hex(), directory)
        return cls(core, ownership, profile)

    @classmethod
    def open_or_create(
        cls,
        directory: Path,
        make: Make | None = None,
        *,
        profile: Profile = INSTANT,
        monotonic: Callable[[], float] = time.monotonic,
        durable: bool = True,
    ) -> "SimulatedTse":
        """Open the TSE that is there, else create one."""
        if holds_tse(directory):
            return cls.open(directory, profile=profile, monotonic=monotonic, durable=durable)
        return cls.create(directory, make, profile=profile, monotonic=monotonic, durable=durable)

    @property
    def serial(self) -> bytes:
        """SHA-256 of the public key, 32 bytes."""
        return self._core.key.serial

    @property
    def lifecycle(self) -> int:
        """Its lifecycle, a value of `Lifecycle`."""
        return self._core.state.lifecycle

    def has_pin(self, user: User, digits: bytes) -> bool:
        """Tell whether this is the PIN of `user`; costs no try."""
        return self._core.state.pins[user].digits == digits

    @property
    def capacity_blocks(self) -> int:
        """Size of the store in blocks of 512 bytes."""
        return self._core.state.capacity_blocks

    @property
    def certificates(self) -> bytes:
        """The certificate chain in PEM, leaf first."""
        return self._core.certificates

    @property
    def faults(self) -> Faults:
        """The faults of this TSE."""
        return self._core.faults

    def read_info(self) -> bytes:
        """Return the info sector."""
        with self._access() as core:
            return core.info().encode()

    def read_window(self) -> bytes:
        """Return the window sector; free of side effects."""
        with self._access():
            return self._shown().encode()

    def write_window(self, sector: bytes) -> None:
        """Take a command, carry it out and commit it before returning; while the TSE is busy it is ignored."""
        with self._access():
            _check_that(len(sector) == SECTOR)
            if self._busy():
                return  # assumed: a TSE that works on a command does not look at its window
            try:
                self._take_command(sector)
            except OSError:
                # Memory and disk may differ now: only a power cycle, which reads the disk, makes them agree again.
                self._broken = True
                log.exception("simulated TSE %s could not commit", self.serial.hex())
                raise

    def read_store(self, block: int, count: int) -> bytes:
        """Return blocks of the store; zeros behind the used ones, `OSError` behind its capacity."""
        with self._access() as core:
            _check_that(block >= 0 and count >= 0 and block + count <= core.state.capacity_blocks)
            return core.read_store(block, count)

    def write_store(self, block: int, data: bytes) -> None:
        """Take process data of the announced transaction step; blocks outside of it are ignored."""
        with self._access() as core:
            _check_that(block >= 0 and len(data) % SECTOR == 0)
            if core.session.pending_import is not None:
                core.session.pending_import.write(block, data)

    def reopen(self) -> None:
        """Go through a power cycle if it could not commit (no room, no open files), as a stick does that is pulled."""
        with self._lock:
            if self._broken and not self._closed:
                self._power_cycle()

    def power_cycle(self) -> None:
        """Do as pulling and plugging in does: login, time, self test and work under way are gone, the counter is 0."""
        with self._lock:
            self._power_cycle()

    def close(self) -> None:
        """Give the directory back; whoever hangs in a fault gets an `OSError`."""
        self._core.faults.close()
        with self._lock:
            if not self._closed:
                self._closed = True
                self._core.store.close()
                os.close(self._ownership)

    # --- the window ---

    def _power_up_window(self) -> None:
        self._response = _POWER_UP
        self._before = 0
        self._ready_at = -math.inf
        self._to_be_fetched = False
        self._stuck = False

    def _busy(self) -> bool:
        self._stuck = self._stuck and self._core.faults.listed("busy_forever")
        return self._stuck or self._core.monotonic() < self._ready_at

    def _shown(self) -> Response:
        if self._busy():
            return Response(self._before, WindowState.BUSY)
        return Response(self._before, WindowState.FETCH) if self._to_be_fetched else self._response

    def _take_command(self, sector: bytes) -> None:
        try:
            raw = decode_command(sector)
        except ProtocolError:
            self._answer(Result.COMMAND_SYNTAX, b"")
            return
        if raw[0] == FetchResponse.opcode and self._to_be_fetched:
            self._to_be_fetched = False
            return
        result, data = execute(self._core, raw)
        # Refusing is quick, whatever the command would have taken.
        kind = None if result else COMMANDS.get(raw[0])
        self._ready_at = self._core.monotonic() + self._profile.duration(kind)
        self._answer(result, data)

    def _answer(self, result: int, data: bytes) -> None:
        faults = self._core.faults
        if faults.strike("lost_response"):
            return
        step = 2 if faults.strike("counter_jump") else 1
        self._before = self._response.counter
        self._response = Response((self._before + step) % _COUNTER_END, WindowState.DONE, data, result)
        self._to_be_fetched = faults.strike("fetch")
        self._stuck = faults.strike("busy_forever")

    # --- access ---

    @contextmanager
    def _access(self) -> Iterator[Core]:
        """Let one caller in, unless a fault or the state of the TSE keeps him out with an `OSError`."""
        self._pass_faults()  # not under the lock: one of them blocks
        with self._lock:
            if self._closed:
                raise _os_error(errno.ENODEV)
            if self._power_lost:
                self._power_cycle()
            if self._broken:
                raise _os_error(errno.EIO)
            yield self._core

    def _pass_faults(self) -> None:
        faults = self._core.faults
        if faults.quiet:
            return
        faults.hang()
        if faults.strike("unplugged"):
            self._power_lost = True
            raise _os_error(errno.ENODEV)
        if faults.strike("io_error"):
            raise _os_error(errno.EIO)

    def _power_cycle(self) -> None:
        self._core.power_cycle()
        self._broken = self._power_lost = False
        self._power_up_window()
        log.info("simulated TSE %s went through a power cycle", self.serial.hex())


class SimulatedTransport:
    """One handle to a simulated TSE, by shape a `gateway.driver.protocols.BlockTransport`; the TSE outlives it."""

    def __init__(self, tse: SimulatedTse) -> None:
        tse.reopen()
        self.read_info = tse.read_info
        self.read_window = tse.read_window
        self.write_window = tse.write_window
        self.read_store = tse.read_store
        self.write_store = tse.write_store

    def close(self) -> None:
        """Do nothing: the TSE belongs to whoever opened it."""


def _check_that(fits: bool) -> None:
    if not fits:
        raise _os_error(errno.EINVAL)


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
