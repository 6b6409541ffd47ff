"""Requests to the gateway, and their outcomes."""

from typing import Literal

from gateway.errors import GatewayError
from gateway.telemetry.metrics.series import COMMAND_SECONDS, Series, exemplar, kept, result_of

Unauthorized = Literal["missing", "wrong", "throttled"]
Repeat = Literal["resent", "idempotency_key"]
_UNAUTHORIZED: tuple[Unauthorized, ...] = ("missing", "wrong", "throttled")
_REPEATS: tuple[Repeat, ...] = ("resent", "idempotency_key")


class RequestMetrics:
    """Series of the requests on all ports."""

    def __init__(self, make: Series) -> None:
        self._answered = make.counter("tse_gateway_http_requests", "Answered requests", "route", "status")
        self._seconds = make.histogram(
            "tse_gateway_http_request_duration_seconds",
            "Time from a request's header to its answer",
            COMMAND_SECONDS,
            "route",
        )
        self._answered_of, self._seconds_of = kept(self._answered), kept(self._seconds)
        self._refused = make.counter(
            "tse_gateway_refused_requests", "Requests that ended with an error, by its name", "serial", "error"
        )
        self._replayed = make.counter(
            "tse_gateway_replayed", "Repeated requests that were answered from memory", "serial", "kind"
        )
        self._auth_failures = make.counter(
            "tse_gateway_auth_failures", "Requests without the right API token", "reason"
        )
        for reason in _UNAUTHORIZED:
            self._auth_failures.labels(reason)

    def adopt(self, serial: str) -> None:
        """Show the series of this TSE from now on, as 0."""
        for kind in _REPEATS:
            self._replayed.labels(serial, kind)

    def answered(self, route: str, status: int, seconds: float | None) -> None:
        """Count one answered request by the pattern of its path; `seconds` is `None` for one that lasts as asked."""
        self._answered_of(route, str(status)).inc()
        if seconds is not None:
            self._seconds_of(route).observe(seconds, exemplar())

    def refused(self, serial: str, error: GatewayError) -> None:
        """Count a request that ended with `error`; `serial` is empty unless the TSE is known to be ours."""
        self._refused.labels(serial, result_of(error)).inc()

    def replayed(self, serial: str, kind: Repeat) -> None:
        """Count a request that was answered from memory: a till sent it again, or its key was used before."""
        self._replayed.labels(serial, kind).inc()

    def unauthorized(self, reason: Unauthorized) -> None:
        """Count a request without a token, with a wrong one, or refused unseen after too many wrong ones."""
        self._auth_failures.labels(reason).inc()
