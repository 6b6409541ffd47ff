"""The limits beyond which something needs attention: the status page, the doctor, alerts and dashboards share them.

`compose/monitoring/rules.yaml` holds the same figures; `tests/monitoring/test_limits.py` compares them.
"""

from typing import NamedTuple

HOUR, DAY = 3600.0, 86_400.0


class AtLeast(NamedTuple):
    """A value should not fall below `warning`; below `critical` something must be done now."""

    warning: float
    critical: float

    def warns(self, value: float) -> bool:
        """Return whether the value needs attention."""
        return value < self.warning

    def is_critical(self, value: float) -> bool:
        """Return whether something must be done now."""
        return value < self.critical


class AtMost(NamedTuple):
    """A value should not rise above `warning`; above `critical` something must be done now."""

    warning: float
    critical: float

    def warns(self, value: float) -> bool:
        """Return whether the value needs attention."""
        return value > self.warning

    def is_critical(self, value: float) -> bool:
        """Return whether something must be done now."""
        return value > self.critical


# ---- a TSE; shares are 0 to 1 -----------------------------------------------

CERTIFICATE_LEFT = AtLeast(180 * DAY, 30 * DAY)  # seconds; to order, install and report a new TSE takes weeks
SIGNATURES_LEFT = AtLeast(0.10, 0.02)  # share of all that it can make
STORE_USED = AtMost(0.80, 0.95)  # share of its blocks
CLIENTS_REGISTERED = AtMost(0.90, 1.0)  # share of the clients that it takes
FLASH_ERASES_LEFT = AtLeast(0.10, 0.02)  # share of the erase cycles; 2 % is the vendor's limit for a replacement
SELF_TEST_DUE = AtLeast(2 * HOUR, 10 * 60)  # seconds
TIME_SYNC_DUE = AtLeast(120, 30)  # seconds
FOUND_AHEAD_AGO = AtLeast(7 * DAY, 0)  # seconds; as long as keys may be repeated, and people look
PIN_TRIES_LEFT = AtLeast(3, 2)  # of three

# ---- the gateway ------------------------------------------------------------

TLS_CERTIFICATE_LEFT = AtLeast(21 * DAY, 7 * DAY)  # seconds
ARCHIVE_AGE = AtMost(26 * HOUR, 7 * DAY)  # seconds; it is brought up to date each night
ARCHIVE_TARGET_LAG = AtMost(26 * HOUR, 7 * DAY)  # seconds that a segment waits for its copy beyond the machine
ARCHIVE_UNSTAMPED = AtMost(26 * HOUR, 7 * DAY)  # seconds that a manifest waits for a time stamp
CLOCK_OFFSET = AtMost(30, 120)  # seconds between the clock and the time servers
DISK_FREE = AtLeast(2**30, 32 * 2**20)  # bytes; an archive grows, and the journal must be written
