"""What a scrape tells of archives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.archive.collector import ArchiveCollector
from gateway.fleet.outages.log import OutageLog
from tests.archive.conftest import Shop
from tests.archive.test_trouble import flip

Scrape = Callable[[str], float | None]


@pytest.fixture
def outages(shop: Shop, tmp_path: Path) -> OutageLog:
    made = OutageLog(tmp_path)
    made.seen(shop.serial, shop.now.timestamp())
    return made


@pytest.fixture
def scrape(shop: Shop, outages: OutageLog) -> Scrape:
    def now() -> float:
        return shop.now.timestamp()

    shop.metrics.registry.register(ArchiveCollector(shop.archives, outages, now=now))

    def value(name: str) -> float | None:
        return shop.metrics.registry.get_sample_value(f"tse_gateway_archive_{name}", {"serial": shop.serial})

    return value


async def test_a_tse_that_was_never_archived_is_missed_from_its_first_sight(shop: Shop, scrape: Scrape) -> None:
    await shop.archives.of(shop.device)
    shop.after(hours=30)
    assert scrape("age_seconds") == 30 * 3600
    assert (scrape("last_success_timestamp_seconds"), scrape("last_attempt_timestamp_seconds")) == (0, 0)
    assert (scrape("segments"), scrape("bytes"), scrape("last_signature")) == (0, 0, 0)
    assert (scrape("verified"), scrape("verify_failures_total"), scrape("runs_total")) == (1, 0, None)


async def test_an_archive_is_shown_as_it_is(shop: Shop, scrape: Scrape) -> None:
    await shop.sell(2)
    await shop.run()
    shop.after(hours=1)
    (segment,) = await shop.segments()
    assert scrape("age_seconds") == 3600
    assert scrape("last_success_timestamp_seconds") == shop.now.timestamp() - 3600
    assert (scrape("bytes"), scrape("segments"), scrape("messages")) == (segment.size, 1, segment.messages)
    assert scrape("last_signature") == segment.last_counter
    duration = scrape("duration_seconds")
    assert duration is not None
    assert duration > 0


async def test_an_error_counts_and_an_archive_that_was_not_brought_up_to_date_grows_old(
    shop: Shop, scrape: Scrape
) -> None:
    await shop.run()
    flip(shop.folder / "0001-000001.tar")
    shop.after(days=1)
    await shop.run()
    assert (scrape("verified"), scrape("verify_failures_total"), scrape("age_seconds")) == (0, 1, 86_400)
    assert scrape("last_attempt_timestamp_seconds") == shop.now.timestamp()


async def test_counts_of_errors_outlast_a_restart(shop: Shop, outages: OutageLog) -> None:
    await shop.run()
    flip(shop.folder / "0001-000001.tar")
    await shop.run()
    archives = shop.restart()
    await archives.open()
    (families,) = [
        family
        for family in ArchiveCollector(archives, outages).collect()
        if family.name == "tse_gateway_archive_verify_failures"
    ]
    assert [sample.value for sample in families.samples] == [1]


async def test_nobody_misses_the_archive_of_a_tse_that_is_retired(
    shop: Shop, scrape: Scrape, outages: OutageLog
) -> None:
    await shop.run()
    assert scrape("age_seconds") == 0
    outages.known.discard(shop.serial)
    assert scrape("age_seconds") is None
