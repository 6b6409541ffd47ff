"""Status page, doctor and alerts warn of the same things at the same moment."""

import math
import re
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway import limits
from gateway.checks import CheckStatus, Layer
from gateway.doctor.device import examine
from gateway.i18n.locales import Locale
from gateway.server.status_page.notices import notices
from tests.doctor.test_device import WELL
from tests.monitoring.test_rules import ALERTS
from tests.server.status_page.test_view import GOOD, INFO

_COMPARISON = re.compile(r"(<=?|>=?) ([\d.]+(?: \* \d+)?)(?= |\n|$)")
# By alert: the limits that its first comparisons have, and the severity.
EXPECTED: dict[str, tuple[tuple[float, ...], str]] = {
    "TseCertificateExpires180": ((limits.CERTIFICATE_LEFT.warning,), "warning"),
    "TseCertificateExpires30": ((limits.CERTIFICATE_LEFT.critical,), "critical"),
    "TseProductCertificateEnds": ((limits.CERTIFICATE_LEFT.warning,), "warning"),
    "TseProductCertificateEnds30": ((limits.CERTIFICATE_LEFT.critical,), "critical"),
    "TseSignaturesLow": (limits.SIGNATURES_LEFT, "warning"),
    "TseSignaturesNearlyUsedUp": ((limits.SIGNATURES_LEFT.critical,), "critical"),
    "TseStoreFilling": (limits.STORE_USED, "warning"),
    "TseStoreNearlyFull": ((limits.STORE_USED.critical,), "critical"),
    "TseClientsNearMax": ((limits.CLIENTS_REGISTERED.warning,), "warning"),
    "TseFlashWear": ((limits.FLASH_ERASES_LEFT.warning,), "warning"),
    "TseSelfTestDueSoon": ((limits.SELF_TEST_DUE.warning,), "warning"),
    "TseTimeSyncOverdue": ((limits.TIME_SYNC_DUE.warning,), "warning"),
    "TseFoundAhead": ((limits.FOUND_AHEAD_AGO.warning,), "warning"),
    "TsePinTriesLow": ((0, limits.PIN_TRIES_LEFT.warning), "critical"),
    "GatewayTlsExpiry": (limits.TLS_CERTIFICATE_LEFT, "warning"),
    "GatewayTlsExpiresSoon": ((limits.TLS_CERTIFICATE_LEFT.critical,), "critical"),
    "ArchiveTooOld": ((limits.ARCHIVE_AGE.warning,), "warning"),
    "ArchiveTooOld7d": ((limits.ARCHIVE_AGE.critical,), "critical"),
    "ArchiveTargetBehind": ((limits.ARCHIVE_TARGET_LAG.warning,), "warning"),
    "ArchiveTargetBehind7d": ((limits.ARCHIVE_TARGET_LAG.critical,), "critical"),
    "ArchiveNotStamped": ((limits.ARCHIVE_UNSTAMPED.warning,), "warning"),
    "GatewayClockOffset": ((limits.CLOCK_OFFSET.warning,), "warning"),
}


def comparisons(alert: str) -> list[tuple[str, float]]:
    """The comparisons with a number in its expression, in their order."""
    found = _COMPARISON.findall(ALERTS[alert]["expr"])
    return [(sign, math.prod(map(float, number.split(" * ")))) for sign, number in found]


@pytest.mark.parametrize("alert", EXPECTED)
def test_the_alerts_have_the_limits_of_the_page_and_the_doctor(alert: str) -> None:
    figures, severity = EXPECTED[alert]
    assert tuple(figure for _, figure in comparisons(alert))[: len(figures)] == pytest.approx(figures)
    assert ALERTS[alert]["labels"]["severity"] == severity


def alarm(days: float) -> CheckStatus:
    """What the alerts say of a certificate that ends in so many days."""
    holds = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}
    left = days * limits.DAY
    firing = [
        rule["labels"]["severity"]
        for name, rule in ALERTS.items()
        if name.startswith("TseCertificate") and all(holds[sign](left, figure) for sign, figure in comparisons(name))
    ]
    assert len(firing) <= 1
    return {"warning": CheckStatus.WARN, "critical": CheckStatus.FAIL}[firing[0]] if firing else CheckStatus.OK


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (181.5, CheckStatus.OK),
        (179.5, CheckStatus.WARN),
        (120.5, CheckStatus.WARN),
        (31.5, CheckStatus.WARN),
        (29.5, CheckStatus.FAIL),
        (5.5, CheckStatus.FAIL),
        (-1.0, CheckStatus.FAIL),
    ],
)
def test_a_certificate_that_ends_is_told_alike(days: float, expected: CheckStatus) -> None:
    now = time.time()
    ends = now + days * limits.DAY
    answer = {"certificate_expires": datetime.fromtimestamp(ends, UTC).isoformat(), "certificate_days_left": int(days)}
    (doctor,) = (result for result in examine(WELL | answer) if result.layer is Layer.CERTIFICATE)
    assert doctor.status is expected
    assert alarm(days) is expected
    if days > 0:  # an expired one is no notice: the TSE does not sign, and its card says so
        page = notices(replace(GOOD, info=replace(INFO, certificate_expires=int(ends))), Locale("en"), now)
        assert bool(page) == (expected is not CheckStatus.OK)
