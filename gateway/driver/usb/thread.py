"""One thread per TSE: a TSE that hangs in the kernel stops only itself."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.errors import DeviceTimeout

T = TypeVar("T")
HUNG = " (hung)"  # ends the name of a thread that was given up, for whoever lists the threads
_Job = Callable[[], object]


class Worker:
    """Does blocking calls in a daemon thread, one after the other.

    A daemon, not a pool: the interpreter would join a pool's hung thread for ever
    when the gateway stops.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._hung = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T], timeout: float) -> T:  # noqa: ASYNC109 (the deadline marks the thread as hung)
        """The result of `call`.

        Raises:
            DeviceTimeout: it took longer than `timeout` seconds; the thread is given up
                and every later call fails at once.
        """
        if self._hung:
            raise DeviceTimeout("the TSE still hangs in an earlier call")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(lambda: _deliver(loop, future, call))
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            self._hung = True
            self._thread.name += HUNG
            raise DeviceTimeout(f"the TSE hangs: no return from the kernel within {timeout:g} s") from None

    def stop(self, last: Callable[[], object] | None = None) -> None:
        """Let the thread end when it has done what it was given, and `last`; does not wait for it."""
        if last is not None:
            self._jobs.put(last)
        self._jobs.put(None)

    @property
    def hung(self) -> bool:
        """Did a call never come back?"""
        return self._hung

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _deliver(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", call: Callable[[], T]) -> None:
    answer: Callable[[Any], None]
    value: Any
    try:
        answer, value = future.set_result, call()
    except BaseException as error:  # noqa: BLE001 (it belongs to whoever awaits the future)
        answer, value = future.set_exception, error
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_settle, future, answer, value)


def _settle(future: "asyncio.Future[Any]", answer: Callable[[Any], None], value: Any) -> None:
    if not future.done():
        answer(value)
