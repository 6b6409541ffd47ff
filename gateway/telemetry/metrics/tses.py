"""Openings, losses, commands and the queue of each TSE."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import DeviceError, GatewayError, ProtocolError
from gateway.telemetry.metrics.series import COMMAND_SECONDS, WAITING_SECONDS, Series, exemplar, kept, result_of

FIRST = "first"  # the reason of an opening that follows no other
_FAILURES: tuple[type[GatewayError], ...] = (ProtocolError, DeviceError, *DeviceError.__subclasses__())
_LOSSES = ("unplugged", "stopped", *(kind.code for kind in _FAILURES))


class TseMetrics:
    """Series of all TSEs."""

    def __init__(self, make: Series) -> None:
        self._opened = make.counter(
            "tse_opened", "Times the TSE was opened, by what had ended the opening before", "serial", "reason"
        )
        self._lost = make.counter("tse_lost", "Times the TSE was lost, by what happened", "serial", "reason")
        self._commands = make.counter("tse_commands", "Commands by outcome", "serial", "command", "result")
        self._command_seconds = make.histogram(
            "tse_command_duration_seconds",
            "Time from sending a command to its answer",
            COMMAND_SECONDS,
            "serial",
            "command",
        )
        self._commands_of, self._command_seconds_of = kept(self._commands), kept(self._command_seconds)
        self._queue_depth = make.gauge("tse_queue_depth", "Calls that wait for the TSE's turn", "serial")
        self._queue_seconds = make.histogram(
            "tse_queue_wait_seconds", "Time that calls waited for the TSE's turn", WAITING_SECONDS, "serial"
        )
        self._queue_depth_of, self._queue_seconds_of = kept(self._queue_depth), kept(self._queue_seconds)

    def adopt(self, serial: str) -> None:
        """Show the series of this TSE from now on, as 0."""
        for reason in _LOSSES:
            self._opened.labels(serial, reason)
            self._lost.labels(serial, reason)
        self._queue_depth.labels(serial)
        self._queue_seconds.labels(serial)

    def opened(self, serial: str, reason: str = FIRST) -> None:
        """Count an opening; `reason` is the one for which the TSE was lost before."""
        self._opened.labels(serial, reason).inc()

    def lost(self, serial: str, reason: str) -> None:
        """Count a loss; `reason` is the code of an error, or says that the TSE was unplugged."""
        self._lost.labels(serial, reason).inc()

    def command(self, serial: str, title: str) -> "_TimedCommand":
        """Time one command within a block, and count it by its outcome."""
        return _TimedCommand(self, serial, title)

    def ended(self, serial: str, title: str, result: str, seconds: float) -> None:
        """Count a command that took so many seconds."""
        self._command_seconds_of(serial, title).observe(seconds, exemplar())
        self._commands_of(serial, title, result).inc()

    @contextmanager
    def waiting(self, serial: str) -> Iterator[None]:
        """Count a call as waiting for the turn of the TSE within the block."""
        joined = time.perf_counter()
        try:
            with self._queue_depth_of(serial).track_inprogress():
                yield
        finally:
            self._queue_seconds_of(serial).observe(time.perf_counter() - joined, exemplar())

    def found_free(self, serial: str) -> None:
        """Count a call whose turn it was at once."""
        self._queue_seconds_of(serial).observe(0.0, exemplar())


class _TimedCommand:
    """Times what stands in its block: by a class, since a generator costs twice as much with each command."""

    __slots__ = ("_began", "_metrics", "_serial", "_title")

    def __init__(self, metrics: TseMetrics, serial: str, title: str) -> None:
        self._metrics, self._serial, self._title = metrics, serial, title

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        result = "ok" if error is None else result_of(error)
        self._metrics.ended(self._serial, self._title, result, time.perf_counter() - self._began)
