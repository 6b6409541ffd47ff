"""The schedule of self test and time: how urgently a TSE needs them. Pure; the caller brings the clock."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import IntEnum

from gateway.tse.info import TseInfo

_DAY = timedelta(days=1)
NIGHT = timedelta(hours=2)
_TESTED_TONIGHT = timedelta(minutes=30)
_SELF_TEST_SOON, _SELF_TEST_URGENT = 3600.0, 600.0
# Shares of the delay that the TSE allows between two settings of its time.
_TIME_SOON, _TIME_URGENT = 0.2, 0.05


class Need(IntEnum):
    """How urgent a maintenance task is."""

    NONE = 0
    SOON = 1
    URGENT = 2
    LOST = 3  # nobody can sign


@dataclass(frozen=True, slots=True)
class Night:
    """The time in which self tests disturb nobody: two hours from `at` (local time) plus up to `jitter` seconds.

    Each TSE has a jitter of its own, the same every night: else nights would be longer than 24 hours.
    """

    at: time = time(3, 5)
    jitter: float = 1800.0

    def began(self, serial: str, now: datetime) -> timedelta:
        """Return how long ago, at `now` in local time, the last night of the TSE with this serial began."""
        shift = timedelta(seconds=int(serial[:8], 16) / 2**32 * self.jitter)
        return (now - datetime.combine(now.date(), self.at, now.tzinfo) - shift) % _DAY


def self_test_need(info: TseInfo, age: float, night: timedelta) -> Need:
    """Return the need of a self test; `age` is that of `info` in seconds, `night` the time since the last one began.

    The TSE refuses to sign 25 hours after its last self test (LAN-TSE protocol).
    """
    left = info.self_test_due_seconds - age
    if not info.self_test_passed or left <= 0:
        return Need.LOST
    if left <= _SELF_TEST_URGENT:
        return Need.URGENT
    lasts_till_next_night = left > (_DAY - night + _TESTED_TONIGHT).total_seconds()
    tonight = night < NIGHT and not lasts_till_next_night
    return Need.SOON if tonight or left <= _SELF_TEST_SOON else Need.NONE


def time_need(info: TseInfo, age: float) -> Need:
    """Return the need of the time; `age` is that of `info` in seconds. A TSE takes it only after its self test."""
    if not (info.self_test_passed and info.ctss_active):
        return Need.NONE
    left, delay = info.time_sync_due_seconds - age, info.max_time_sync_delay_seconds
    if not info.valid_time or left <= 0:
        return Need.LOST
    if left <= _TIME_URGENT * delay:
        return Need.URGENT
    return Need.SOON if left <= _TIME_SOON * delay else Need.NONE
