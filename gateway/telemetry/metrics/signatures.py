"""What each TSE signs, and for what: tills sell, upkeep logs in and sets the time, and each costs signatures."""

import time
from typing import Literal

from gateway.telemetry.metrics.series import Series

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
        """How many more than ever before were for maintenance; a `total` read too early or too late is made up for."""
        more = max(0, total - self._before - self._sales - self._maintenance)
        self._maintenance += more
        return more


class SignatureMetrics:
    """Of all TSEs."""

    def __init__(self, make: Series) -> None:
        self._accounts: dict[str, _Account] = {}
        self._signed = make.counter(
            "tse_signatures", "Signatures since the gateway started, for tills or for all the rest", "serial", "cause"
        )
        self._settled = make.counter(
            "tse_lost_signatures", "Signatures whose answer was lost, as the TSE told afterwards", "serial", "outcome"
        )
        self._clock_offset = make.gauge(
            "tse_clock_offset_seconds", "By how much the time in the last signature was ahead of our clock", "serial"
        )

    def adopt(self, serial: str) -> None:
        """From now on there is something to tell of this TSE."""
        for cause in (SALE, MAINTENANCE):
            self._signed.labels(serial, cause)
        for outcome in _OUTCOMES:
            self._settled.labels(serial, outcome)

    def sold(self, serial: str) -> None:
        """The TSE signed one step of a till's transaction."""
        self._signed.labels(serial, SALE).inc()
        if serial in self._accounts:
            self._accounts[serial].sold()

    def made_for_tills(self) -> dict[str, int]:
        """How many each TSE made for tills since the start."""
        samples = [sample for family in self._signed.collect() for sample in family.samples]
        return {tse.labels["serial"]: int(tse.value) for tse in samples if tse.labels["cause"] == SALE}

    def counted(self, serial: str, total: int) -> None:
        """The TSE told how many signatures it made in its life."""
        account = self._accounts.setdefault(serial, _Account(total))
        self._signed.labels(serial, MAINTENANCE).inc(account.maintained(total))

    def dated(self, serial: str, moment: int) -> None:
        """A signature made just now bears this time, in Unix seconds."""
        self._clock_offset.labels(serial).set(moment - time.time())

    def settled(self, serial: str, outcome: Outcome) -> None:
        """The answer to a signature was lost; this is what the TSE told of it afterwards."""
        self._settled.labels(serial, outcome).inc()
