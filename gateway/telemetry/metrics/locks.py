"""Who waits for a TSE's lock, for how long, and how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.telemetry.metrics.series import WAITING_SECONDS, Series, exemplar, kept

_EXPIRED = ("silent", "orphaned", "too_long", "broken")


class LockMetrics:
    """Series of the locks of all TSEs."""

    def __init__(self, make: Series) -> None:
        self._waiting = make.gauge("tse_gateway_lock_waiting", "Clients that wait for the lock", "serial")
        self._held_since = make.gauge(
            "tse_gateway_lock_held_since_timestamp_seconds", "When the lock was granted; 0 while it is free", "serial"
        )
        self._wait_seconds = make.histogram(
            "tse_gateway_lock_wait_seconds", "Time until a client got the lock", WAITING_SECONDS, "serial"
        )
        self._held_seconds = make.histogram(
            "tse_gateway_lock_held_seconds", "Time a client held the lock", WAITING_SECONDS, "serial"
        )
        self._waiting_of, self._held_since_of = kept(self._waiting), kept(self._held_since)
        self._wait_seconds_of, self._held_seconds_of = kept(self._wait_seconds), kept(self._held_seconds)
        self._refused = make.counter("tse_gateway_lock_refused", "Clients that waited in vain", "serial")
        self._expired = make.counter(
            "tse_gateway_lock_expired", "Locks taken away from their holders, by the reason", "serial", "reason"
        )

    def adopt(self, serial: str) -> None:
        """Show the series of this TSE from now on, as 0."""
        for family in (self._waiting, self._held_since, self._wait_seconds, self._held_seconds, self._refused):
            family.labels(serial)
        for reason in _EXPIRED:
            self._expired.labels(serial, reason)

    @contextmanager
    def waiting(self, serial: str) -> Iterator[None]:
        """Count a client as waiting for the lock within the block."""
        with self._waiting_of(serial).track_inprogress():
            yield

    def granted(self, serial: str, waited: float) -> None:
        """Note that somebody got the lock after `waited` seconds."""
        self._wait_seconds_of(serial).observe(waited, exemplar())
        self._held_since_of(serial).set_to_current_time()

    def released(self, serial: str, held: float) -> None:
        """Note that the lock is free after `held` seconds, whatever ended it."""
        self._held_seconds_of(serial).observe(held, exemplar())
        self._held_since_of(serial).set(0)

    def refused(self, serial: str) -> None:
        """Count a client that waited for the lock in vain."""
        self._refused.labels(serial).inc()

    def expired(self, serial: str, reason: str) -> None:
        """Count a lock that the gateway took away: the holder was "silent" or "orphaned"."""
        self._expired.labels(serial, reason).inc()
