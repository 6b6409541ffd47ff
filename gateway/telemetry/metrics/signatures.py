"""Signatures of each TSE by their cause: tills sell, maintenance logs in and sets the time."""

import time
from typing import Literal

from gateway.telemetry.metrics.series import Series, kept

SALE, MAINTENANCE = "sale", "maintenance"
Outcome = Literal["signed", "not_signed", "unknown"]
_OUTCOMES: tuple[Outcome, ...] = ("signed", "not_signed", "unknown")


class _Account:
    """Signatures of one TSE since it was first seen; `total` is its own count."""

    def __init__(self, total: int) -> None:
        self._before = total
        self._sales = 0
        self._maintenance = 0

    def sold(self) -> None:
        self._sales += 1

    def maintained(self, total: int) -> int:
        """Return how many more were for maintenance; a `total` read too early or too late is made up for."""
        more = max(0, total - self._before - self._sales - self._maintenance)
        self._maintenance += more
        return more


class SignatureMetrics:
    """Series of the signatures of all TSEs."""

    def __init__(self, make: Series) -> None:
        self._accounts: dict[str, _Account] = {}
        self._signed = make.counter(
            "tse_signatures", "Signatures since the gateway started, for tills or for all the rest", "serial", "cause"
        )
        self._signed_of = kept(self._signed)
        self._settled = make.counter(
            "tse_lost_signatures", "Signatures whose answer was lost, as the TSE told afterwards", "serial", "outcome"
        )
        self._found_ahead = make.gauge(
            "tse_found_ahead_timestamp_seconds",
            "When the TSE last held transactions that this gateway does not know",
            "serial",
        )
        self._clock_offset = make.gauge(
            "tse_clock_offset_seconds", "By how much the time in the last signature was ahead of our clock", "serial"
        )
        self._clock_offset_of = kept(self._clock_offset)

    def adopt(self, serial: str) -> None:
        """Show the series of this TSE from now on, as 0."""
        for cause in (SALE, MAINTENANCE):
            self._signed.labels(serial, cause)
        for outcome in _OUTCOMES:
            self._settled.labels(serial, outcome)

    def sold(self, serial: str) -> None:
        """Count one signed step of a till's transaction."""
        self._signed_of(serial, SALE).inc()
        if serial in self._accounts:
            self._accounts[serial].sold()

    def made_for_tills(self) -> dict[str, int]:
        """Return how many signatures each TSE made for tills since the start."""
        samples = [sample for family in self._signed.collect() for sample in family.samples]
        return {tse.labels["serial"]: int(tse.value) for tse in samples if tse.labels["cause"] == SALE}

    def counted(self, serial: str, total: int) -> None:
        """Note how many signatures the TSE made in its life."""
        account = self._accounts.setdefault(serial, _Account(total))
        self._signed_of(serial, MAINTENANCE).inc(account.maintained(total))

    def dated(self, serial: str, moment: int) -> None:
        """Note the time in a signature made just now, in Unix seconds."""
        self._clock_offset_of(serial).set(moment - time.time())

    def found_ahead(self, serial: str, moment: int) -> None:
        """Note when the TSE was found to hold transactions that this gateway does not know, in Unix seconds."""
        self._found_ahead.labels(serial).set(moment)

    def settled(self, serial: str, outcome: Outcome) -> None:
        """Count a signature whose answer was lost, by what the TSE told of it afterwards."""
        self._settled.labels(serial, outcome).inc()
