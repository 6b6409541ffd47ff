"""Every Prometheus series of the gateway. Callers use verbs; names, units and labels are decided here.

`tse_...` tells about a TSE, `tse_gateway_...` about the gateway around it. `serial` has 64 upper-case hex digits.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from gateway import __version__
from gateway.errors import CommandRejected, GatewayError
from gateway.log import request_id
from gateway.tse.info import TseInfo
from gateway.tse.results import name_of

_COMMAND_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAITING_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60)
_OPEN_METRICS = "application/openmetrics-text"


class Metrics:
    """The series of one gateway, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None, *, site: str = "") -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._site = site
        # Without this each counter would bring one gauge more, which no dashboard reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._define_device_series()
        self._define_upkeep_series()
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
            self._command_seconds.labels(serial, title).observe(time.perf_counter() - began, _exemplar())
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

    def snapshot(self, serial: str, info: TseInfo) -> None:
        """The info sector was read."""
        self._self_test_passed.labels(serial).set(info.self_test_passed)
        self._self_test_due.labels(serial).set(info.self_test_due_seconds)
        self._time_valid.labels(serial).set(info.valid_time)
        self._time_due.labels(serial).set(info.time_sync_due_seconds)

    def upkeep(self, serial: str, duty: str, result: str) -> None:
        """The gateway did (or tried) something for the TSE by itself."""
        self._upkeep.labels(serial, duty, result).inc()

    def pin_tries(self, serial: str, user: str, left: int | None) -> None:
        """An answer told how many tries of a PIN or PUK are left; `None` when they are as many as ever again."""
        if left is not None:
            self._pin_tries.labels(serial, user).set(left)
        else:
            with suppress(KeyError):
                self._pin_tries.remove(serial, user)

    def signature_settled(self, serial: str, outcome: str) -> None:
        """The answer to a signature was lost; afterwards it is "signed", "not_signed" or "unknown"."""
        self._settled.labels(serial, outcome).inc()

    def clock(self, fit: bool, source: str, offset: float | None) -> None:
        """Whether TSEs may be given our time; `offset` in seconds, if it is known."""
        self._clock_fit.clear()
        self._clock_fit.labels(source).set(fit)
        self._clock_offset.set(float("nan") if offset is None else offset)

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """One answered request; `route` is the pattern of the path, never the path."""
        self._http_requests.labels(route, str(status)).inc()
        self._http_seconds.labels(route).observe(seconds, _exemplar())

    def auth_failure(self) -> None:
        """A request came with a wrong or without an API token."""
        self._auth_failures.inc()

    def refused(self, serial: str, error: GatewayError) -> None:
        """A request ended with `error`; `serial` is empty unless the TSE is known to be ours."""
        self._refused.labels(serial, _result_of(error)).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Body and content type for a scrape; `accept` as the scraper sent it decides on the format."""
        return self.collected().encoded(accept)

    def collected(self) -> "Scrape":
        """What a scrape shows, as of now."""
        return Scrape(self.registry, self._site)

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

    def _define_upkeep_series(self) -> None:
        self._self_test_passed = self._gauge("tse_self_test_passed", "1 while the self test is valid", "serial")
        self._self_test_due = self._gauge(
            "tse_self_test_due_seconds", "Time until the next self test is due, when last read", "serial"
        )
        self._time_valid = self._gauge("tse_time_valid", "1 while the TSE has a valid time", "serial")
        self._time_due = self._gauge(
            "tse_time_sync_due_seconds", "Time until the time must be set again, when last read", "serial"
        )
        self._upkeep = self._counter(
            "tse_upkeep_runs", "What the gateway did for the TSE by itself", "serial", "duty", "result"
        )
        self._pin_tries = self._gauge(
            "tse_pin_tries_left", "Tries of a PIN or PUK; only there after a wrong one", "serial", "user"
        )
        self._settled = self._counter(
            "tse_lost_signatures", "Signatures whose answer was lost, as the TSE told afterwards", "serial", "outcome"
        )
        self._clock_fit = self._gauge("tse_gateway_clock_fit", "1 if TSEs may be given our time", "source")
        self._clock_offset = self._gauge("tse_gateway_clock_offset_seconds", "What our clock lacks; NaN if unknown")
        self._clock_offset.set(float("nan"))

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
        self._refused = self._counter(
            "tse_gateway_refused_requests", "Requests that ended with an error, by its name", "serial", "error"
        )
        self._auth_failures = self._counter("tse_gateway_auth_failures", "Requests without the right API token")
        self._gauge("tse_gateway_build_info", "1; the version is in the label", "version").labels(__version__).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, ("serial", *labels), buckets=buckets, registry=self.registry)


class Scrape(CollectorRegistry):
    """Series that change no more; with a label more if there is a site."""

    def __init__(self, registry: CollectorRegistry, site: str) -> None:
        super().__init__()
        self._families = list(registry.collect())
        self._site = site

    def encoded(self, accept: str) -> tuple[bytes, str]:
        """Body and content type. With many TSEs this takes a tenth of a second: not for the event loop."""
        if _OPEN_METRICS in accept:  # whose histograms carry request ids
            body: bytes = openmetrics.generate_latest(self)  # type: ignore[no-untyped-call]
            return body, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        """For the encoders."""
        for family in self._families:
            yield self._at_site(family) if self._site else family

    def _at_site(self, family: Metric) -> Metric:
        shown = Metric(family.name, family.documentation, family.type, family.unit)
        shown.samples = [sample._replace(labels={**sample.labels, "site": self._site}) for sample in family.samples]
        return shown


def _exemplar() -> dict[str, str] | None:
    """Leads from a slow bar of a histogram to the log lines of a request that was slow."""
    request = request_id.get()
    return {"request_id": request} if request else None


def _result_of(error: BaseException) -> str:
    if isinstance(error, CommandRejected):
        return name_of(error.result)
    if isinstance(error, GatewayError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else GatewayError.code
