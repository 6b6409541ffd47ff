"""When archives are written."""

from datetime import UTC, datetime, time, timedelta

import pytest

from gateway.archive.schedule import ArchiveSchedule, due
from gateway.fleet.maintenance.schedule import Night
from gateway.tse.commands import SelfTest
from tests.archive.conftest import EVENING, Shop
from tests.support import CLIENT
from tests.texts import said

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("complete", "night", "quiet", "expected"),
    [
        (24 * HOUR, 0.5 * HOUR, False, True),  # at night, whatever tills do
        (0.2 * HOUR, 0.5 * HOUR, True, False),  # done already
        (0.6 * HOUR, 0.5 * HOUR, True, True),  # by hand, before this night began
        (23 * HOUR, 5 * HOUR, True, False),  # by day there is time until it is a day old
        (25 * HOUR, 5 * HOUR, True, True),
        (25 * HOUR, 5 * HOUR, False, False),  # but only at rest
        (-30 * HOUR, 5 * HOUR, True, True),  # the clock was set back
        (-30 * HOUR, 0.5 * HOUR, False, False),
        (-0.1 * HOUR, 0.5 * HOUR, True, False),
    ],
)
def test_at_night_or_at_rest_when_a_day_is_over(
    complete: timedelta, night: timedelta, quiet: bool, expected: bool
) -> None:
    assert due(NOW - complete, NOW, night, quiet=quiet) is expected


@pytest.fixture
def schedule(shop: Shop) -> ArchiveSchedule:
    night = Night(time(3, 30), jitter=1800)
    return ArchiveSchedule(
        shop.archives, shop.registry, night, local_time=lambda: shop.now, monotonic=shop.now.timestamp
    )


def to(shop: Shop, hour: int, minute: int = 0) -> None:
    """Later, at this time of the day."""
    wanted = shop.now.replace(hour=hour, minute=minute)
    shop.now = wanted if wanted >= shop.now else wanted + timedelta(days=1)


async def test_each_night_what_was_sold_by_day_is_kept(shop: Shop, schedule: ArchiveSchedule) -> None:
    await schedule.run_due()
    assert (await shop.status()).first_seen == EVENING
    assert (await shop.status()).last_attempt is None  # not at the first sight
    for night in (1, 2):
        to(shop, 4, 5)  # half an hour and the jitter of this TSE later it is its time
        await shop.sell(1)
        await schedule.run_due()
        assert (await shop.status()).last_success == shop.now
        assert len(await shop.segments()) == night
        shop.after(minutes=20)
        await schedule.run_due()
        assert (await shop.status()).last_success != shop.now
        to(shop, 20)


async def test_a_night_that_was_missed_is_made_up_for_by_day_at_rest(
    shop: Shop, schedule: ArchiveSchedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    await schedule.run_due()
    shop.after(hours=25)  # the gateway did not run at night
    monkeypatch.setattr(type(shop.device), "quiet_for", 1.0)
    await schedule.run_due()
    assert (await shop.status()).last_success is None
    monkeypatch.setattr(type(shop.device), "quiet_for", 60.0)
    await schedule.run_due()
    assert (await shop.status()).last_success == shop.now


async def test_after_a_failure_it_is_tried_again_but_not_at_once(shop: Shop) -> None:
    clock = 0.0
    schedule = ArchiveSchedule(
        shop.archives, shop.registry, Night(), local_time=lambda: shop.now, monotonic=lambda: clock
    )
    await schedule.run_due()
    to(shop, 4, 5)
    shop.tse.power_cycle()
    await shop.device.read_info()
    for moment, attempts in ((0.0, 1), (59.0, 1), (61.0, 2), (170.0, 2), (182.0, 3)):
        clock = moment
        await schedule.run_due()
        failed = shop.metrics.registry.get_sample_value(
            "tse_gateway_archive_runs_total", {"serial": shop.serial, "result": "store_closed"}
        )
        assert failed == attempts
    await shop.device.command(SelfTest(CLIENT).encode())
    await shop.device.read_info()
    await schedule.run_due()  # what was waited for is there
    assert (await shop.status()).last_success == shop.now


async def test_a_tse_that_is_away_is_not_asked(shop: Shop, schedule: ArchiveSchedule) -> None:
    await schedule.run_due()
    to(shop, 4, 5)
    await shop.device.let_go(said("the TSE was unplugged"))
    await schedule.run_due()
    assert (await shop.status()).last_attempt is None
