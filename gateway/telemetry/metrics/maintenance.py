"""What keeps a TSE able to sign: self test, time, PINs that are not used up."""

import time
from contextlib import suppress
from typing import Literal

from gateway.telemetry.metrics.series import Series
from gateway.tse.pins import PinOwner

MaintenanceTask = Literal["self_test", "set_time"]
_TASKS: tuple[MaintenanceTask, ...] = ("self_test", "set_time")


class MaintenanceMetrics:
    """Series of the maintenance of all TSEs."""

    def __init__(self, make: Series) -> None:
        self._runs = make.counter(
            "tse_upkeep_runs", "What the gateway did for the TSE by itself", "serial", "duty", "result"
        )
        self._archive_runs = make.counter(
            "tse_gateway_archive_runs", "Runs that bring the archive up to date, by outcome", "serial", "result"
        )
        self._upload_failures = make.counter(
            "tse_gateway_archive_target_failures",
            "Uploads of the archive to a target that failed, by reason",
            *("serial", "target", "reason"),
        )
        self._done_at = {
            "self_test": make.gauge(
                "tse_self_test_timestamp_seconds", "When the TSE last passed its self test, whoever ran it", "serial"
            ),
            "set_time": make.gauge(
                "tse_time_set_timestamp_seconds", "When the TSE was last given the time, by whomever", "serial"
            ),
        }
        self._pin_tries = make.gauge(
            "tse_pin_tries_left", "Tries of a PIN or PUK; only there after a wrong one", "serial", "user"
        )
        self._pin_blocked = make.gauge(
            "tse_pin_blocked", "1 if a PIN or PUK has no try left, as far as the gateway saw", "serial", "user"
        )

    def adopt(self, serial: str) -> None:
        """Show the series of this TSE from now on, as 0."""
        for task in _TASKS:
            self._runs.labels(serial, task, "ok")
        self._archive_runs.labels(serial, "ok")
        for owner in (PinOwner.PUK, PinOwner.ADMIN, PinOwner.TIME_ADMIN):
            self._pin_blocked.labels(serial, owner)

    def ran(self, serial: str, task: MaintenanceTask, result: str) -> None:
        """Count a task that the gateway ran (or tried) by itself."""
        self._runs.labels(serial, task, result).inc()

    def done(self, serial: str, task: MaintenanceTask) -> None:
        """Note that the TSE passed its self test, or took the time, just now."""
        self._done_at[task].labels(serial).set(time.time())

    def archived(self, serial: str, result: str) -> None:
        """Count a run of the archive; `result` is ok or the code of the error."""
        self._archive_runs.labels(serial, result).inc()

    def upload_failed(self, serial: str, target: str, reason: str) -> None:
        """Count an upload to a target that failed; `reason` is the code of the error."""
        self._upload_failures.labels(serial, target, reason).inc()

    def pin_tries(self, serial: str, owner: PinOwner, left: int | None) -> None:
        """Show the tries of a PIN or PUK that are left; `None` when none is lost."""
        self._pin_blocked.labels(serial, owner).set(left == 0)
        if left is not None:
            self._pin_tries.labels(serial, owner).set(left)
        else:
            with suppress(KeyError):
                self._pin_tries.remove(serial, owner)
