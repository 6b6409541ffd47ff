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

    @contextmanager
    def command(self, serial: str, title: str) -> Iterator[None]:
        """Time one command and count it by its outcome."""
        began = time.perf_counter()
        result = "ok"
        try:
            yield
        except BaseException as error:
            result = result_of(error)
            raise
        finally:
            self._command_seconds_of(serial, title).observe(time.perf_counter() - began, exemplar())
            self._commands_of(serial, title, result).inc()

    def joined(self, serial: str) -> float:
        """Count a call as waiting for the turn of the TSE, and return when that began, for `left`."""
        self._queue_depth_of(serial).inc()
        return time.perf_counter()

    def left(self, serial: str, joined: float) -> None:
        """Count it as waiting no more."""
        self._queue_depth_of(serial).dec()
        self._queue_seconds_of(serial).observe(time.perf_counter() - joined, exemplar())
