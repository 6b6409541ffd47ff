"""A thread for blocking calls: one for each TSE, so that a TSE that hangs in the kernel stops only itself."""

import asyncio
import contextlib
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
        self._thread = threading.Thread(target=self._run_calls, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T], timeout: float) -> T:  # noqa: ASYNC109 (the deadline marks the thread as hung)
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
        deadline = loop.call_later(timeout, self._give_up, future, timeout)  # half of what `asyncio.timeout` costs
        self._calls.put(partial(_deliver, loop, future, call))
        try:
            return await future
        finally:
            deadline.cancel()

    def stop(self, last: Callable[[], object] | None = None) -> None:
        """End the thread once it has done all calls so far, and `last`; return without waiting for that."""
        if last is not None:
            self._calls.put(last)
        self._calls.put(None)

    @property
    def hung(self) -> bool:
        """Tell whether a call did not return in time."""
        return self._hung

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
