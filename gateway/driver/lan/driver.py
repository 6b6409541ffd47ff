"""A TSE behind another LAN-TSE connector: the same verbs, under that connector's lock.

The upstream has clients of its own, so its lock is taken when a verb needs it and given back soon:

    verb -> lock -> verb verb verb -> silence -> unlock
                                      0.3 s; 0.05 s if only the info sector was read (a snapshot)
                                      40 s while an import or export is unfinished: it is aborted, then unlock
                                      until a logout, if a login is to keep the lock (a virtual drive: 10 s)

After 2 s of uninterrupted work it is given back and asked for again, so that others get their turn.
Towards the upstream's other clients a till is alone with the TSE for what belongs together there (an
import, an export), not for a pause of thought between two commands.

A session that could not be given back (the link broke, the process died) is given back before the next lock.

The lock refused, or taken back while nothing is unfinished, is no failure of the TSE: `LockRefused` and
`InvalidSession` go to the till, which asks again. All else that leaves the outcome of a request unknown is
a `DeviceError` or `ProtocolError`, after which the fleet opens the TSE afresh. No command is sent twice.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gateway.driver.lan.upstream import Upstream
from gateway.driver.usb.block import Deadlines
from gateway.errors import (
    CommandRejected,
    DeviceError,
    DeviceGone,
    GatewayError,
    InvalidSession,
    LockRefused,
    ProtocolError,
)
from gateway.i18n.text import Text
from gateway.tse import unfinished
from gateway.tse.commands import COMMANDS, Login, Logout

log = logging.getLogger(__name__)
T = TypeVar("T")

_CLOSE_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class LockTimes:
    """Seconds for which the upstream's lock is waited for and kept.

    A till gives up after 60, and connectors take a lock back after 60 and more of silence (LAN-TSE protocol):
    the waiting and the longest silence stay below. `login`: for how long at most, from its grant on, it is kept after
    a login whose logout has not come; 0 for a client that takes care of that itself.
    """

    wait: float = 55.0
    quiet: float = 0.3
    after_info: float = 0.05
    unfinished: float = 40.0
    longest: float = 2.0
    login: float = 0.0
    unlock: float = 5.0


class LanDriver:
    """A `TseDriver` for one TSE (serial in hex) of an upstream; made inside the running loop."""

    def __init__(
        self,
        upstream: Upstream,
        serial: str,
        *,
        deadlines: Deadlines | None = None,
        lock_times: LockTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = upstream.place
        self._sessions = upstream.sessions
        self._connection = upstream.connect()
        self._serial = serial.upper()
        self._deadlines = deadlines or Deadlines(command=55)  # more than the upstream's own: its answer tells more
        self._lock_times = lock_times or LockTimes()
        self._clock = clock
        self._turn = asyncio.Lock()
        self._session: int | None = None
        self._since = 0.0
        self._logged_in = False
        self._unfinished: set[unfinished.Unfinished] = set()
        self._release_timer: asyncio.TimerHandle | None = None
        self._releasing: asyncio.Task[None] | None = None
        self._was_locked = False
        self._closed = False

    async def read_info(self) -> bytes:
        """Return the info sector."""
        fresh = self._session is None
        return await self._locked(
            lambda session: self._connection.read_info(self._serial, session, self._deadlines.command), info_only=fresh
        )

    async def read_store(self, block: int, count: int) -> bytes:
        """Return `count` blocks of the store from `block`."""
        return await self._locked(
            lambda session: self._connection.read_store(self._serial, session, block, count, self._deadlines.command)
        )

    async def write_store(self, block: int, data: bytes) -> None:
        """Write process data to the store at `block`, once."""
        await self._locked(
            lambda session: self._connection.write_store(self._serial, session, block, data, self._deadlines.command)
        )

    async def send_command(self, command: bytes) -> bytes:
        """Send one command, once, and return the data of its response."""
        return await self._locked(lambda session: self._command(session, command))

    async def close(self) -> None:
        """Abort what is unfinished and give the lock back; a dead upstream is left behind. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._cancel_release()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WAIT):
                async with self._turn:
                    await self._release()
        if self._releasing is not None:
            self._releasing.cancel()
            await asyncio.gather(self._releasing, return_exceptions=True)
        await self._connection.close()

    # ---- one verb under the lock ------------------------------------------------

    async def _locked(self, work: Callable[[int], Awaitable[T]], *, info_only: bool = False) -> T:
        async with self._turn:
            if self._closed:
                raise DeviceGone(Text("this way to the TSE is closed", "dieser Weg zur TSE ist geschlossen"))
            self._cancel_release()
            try:
                result = await work(await self._lock())
            except (LockRefused, InvalidSession) as error:
                await self._handle_lost_lock(error)
                raise
            except (DeviceError, ProtocolError):
                self._unfinished.clear()  # the fleet opens the TSE afresh and looks what it finds there
                raise
            finally:
                self._schedule_release(info_only=info_only)
            self._was_locked = True
            return result

    async def _command(self, session: int, command: bytes) -> bytes:
        limit = self._deadlines.of(command)
        try:
            reply = await self._connection.send_command(self._serial, session, command, limit)
        except CommandRejected as rejected:
            unfinished.refused(self._unfinished, rejected.result)
            raise
        unfinished.done(self._unfinished, command, reply)
        kind = COMMANDS.get(command[0])
        if kind in {Login, Logout}:
            self._logged_in = kind is Login
        return reply

    async def _lock(self) -> int:
        longest = max(self._lock_times.longest, self._kept_for_login())
        if not self._unfinished and self._clock() - self._since >= longest:
            await self._unlock()
        if self._session is None:
            await self._give_back(self._sessions.of(self._place, self._serial))
            self._session = await self._connection.lock(self._serial, self._lock_times.wait)
            self._since = self._clock()
            await self._sessions.note(self._place, self._serial, self._session)
        return self._session

    async def _handle_lost_lock(self, error: GatewayError) -> None:
        lost, self._unfinished = sorted(self._unfinished), set()
        await self._unlock()
        if lost:
            raise DeviceError(
                Text(
                    "upstream {place} took its lock back during an {lost}",
                    "Upstream {place} hat seine Sperre zurückgenommen während: {lost}",
                ),
                place=self._place,
                lost=lost[0],
            ) from error
        if not self._was_locked:  # nothing to go on with: the fleet tries again, as with a TSE that is not there yet
            raise DeviceError(error.text) from error

    # ---- giving the lock back ---------------------------------------------------

    def _schedule_release(self, *, info_only: bool) -> None:
        if self._session is None or self._closed:
            return
        lock_times = self._lock_times
        pause = lock_times.unfinished if self._unfinished else lock_times.after_info if info_only else lock_times.quiet
        pause = max(pause, self._since + self._kept_for_login() - self._clock())
        self._release_timer = asyncio.get_running_loop().call_later(pause, self._start_release)

    def _kept_for_login(self) -> float:
        return self._lock_times.login if self._logged_in else 0.0

    def _cancel_release(self) -> None:
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None

    def _start_release(self) -> None:
        self._release_timer = None
        self._releasing = asyncio.create_task(self._release_if_silent())

    async def _release_if_silent(self) -> None:
        async with self._turn:
            if self._release_timer is None:  # else a verb came in between, and will be followed by silence of its own
                await self._release()

    async def _release(self) -> None:
        for work in sorted(self._unfinished):
            log.info("aborting the %s that was left unfinished on TSE %s", work, self._serial)
            with suppress(GatewayError):
                if self._session is not None:
                    await self._command(self._session, unfinished.UNDO[work].encode())
        self._unfinished.clear()
        await self._unlock()

    async def _unlock(self) -> None:
        session, self._session = self._session, None
        self._logged_in = False
        await self._give_back(session)

    async def _give_back(self, session: int | None) -> None:
        if session is None:
            return
        try:
            await self._connection.unlock(self._serial, session, self._lock_times.unlock)
        except (
            DeviceError
        ) as error:  # the next lock tries again; if the upstream is in trouble, the next verb finds out
            log.debug("lock of TSE %s not given back: %s", self._serial, error)
            return
        except GatewayError as error:
            log.debug("lock of TSE %s had lapsed: %s", self._serial, error)
        await self._sessions.note(self._place, self._serial, None)
