"""Every Prometheus series of the gateway. Callers use verbs; names, units and labels are decided here.

`tse_...` tells about a TSE, `tse_gateway_...` about the gateway around it. `serial` has 64 upper-case hex digits.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from gateway import __version__
from gateway.errors import CommandRejected, GatewayError
from gateway.tse.results import name_of

_COMMAND_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAITING_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60)


class Metrics:
    """The series of one gateway, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        # Without this each counter would bring one gauge more, which no dashboard reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._define_device_series()
        self._define_lock_series()
        self._define_gateway_series()

    @contextmanager
    def command(self, serial: str, title: str) -> Iterator[None]:
        """Time one command and count it by its outcome."""
        began = time.perf_counter()
        result = "ok"
        try:
            yield
        except BaseException as error:
            result = _result_of(error)
            raise
        finally:
            self._command_seconds.labels(serial, title).observe(time.perf_counter() - began)
            self._commands.labels(serial, title, result).inc()

    @contextmanager
    def queued(self, serial: str) -> Iterator[None]:
        """Around waiting for the device's turn."""
        began = time.perf_counter()
        with self._queue_depth.labels(serial).track_inprogress():
            try:
                yield
            finally:
                self._queue_seconds.labels(serial).observe(time.perf_counter() - began)

    @contextmanager
    def lock_waiting(self, serial: str) -> Iterator[None]:
        """Around waiting for the lock."""
        with self._lock_waiting.labels(serial).track_inprogress():
            yield

    def lock_granted(self, serial: str, waited: float) -> None:
        """Somebody holds the lock now, after `waited` seconds."""
        self._lock_wait_seconds.labels(serial).observe(waited)
        self._lock_held_since.labels(serial).set_to_current_time()

    def lock_released(self, serial: str, held: float) -> None:
        """The lock is free after `held` seconds, whatever ended it."""
        self._lock_held_seconds.labels(serial).observe(held)
        self._lock_held_since.labels(serial).set(0)

    def lock_refused(self, serial: str) -> None:
        """A client waited for the lock in vain."""
        self._lock_refused.labels(serial).inc()

    def lock_expired(self, serial: str, reason: str) -> None:
        """The gateway took the lock away: the holder was "silent" or "orphaned"."""
        self._lock_expired.labels(serial, reason).inc()
        self._lock_held_since.labels(serial).set(0)

    def replayed(self, serial: str) -> None:
        """A re-sent request was answered from memory."""
        self._replayed.labels(serial).inc()

    def signatures(self, serial: str) -> None:
        """The TSE signed one transaction message."""
        self._signatures.labels(serial).inc()

    def device_up(self, serial: str, up: bool) -> None:
        """The TSE can (or cannot) be used."""
        self._up.labels(serial).set(up)

    def reopened(self, serial: str, reason: str) -> None:
        """The TSE was opened afresh; `reason` is the code of the error before."""
        self._reopened.labels(serial, reason).inc()

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """One answered request; `route` is the pattern of the path, never the path."""
        self._http_requests.labels(route, str(status)).inc()
        self._http_seconds.labels(route).observe(seconds)

    def auth_failure(self) -> None:
        """A request came with a wrong or without an API token."""
        self._auth_failures.inc()

    def exposition(self) -> tuple[bytes, str]:
        """Body and content type for a scrape."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _define_device_series(self) -> None:
        self._up = self._gauge("tse_up", "1 while the TSE is attached and usable", "serial")
        self._reopened = self._counter("tse_reopened", "Times the TSE was opened afresh", "serial", "reason")
        self._signatures = self._counter("tse_signatures", "Transaction messages signed for clients", "serial")
        self._commands = self._counter("tse_commands", "Commands by outcome", "serial", "command", "result")
        self._command_seconds = self._histogram(
            "tse_command_duration_seconds", "Time from sending a command to its answer", _COMMAND_SECONDS, "command"
        )
        self._queue_depth = self._gauge("tse_queue_depth", "Calls that wait for the TSE's turn", "serial")
        self._queue_seconds = self._histogram(
            "tse_queue_wait_seconds", "Time that calls waited for the TSE's turn", _WAITING_SECONDS
        )

    def _define_lock_series(self) -> None:
        self._lock_waiting = self._gauge("tse_gateway_lock_waiting", "Clients that wait for the lock", "serial")
        self._lock_held_since = self._gauge(
            "tse_gateway_lock_held_since_timestamp_seconds", "When the lock was granted; 0 while it is free", "serial"
        )
        self._lock_wait_seconds = self._histogram(
            "tse_gateway_lock_wait_seconds", "Time until a client got the lock", _WAITING_SECONDS
        )
        self._lock_held_seconds = self._histogram(
            "tse_gateway_lock_held_seconds", "Time a client held the lock", _WAITING_SECONDS
        )
        self._lock_refused = self._counter("tse_gateway_lock_refused", "Clients that waited in vain", "serial")
        self._lock_expired = self._counter(
            "tse_gateway_lock_expired", "Locks taken away from silent or orphaned holders", "serial", "reason"
        )
        self._replayed = self._counter("tse_gateway_replayed", "Re-sent requests answered from memory", "serial")

    def _define_gateway_series(self) -> None:
        self._http_requests = self._counter("tse_gateway_http_requests", "Answered requests", "route", "status")
        self._http_seconds = Histogram(
            "tse_gateway_http_request_duration_seconds",
            "Time from a request's header to its answer",
            ["route"],
            buckets=_COMMAND_SECONDS,
            registry=self.registry,
        )
        self._auth_failures = self._counter("tse_gateway_auth_failures", "Requests without the right API token")
        self._gauge("tse_gateway_build_info", "1; the version is in the label", "version").labels(__version__).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, ("serial", *labels), buckets=buckets, registry=self.registry)


def _result_of(error: BaseException) -> str:
    if isinstance(error, CommandRejected):
        return name_of(error.result)
    if isinstance(error, GatewayError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else GatewayError.code
