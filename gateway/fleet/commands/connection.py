"""The connection to a TSE: a driver from its opening to its failure, and the queue before it."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from gateway.driver.protocols import TseDriver
from gateway.errors import DeviceGone

T = TypeVar("T")


class TseConnection:
    """One driver and the queue before it: first come, first served, and nobody waits for a TSE that is lost.

    `over` is set once the connection has ended; `reason` then says why, and `code` is the class of the reason.
    `clock` gives seconds.
    """

    def __init__(self, driver: TseDriver, clock: Callable[[], float]) -> None:
        self.driver = driver
        self._clock = clock
        self._late_at = math.inf
        self.over = asyncio.Event()
        self.reason = ""
        self.code = ""
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """True while somebody's work is being done."""
        return self._turn.locked()

    async def take_turn(self) -> None:
        """Wait for the turn, which `run` then uses up.

        Raises:
            DeviceGone: the connection is over, or ended meanwhile.
        """
        turn = asyncio.ensure_future(self._turn.acquire())
        try:
            came = await self._unless_over(turn)
        except asyncio.CancelledError:
            self._hand_back(turn)
            raise
        if not came or self.over.is_set():
            self._hand_back(turn)
            raise DeviceGone(self.reason)

    @property
    def late(self) -> bool:
        """True while somebody's work takes longer than was expected of it."""
        return self._clock() >= self._late_at

    async def run(self, work: Callable[[TseDriver], Awaitable[T]], expected: float) -> T:
        """Do `work` and return its result; once begun it is finished, even if the caller is cancelled.

        It is `late` after the `expected` seconds.

        Raises:
            DeviceGone: the connection ended and the work still hangs.
        """
        self._late_at = self._clock() + expected
        task = asyncio.ensure_future(work(self.driver))
        task.add_done_callback(self._next)
        if await self._unless_over(task):
            return task.result()
        raise DeviceGone(self.reason)

    async def drain(self) -> None:
        """Wait for the work that is being done, and let nothing follow."""
        await self._turn.acquire()

    def end(self, reason: str, code: str) -> None:
        """End the connection; everybody who waits gets `DeviceGone` with `reason`."""
        self.reason, self.code = reason, code
        self.over.set()

    async def _unless_over(self, work: "asyncio.Future[T]") -> bool:
        end = asyncio.ensure_future(self.over.wait())
        try:
            either: set[asyncio.Future[Any]] = {work, end}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.cancel()
        return work.done()

    def _hand_back(self, turn: "asyncio.Task[Literal[True]]") -> None:
        turn.cancel()
        turn.add_done_callback(self._release_unless_cancelled)

    def _release_unless_cancelled(self, turn: "asyncio.Task[Literal[True]]") -> None:
        if not turn.cancelled():
            self._turn.release()

    def _next(self, done: "asyncio.Future[T]") -> None:
        self._late_at = math.inf
        self._turn.release()
        if not done.cancelled():
            done.exception()  # whoever hung up does not fetch it; that is no news
