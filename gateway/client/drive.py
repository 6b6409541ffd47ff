"""A TSE behind a gateway as the sectors and blocks of a drive, for POS software that knows only drives.

    program writes a command -> BUSY                 -> the gateway's lock, the command, its answer -> DONE, counter + 1
    program reads the window -> what it shows now: nothing is asked for it, so keep-alive reads cost nobody anything
    program reads info or store, writes the store    -> the same request to the gateway; waits for its answer

The lock comes and goes as `driver.lan.driver` says, and a login keeps it for a while. What goes wrong with a command
is its result, with the number that clients of the LAN-TSE protocol get; with anything else it is EIO. A command is
sent once. Whether a signature whose answer was lost was made, the TSE is asked.
"""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from gateway.driver.lan.driver import LanDriver, LockTimes
from gateway.driver.lan.upstream import Upstream
from gateway.errors import CommandRejected, DeviceError, DeviceGone, GatewayError, InvalidSession, ProtocolError
from gateway.fleet.commands.lost_signatures import SIGNING, LostSignature, SignatureTracker
from gateway.i18n.text import Text
from gateway.tasks import Backoff
from gateway.telemetry.metrics import Metrics
from gateway.tse.error_numbers import number_of
from gateway.tse.info import TseInfo
from gateway.tse.layout import VIRTUAL_DRIVE
from gateway.tse.sectors import Response, WindowState, cut_off, decode_command
from gateway.volume.mount import mounted

log = logging.getLogger(__name__)
T = TypeVar("T")

_COUNTER_END = 2**32
_FIRST_QUESTION, _LAST_QUESTION = 0.5, 8.0  # seconds before the TSE is asked again for a lost signature
_SETTLE = 20.0  # seconds in which it must tell
_FINISH = 5.0  # seconds that a command has left when the drive is closed


