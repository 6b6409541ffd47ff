"""How long a TSE lasts, computed from its figures."""

from gateway.operations.forecast import Forecast, Origin, _forecast
from gateway.tse.info import TseInfo

DAY = 86_400
INFO = TseInfo(
    serial=bytes(32),
    public_key=b"",
    created_signatures=1010,
    max_signatures=21_040,
    used_blocks=5_100,
    capacity_blocks=105_100,
)
ORIGIN = Origin(moment=1_700_000_000, counter=10, block=100)


def at(days: float) -> float:
    return ORIGIN.moment + days * DAY


def test_signatures_and_store_grow_on_as_until_now() -> None:
    assert _forecast(INFO, ORIGIN, at(10)) == Forecast(
        since=ORIGIN.moment,
        signatures_per_day=100.0,
        blocks_per_day=500.0,
        signatures_days_left=200.3,
        store_days_left=200.0,
    )


def test_a_day_is_the_least_that_tells_of_years() -> None:
    assert _forecast(INFO, ORIGIN, at(0.99)) is None
    assert _forecast(INFO, ORIGIN, at(1)) is not None


def test_what_lasts_for_a_century_has_no_end() -> None:
    idle = Origin(ORIGIN.moment, INFO.created_signatures, INFO.used_blocks)
    assert _forecast(INFO, idle, at(10)) == Forecast(ORIGIN.moment, 0.0, 0.0, None, None)
    slow = _forecast(INFO, Origin(ORIGIN.moment, 1000, 5_000), at(20))
    assert slow == Forecast(ORIGIN.moment, 0.5, 5.0, None, 20_000.0)


def test_a_store_that_shrank_or_is_full_makes_no_negative_figures() -> None:
    later = Origin(ORIGIN.moment, INFO.created_signatures + 1, INFO.used_blocks + 1)
    assert _forecast(INFO, later, at(10)) == Forecast(ORIGIN.moment, 0.0, 0.0, None, None)
    full = TseInfo(serial=bytes(32), public_key=b"", created_signatures=20, used_blocks=200)
    assert _forecast(full, ORIGIN, at(1)) == Forecast(ORIGIN.moment, 10.0, 100.0, 0.0, 0.0)
