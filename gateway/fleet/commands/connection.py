"""The connection to a TSE: a driver from its opening to its failure, and the queue before it."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from gateway.driver.protocols import TseDriver
from gateway.errors import DeviceGone
from gateway.i18n.text import NOTHING, Text
from gateway.tasks import begun, fail, settle

T = TypeVar("T")


class TseConnection:
    """One driver and the queue before it: first come, first served, and nobody waits for a TSE that is lost.

    `busy` is true while somebody's work is being done. `over` is set once the connection has ended; `reason` then says
    why, and `code` is the class of the reason. `clock` gives seconds.
    """

    def __init__(self, driver: TseDriver, clock: Callable[[], float]) -> None:
        self.driver = driver
        self._clock = clock
        self._late_at = math.inf
        self.busy = False
        self.over = asyncio.Event()
        self.reason = NOTHING
        self.code = ""
        self._waiting: deque[asyncio.Future[None]] = deque()  # for the turn, which one hands to the next
        self._result: asyncio.Future[Any] | None = None  # of the work that is being done
        self._doing: asyncio.Task[None] | None = None  # the loop alone would not keep it

    async def take_turn(self) -> None:
        """Wait for the turn, which `run` then uses up.

        Raises:
            DeviceGone: the connection is over, or ended meanwhile.
        """
        if self.over.is_set():
            raise DeviceGone(self.reason)
        if self.busy:
            await self._turn()
        self.busy = True

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
        # One task, and one future that both its end and that of the connection settle: waiting for whichever comes
        # first by means of tasks would be three more of them for each command.
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._result = result
        self._doing = begun(self._do(work, result))
        return await result

    async def drain(self) -> None:
        """Wait for the work that is being done, unless the connection ends, and let nothing follow."""
        with suppress(DeviceGone):
            await self.take_turn()

    def end(self, reason: Text, code: str) -> None:
        """End the connection; everybody who waits gets `DeviceGone` with `reason`."""
        self.reason, self.code = reason, code
        self.over.set()
        while self._waiting:
            fail(self._waiting.popleft(), DeviceGone(reason))
        if self._result is not None:
            # Not at once: the work may be what ends the connection, and is about to raise why.
            asyncio.get_running_loop().call_soon(fail, self._result, DeviceGone(reason))

    async def _do(self, work: Callable[[TseDriver], Awaitable[T]], result: "asyncio.Future[T]") -> None:
        try:
            settle(result, await work(self.driver))
        except Exception as error:  # noqa: BLE001 (it belongs to whoever awaits the result)
            fail(result, error)
        except BaseException:
            result.cancel()
            raise
        finally:
            self._result = None
            self._late_at = math.inf
            self._hand_on()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # it came at the same moment
                self._hand_on()
            raise
        if self.over.is_set():  # which ended at the same moment
            self._hand_on()
            raise DeviceGone(self.reason)

    def _hand_on(self) -> None:
        """Give the turn to the next one who still waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy = False