class RemoteTse:
    """One TSE of a gateway, by shape a `volume.files.TseBlocks`; made by `reached`, inside the running loop.

    Threads of the file system call it, and the work is done in that loop. Every call may raise a `GatewayError`.
    """

    def __init__(self, upstream: Upstream, serial: str, lock_times: LockTimes | None = None) -> None:
        self.serial = bytes.fromhex(serial)
        self.capacity_blocks = 0
        self._upstream = upstream
        self._lock_times = lock_times or LockTimes(login=10.0)
        self._loop = asyncio.get_running_loop()
        self._driver: LanDriver | None = None
        self._closed = False
        self._shown = Response(0, WindowState.DONE)
        self._running: asyncio.Task[None] | None = None
        self._length: int | None = None
        self._trouble = ""
        self._signatures = SignatureTracker(serial, Metrics())

    @classmethod
    async def reached(cls, upstream: Upstream, serial: str, lock_times: LockTimes | None = None) -> Self:
        """Return the TSE with this serial (64 hex digits).

        Raises:
            GatewayError: it cannot be reached now.
        """
        tse = cls(upstream, serial, lock_times)
        try:
            tse.capacity_blocks = TseInfo.decode(await tse._read_info()).capacity_blocks
        except BaseException:
            await tse.close()
            raise
        return tse

    async def close(self) -> None:
        """Let a running command finish, for a few seconds, and give the lock back; what then still waits fails."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=_FINISH)
        self._closed = True
        if self._driver is not None:
            await self._driver.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    # ---- called by threads ------------------------------------------------------

    def read_info(self) -> bytes:
        """Return the info sector, read now."""
        return self._wait(self._read_info())

    def read_window(self) -> bytes:
        """Return the window sector; free of side effects."""
        return self._shown.encode()

    def write_window(self, sector: bytes) -> None:
        """Begin a command; `OSError` (EBUSY) during another one, whose response would be taken for that of this one."""
        self._wait(self._begin(decode_command(sector)))

    def read_store(self, block: int, count: int) -> bytes:
        """Return blocks of the store, without what others appended since the program read the info sector."""
        data = self._wait(self._do(lambda driver: driver.read_store(block, count)))
        length = self._length
        return data if length is None else cut_off(data, block, length)

    def write_store(self, block: int, data: bytes) -> None:
        """Write process data to the store."""
        self._wait(self._do(lambda driver: driver.write_store(block, data)))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # ---- done in the loop -------------------------------------------------------

    async def _read_info(self) -> bytes:
        sector = await self._do(lambda driver: driver.read_info())
        self._length = TseInfo.decode(sector).used_blocks or None
        return sector

    async def _begin(self, command: bytes) -> None:
        if self._running is not None and not self._running.done():
            raise OSError(errno.EBUSY, "the TSE carries out another command")
        self._shown = Response(self._shown.counter, WindowState.BUSY)
        self._running = asyncio.create_task(self._carry_out(command))

    async def _carry_out(self, command: bytes) -> None:
        data, result = b"", 0
        try:
            data = await (self._sign(command) if command[0] in SIGNING else self._send(command))
        except GatewayError as error:
            result = number_of(error)
        self._length = None  # a program reads what it signed itself
        self._shown = Response((self._shown.counter + 1) % _COUNTER_END, WindowState.DONE, data, result)

    async def _send(self, command: bytes) -> bytes:
        return await self._do(lambda driver: driver.send_command(command))

    async def _sign(self, command: bytes) -> bytes:
        """Announce or make a signature; if its answer is lost, return what the TSE tells of it."""
        attempt: LostSignature | None = None

        async def send(driver: LanDriver) -> bytes:
            nonlocal attempt
            attempt = await self._signatures.before(driver, command)
            return await driver.send_command(command)

        try:
            reply = await self._do(send)
        except (DeviceError, ProtocolError):
            told = None if attempt is None else await self._told_of(attempt)
            if told is None:
                raise
            return told
        self._signatures.after(command, reply, attempt)
        return reply

    async def _told_of(self, attempt: LostSignature) -> bytes | None:
        self._signatures.lose(attempt)
        pauses = Backoff(_FIRST_QUESTION, _LAST_QUESTION)
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE):
                while not self._closed:
                    with suppress(GatewayError):
                        await self._do(self._signatures.settle)
                        break
                    await asyncio.sleep(pauses.next())
        self._signatures.give_up()
        return attempt.verdict.result()

    async def _do(self, verb: Callable[[LanDriver], Awaitable[T]]) -> T:
        """Return what `verb` gives; after a lock that had lapsed, in which nothing was done, it is tried once more."""
        try:
            try:
                done = await self._tried(verb)
            except InvalidSession:
                done = await self._tried(verb)
        except CommandRejected:
            raise
        except GatewayError as error:
            self._tell(str(error))
            raise
        self._trouble = ""
        return done

    async def _tried(self, verb: Callable[[LanDriver], Awaitable[T]]) -> T:
        if self._closed:
            raise DeviceGone(Text("the drive is closed", "das Laufwerk ist geschlossen"))
        if self._driver is None:
            serial = self.serial.hex()
            self._driver = LanDriver(self._upstream, serial, lock_times=self._lock_times)
        driver = self._driver
        try:
            return await verb(driver)
        except (DeviceError, ProtocolError):
            if self._driver is driver:
                self._driver = None
                self._signatures.reopened()
            await driver.close()
            raise

    def _tell(self, trouble: str) -> None:
        level = logging.DEBUG if trouble == self._trouble else logging.WARNING
        log.log(level, "TSE %s: %s", self.serial.hex().upper(), trouble)
        self._trouble = trouble


@asynccontextmanager
async def shown(tse: RemoteTse, directory: Path, ended: Callable[[], None] = lambda: None) -> AsyncIterator[Path]:
    """Mount `tse` for the time of the block and give the path; `ended` is called when it was unmounted before.

    Raises:
        ConfigurationError: as of `mounted`.
    """
    loop = asyncio.get_running_loop()
    volume = mounted(tse, directory, source=VIRTUAL_DRIVE, ended=lambda: loop.call_soon_threadsafe(ended))
    place = await asyncio.to_thread(volume.__enter__)
    try:
        yield place
    finally:
        await tse.close()  # else a call that waits would keep it mounted
        await asyncio.to_thread(volume.__exit__, None, None, None)
