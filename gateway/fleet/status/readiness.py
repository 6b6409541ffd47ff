"""Can a TSE sign now? From the last reading; nobody is asked."""

import time

from gateway.fleet.device import UNPLUGGED, Device
from gateway.tse.info import Lifecycle, TseInfo

FAILURES = {
    UNPLUGGED: "the TSE was unplugged",
    "device_gone": "the TSE cannot be reached",
    "device_timeout": "the TSE does not answer",
    "device_error": "the TSE does not work",
    "response_missing": "the TSE answered to something else",
    "power_cycle": "the TSE lost power",
    "protocol_error": "the TSE answered nonsense",
    "stopped": "the gateway stops",
}
LACKS = {
    "decommissioned": "the TSE is decommissioned",
    "not_set_up": "the TSE is not set up yet",
    "certificate_expired": "the certificate of the TSE has expired",
    "no_signatures_left": "the TSE has made all its signatures",
    "no_self_test": "the TSE needs its self test",
    "store_full": "the store of the TSE is full",
    "signing_off": "signing is switched off (CTSS)",
    "no_time": "the TSE needs the time",
}
REASONS = FAILURES | LACKS
ABSENT = "absent"  # seen by an earlier run of the gateway, and not there since this one began
TEXTS = REASONS | {ABSENT: "the TSE is missing since the gateway was started"}
# No outage: a TSE that nobody has set up, or one that waits for what tills do when they open.
_NO_OUTAGE = frozenset({"not_set_up", "decommissioned", "no_self_test", "no_time", "stopped"})
OUTAGES = REASONS.keys() - _NO_OUTAGE | {ABSENT}


def lack(device: Device) -> str:
    """What keeps the TSE from signing, a key of `REASONS`, the gravest first; empty when it can sign."""
    if device.failed.is_set():
        return device.failure if device.failure in FAILURES else "device_error"
    return _lack_of(device.info, time.time())


def _lack_of(info: TseInfo, now: float) -> str:
    lacks = {
        "decommissioned": info.lifecycle == Lifecycle.DECOMMISSIONED,
        "not_set_up": info.lifecycle not in {Lifecycle.INITIALIZED, Lifecycle.DECOMMISSIONED},
        "certificate_expired": info.certificate_expires <= now,
        "no_signatures_left": info.remaining_signatures == 0,
        "no_self_test": not info.self_test_passed,  # before it the TSE says that signing is off, which it may not be
        "store_full": info.ctss_active and info.used_blocks >= info.capacity_blocks,
        "signing_off": not info.ctss_active,
        "no_time": not info.valid_time,
    }
    return next((name for name, lacking in lacks.items() if lacking), "")
