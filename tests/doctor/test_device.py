"""What the API tells of a TSE, and what the doctor makes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.checks import CheckStatus, Layer
from gateway.doctor.device import examine

WELL: dict[str, Any] = {
    "serial": "AB" * 32,
    "place": "/dev/sdb",
    "state": "ready",
    "reason": "",
    "lifecycle": "initialized",
    "software_version": "1.1.0",
    "health": {"needs_replacement": False},
    "self_test_passed": True,
    "self_test_due_seconds": 80_000,
    "valid_time": True,
    "pin_tries_left": {},
    "login_objection": "",
    "found_ahead": "2020-01-01T00:00:00Z",
    "credentials_changed": True,
    "registered_clients": 3,
    "max_registered_clients": 100,
    "certificate_expires": "2030-01-01T00:00:00Z",
    "certificate_days_left": 1000,
    "store_used_percent": 3.0,
    "signatures_left_percent": 97.0,
}
WARN, FAIL = CheckStatus.WARN, CheckStatus.FAIL


def days_ahead(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days)).isoformat()


def test_a_tse_that_is_well() -> None:
    assert {result.status for result in examine(WELL)} == {CheckStatus.OK}


@pytest.mark.parametrize(
    ("changed", "layer", "status"),
    [
        ({"state": "failed", "reason": "the TSE hangs"}, Layer.INFO, FAIL),
        ({"lifecycle": "decommissioned"}, Layer.INFO, FAIL),
        ({"health": {"needs_replacement": True}}, Layer.INFO, FAIL),
        ({"health": {"needs_replacement": False, "remaining_erases_percent": 9}}, Layer.INFO, WARN),
        ({"found_ahead": datetime.now(UTC).isoformat()}, Layer.INFO, WARN),
        ({"self_test_due_seconds": 3000}, Layer.SELF_TEST, WARN),
        ({"pin_tries_left": {"admin": 2, "time_admin": 1}}, Layer.PINS, FAIL),
        ({"pin_tries_left": {"puk": 0}}, Layer.PINS, FAIL),
        ({"puk_blocked_seconds": {"logger": 4}}, Layer.PINS, WARN),
        ({"login_objection": "the PIN is another one"}, Layer.PINS, WARN),
        ({"credentials_changed": False}, Layer.PINS, WARN),
        ({"registered_clients": 92}, Layer.CLIENTS, WARN),
        ({"certificate_days_left": 120}, Layer.CERTIFICATE, WARN),
        ({"certificate_days_left": 29}, Layer.CERTIFICATE, FAIL),
        ({"certificate_expires": "2020-01-01T00:00:00Z"}, Layer.CERTIFICATE, FAIL),
        ({"product_certified_until": days_ahead(120)}, Layer.CERTIFICATE, WARN),
        ({"product_certified_until": days_ahead(-1)}, Layer.CERTIFICATE, FAIL),
        ({"store_used_percent": 85.0}, Layer.STORE, WARN),
        ({"store_used_percent": 99.0}, Layer.STORE, FAIL),
        ({"signatures_left_percent": 5.0}, Layer.STORE, WARN),
        ({"signatures_left_percent": 1.0}, Layer.STORE, FAIL),
        ({"signatures_left_percent": 1.0, "store_used_percent": 85.0}, Layer.STORE, FAIL),
    ],
)
def test_one_layer_and_no_other_is_not_well(changed: dict[str, Any], layer: Layer, status: CheckStatus) -> None:
    unwell = [result for result in examine(WELL | changed) if result.status in {WARN, FAIL}]
    assert [(result.layer, result.status) for result in unwell] == [(layer, status)]
    for language in ("en", "de"):
        assert unwell[0].text_in(language)
        assert unwell[0].remedy_in(language)


def test_it_tells_who_is_logged_in_until_when_the_product_is_certified_and_of_translated_tills() -> None:
    until = days_ahead(1000)
    given = {"logged_in_user": "time_admin", "product_certified_until": until, "old_tills": True}
    found = {result.layer: result.text_in("en") for result in examine(WELL | given) if result.status is CheckStatus.OK}
    assert "time_admin is logged in" in found[Layer.PINS]
    assert f"the product is certified until {until}" in found[Layer.CERTIFICATE]
    assert "are translated" in found[Layer.INFO]
