"""A thread for blocking calls: one for each TSE, so that a TSE that hangs in the kernel stops only itself."""

import asyncio
import contextlib
import math
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from gateway.errors import DeviceTimeout
from gateway.i18n.text import Text

T = TypeVar("T")
HUNG = " (hung)"  # ends the name of a thread that was given up, for whoever lists the threads
_Call = Callable[[], object]


class BlockingThread:
    """A daemon thread that does blocking calls, one after the other.

    No pool: the interpreter would join a pool's hung thread for ever when the gateway stops.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._hung = False
        self._due: dict[
            asyncio.Future[Any], tuple[float, float]
        ] = {}  # when each call hangs, and after how many seconds
        self._look: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run_calls, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T], timeout: float = math.inf) -> T:  # noqa: ASYNC109 (the deadline marks the thread as hung)
        """Return the result of `call`, or raise what it raises.

        Raises:
            DeviceTimeout: it took longer than `timeout` seconds; the thread is given up and each later call
                fails at once.
        """
        if self._hung:
            raise DeviceTimeout(
                Text("the TSE still hangs in an earlier call", "die TSE hängt noch in einem früheren Aufruf")
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        due = loop.time() + timeout
        self._due[future] = due, timeout
        if self._look is None or due < self._look.when():
            self._look_in_time(loop)
        self._calls.put(partial(_deliver, loop, future, call))
        try:
            return await future
        finally:
            self._due.pop(future, None)

    def stop(self, last: Callable[[], object] | None = None) -> None:
        """End the thread once it has done all calls so far, and `last`; return without waiting for that."""
        if last is not None:
            self._calls.put(last)
        self._calls.put(None)

    @property
    def hung(self) -> bool:
        """Tell whether a call did not return in time."""
        return self._hung

    def _look_in_time(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the alarm for the call that is due first.

        It stays when a call ends, and is then too early for the next one: one alarm a minute, where one for each call
        to set and to cancel was 3 % of the instructions of a receipt.
        """
        if self._look is not None:
            self._look.cancel()
        first = min((due for due, _ in self._due.values()), default=math.inf)
        self._look = loop.call_at(first, self._look_for_hung, loop) if first < math.inf else None

    def _look_for_hung(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look = None
        late = [future for future, (due, _) in self._due.items() if due <= loop.time()]
        for future in late:
            self._give_up(future, self._due.pop(future)[1])
        self._look_in_time(loop)

    def _give_up(self, future: "asyncio.Future[T]", timeout: float) -> None:
        if not future.done():
            self._hung = True
            self._thread.name += HUNG
            future.set_exception(
                DeviceTimeout(
                    Text(
                        "the TSE hangs: no return from the kernel within {timeout:g} s",
                        "die TSE hängt: keine Rückkehr aus dem Kernel binnen {timeout:g} s",
                    ),
                    timeout=timeout,
                )
            )

    def _run_calls(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _deliver(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", call: Callable[[], T]) -> None:
    settle: Callable[[Any], None]
    value: Any
    try:
        settle, value = future.set_result, call()
    except BaseException as error:  # noqa: BLE001 (it belongs to whoever awaits the future)
        settle, value = future.set_exception, error
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_settle, future, settle, value)


def _settle(future: "asyncio.Future[Any]", settle: Callable[[Any], None], value: Any) -> None:
    if not future.done():
        settle(value)
