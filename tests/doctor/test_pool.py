"""What the doctor says of a pool."""

from typing import Any

import pytest

from gateway.checks import CheckStatus, Layer
from gateway.doctor.pool import results

FIRST, SECOND = "AB" * 32, "CD" * 32


def state(*, since: str | None = None, **standby: Any) -> dict[str, Any]:
    """Return what the gateway tells of a pool of two."""
    primary = {"serial": FIRST, "role": "primary", "serves": since is None, "ready": True, "missing_clients": 0}
    other = {"serial": SECOND, "role": "standby", "serves": since is not None, "ready": True, "missing_clients": 0}
    serving = FIRST if since is None else SECOND
    return {"serving": serving, "standby_since": since, "after_seconds": 30, "tses": [primary, other | standby]}


def test_a_pool_whose_standby_could_step_in_is_in_order() -> None:
    (result,) = results(state())
    assert (result.layer, result.status) == (Layer.POOL, CheckStatus.OK)


@pytest.mark.parametrize(
    ("found", "text", "remedy"),
    [
        (state(since="2026-11-25T12:00:00Z"), "in place of the primary", "pool use"),
        (state(ready=False), "cannot sign", "other layers"),
        (state(missing_clients=2), "2 clients", "pool register"),
    ],
)
def test_a_standby_that_serves_or_could_not_is_a_warning(found: dict[str, Any], text: str, remedy: str) -> None:
    (result,) = results(found)
    assert (result.status, result.serial) == (CheckStatus.WARN, SECOND)
    assert text in result.text_in("en")
    assert remedy in result.remedy_in("en")


def test_a_pool_of_one_tse_has_no_standby() -> None:
    found = state()
    (result,) = results(found | {"tses": found["tses"][:1]})
    assert (result.status, "no standby" in result.text_in("en")) == (CheckStatus.WARN, True)
