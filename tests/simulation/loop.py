"""The event loop of a simulation: no sockets, no threads, and time that jumps to the next timer.

What runs in the context of a `Process` ends when that is killed, as after SIGKILL: nothing of it is carried out any
more, no `finally` either.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context, ContextVar, copy_context
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar, TypeVarTuple, Unpack

from gateway.errors import GatewayError
from tests.simulation.clock import CLOCK

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
H = TypeVar("H", bound=asyncio.Handle)
_process: "ContextVar[Process | None]" = ContextVar("process", default=None)


class Killed(BaseException):
    """Ends a blocking call in the process that was killed in it."""


class Process:
    """A process of the simulated machine."""

    def __init__(self) -> None:
        self.alive = True
        self._context = copy_context()
        self._context.run(_process.set, self)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run `work` in this process."""
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())

    def call_soon(self, call: Callable[[], object]) -> None:
        """Have `call` done in this process, if it is alive then."""
        asyncio.get_running_loop().call_soon(call, context=self._context.copy())


class SimulatedLoop(asyncio.BaseEventLoop):
    """`pause` gives the seconds that a blocking call beside the event loop waits for its turn."""

    def __init__(self, pause: Callable[[], float]) -> None:
        super().__init__()
        self._calls: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = count()
        self.pause = pause
        self._remains: list[object] = []
        self.delivers = True  # the result of the blocking call that is carried out
        self.unexpected: list[str] = []
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return CLOCK.now

    def kill(self, process: Process) -> None:
        """End `process` as SIGKILL does."""
        process.alive = False
        for handle in (*self._calls, *(timer for _, _, timer in self._timers)):
            _unless_dead(handle)
        self._remains.append(asyncio.all_tasks(self))  # collected as garbage they would run their `finally`

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        task = super().create_task(coro, name=name, context=context)
        if (copy_context() if context is None else context).get(_process) is not None:
            task.add_done_callback(self._look_at)
        return task

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _unless_dead(asyncio.Handle(callback, args, self, context))
        self._calls.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = _unless_dead(asyncio.TimerHandle(when, callback, args, self, context))
        heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Deliver what a blocking call has done, when it is over."""
        if not self.delivers:
            return asyncio.Handle(callback, args, self, context)
        return self.call_later(CLOCK.ahead, callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        future: asyncio.Future[T] = self.create_future()
        self.call_later(self.pause(), self._work, future, partial(func, *args))
        return future

    def _work(self, future: "asyncio.Future[T]", work: Callable[[], T]) -> None:
        try:
            result = work()
        except Killed:
            return
        except Exception as error:  # noqa: BLE001 (it belongs to whoever awaits the future)
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        """Note an error that the gateway did not raise on purpose; nobody may be waiting for the task."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, GatewayError | OSError | Killed):
            self.unexpected.append(f"{task.get_name()}: {error!r}")

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, GatewayError | OSError):  # whose waiter was killed
            self.unexpected.append(f"{context['message']}: {error!r}")

    def _run_once(self) -> None:
        """Carry out what is due; if nothing is, let the next moment come at which something is."""
        calls, timers = self._calls, self._timers
        while not calls and timers and timers[0][2].cancelled():
            heappop(timers)
        if not calls:
            if not timers:
                raise AssertionError("everything waits, and nothing will ever happen")
            CLOCK.now = max(CLOCK.now, timers[0][0])
        while timers and timers[0][0] <= CLOCK.now:
            calls.append(heappop(timers)[2])
        for _ in range(len(calls)):
            call: Any = calls.popleft()
            if not call.cancelled():
                call._run()

    def _write_to_self(self) -> None:
        """Nothing is to be woken."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left out when its moment comes."""


def _unless_dead(handle: H) -> H:
    """Cancel a call of a process that was killed."""
    context: Context = handle._context  # type: ignore[attr-defined]
    process = context.get(_process)
    if process is not None and not process.alive:
        handle.cancel()
    return handle
