"""Whether a TSE can sign now, by its last reading; the TSE is not asked."""

import time

from gateway.fleet.device import UNPLUGGED, Device
from gateway.i18n.remedies import NOT_SIGNING
from gateway.i18n.text import NOTHING, Text
from gateway.tse.info import Lifecycle, TseInfo


def _english(*reasons: str) -> dict[str, str]:
    return {reason: NOT_SIGNING[reason].text.en for reason in reasons}


FAILURES = _english(
    UNPLUGGED,
    "device_gone",
    "device_timeout",
    "device_error",
    "response_missing",
    "power_cycle",
    "protocol_error",
    "stopped",
)
LACKS = _english(
    "answer_late",
    "decommissioned",
    "not_set_up",
    "certificate_expired",
    "no_signatures_left",
    "no_self_test",
    "store_full",
    "signing_off",
    "no_time",
)
REASONS = FAILURES | LACKS
ABSENT = "absent"  # seen by an earlier run of the gateway, and not there since this one began
TEXTS = REASONS | _english(ABSENT)
# No outage begins with these: nobody has set the TSE up, or it waits for what tills do when they open; the answer of
# one that is late may come.
# One that has begun goes on meanwhile, until the TSE can sign.
_NO_OUTAGE = frozenset({"answer_late", "not_set_up", "decommissioned", "no_self_test", "no_time", "stopped"})
OUTAGES = REASONS.keys() - _NO_OUTAGE | {ABSENT}


def lack(device: Device) -> str:
    """Return the gravest reason why the TSE cannot sign, a key of `REASONS`; empty if it can sign."""
    if device.failed.is_set():
        return device.failure if device.failure in FAILURES else "device_error"
    return "answer_late" if device.late else _lack_of(device.info, time.time())


def lack_text(device: Device) -> Text:
    """Return the same in words, with what the driver told of a failure; empty if it can sign."""
    known = NOT_SIGNING.get(lack(device))
    return device.reason or (NOTHING if known is None else known.text)


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
