"""What the API tells of a TSE, and what the doctor makes of it."""

from typing import Any

import pytest

from gateway.doctor.device import examine
from gateway.doctor.findings import Layer, Verdict

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
    "credentials_changed": True,
    "registered_clients": 3,
    "max_registered_clients": 100,
    "certificate_expires": "2030-01-01T00:00:00Z",
    "certificate_days_left": 1000,
    "store_used_percent": 3.0,
    "signatures_left_percent": 97.0,
}
WARN, FAIL = Verdict.WARN, Verdict.FAIL


def test_a_tse_that_is_well() -> None:
    assert {finding.verdict for finding in examine(WELL)} == {Verdict.OK}


@pytest.mark.parametrize(
    ("changed", "layer", "verdict"),
    [
        ({"state": "failed", "reason": "the TSE hangs"}, Layer.INFO, FAIL),
        ({"lifecycle": "decommissioned"}, Layer.INFO, FAIL),
        ({"health": {"needs_replacement": True}}, Layer.INFO, FAIL),
        ({"self_test_due_seconds": 3000}, Layer.SELF_TEST, WARN),
        ({"pin_tries_left": {"admin": 2, "time_admin": 1}}, Layer.PINS, FAIL),
        ({"pin_tries_left": {"puk": 0}}, Layer.PINS, FAIL),
        ({"login_objection": "the PIN is another one"}, Layer.PINS, WARN),
        ({"credentials_changed": False}, Layer.PINS, WARN),
        ({"registered_clients": 92}, Layer.CLIENTS, WARN),
        ({"store_used_percent": 85.0}, Layer.STORE, WARN),
        ({"store_used_percent": 99.0}, Layer.STORE, FAIL),
        ({"signatures_left_percent": 5.0}, Layer.STORE, WARN),
        ({"signatures_left_percent": 1.0}, Layer.STORE, FAIL),
    ],
)
def test_one_layer_and_no_other_is_not_well(changed: dict[str, Any], layer: Layer, verdict: Verdict) -> None:
    unwell = [finding for finding in examine(WELL | changed) if finding.verdict in {WARN, FAIL}]
    assert [(finding.layer, finding.verdict) for finding in unwell] == [(layer, verdict)]
    for language in ("en", "de"):
        assert unwell[0].told(language)
        assert unwell[0].advice(language)
