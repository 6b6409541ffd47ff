"""A TSE that is gone for good is missed no longer."""

from pathlib import Path

import pytest

from gateway.errors import UnknownDevice
from gateway.fleet.outages.log import OutageLog
from gateway.operations.outage_report import OutageQuery, OutageReports, TseInUse
from tests.operations.conftest import Shop
from tests.support import NOW
from tests.texts import said


@pytest.fixture
def outages(tmp_path: Path) -> OutageLog:
    (tmp_path / "state").mkdir()
    return OutageLog(tmp_path / "state")


@pytest.fixture
def reports(shop: Shop, outages: OutageLog) -> OutageReports:
    return OutageReports(outages, shop.registry, "site", now=lambda: float(NOW))


async def test_a_tse_that_works_is_not_gone(shop: Shop, outages: OutageLog, reports: OutageReports) -> None:
    outages.begin(shop.serial, "hung", NOW - 60)
    with pytest.raises(TseInUse):
        await reports.retire(shop.serial)
    assert list(outages.open) == [shop.serial]


async def test_a_tse_that_is_gone_ends_its_outage_which_is_kept(
    shop: Shop, outages: OutageLog, reports: OutageReports, tmp_path: Path
) -> None:
    outages.seen(shop.serial, NOW - 70)
    outages.begin(shop.serial, "unplugged", NOW - 60)
    await shop.registry.devices()[0].let_go(said("the TSE was unplugged"))
    await reports.retire(shop.serial.lower())
    (outage,) = OutageLog(tmp_path / "state").all()
    assert (outage.serial, outage.began, outage.ended) == (shop.serial, NOW - 60, NOW)
    report = await reports.report(OutageQuery())
    assert (report.site, report.made, report.outages) == ("site", NOW, (outage,))
    with pytest.raises(UnknownDevice):
        await reports.retire("FF" * 32)
