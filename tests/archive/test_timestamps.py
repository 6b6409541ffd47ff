"""Time stamps on manifests, given and verified by openssl; one covers all manifests before it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.archive.collector import ArchiveCollector
from gateway.archive.targets.audit import audit
from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.restore import restore_archive
from gateway.archive.targets.upload import ArchiveUpload
from gateway.archive.timestamps import TimestampAuthority, Timestamps
from gateway.fleet.outages.log import OutageLog
from tests.archive.conftest import Shop
from tests.archive.timestamp_authority import Authority, authority, make_certificates


@pytest.fixture
async def openssl_authority(tmp_path: Path) -> AsyncIterator[Authority]:
    (tmp_path / "authority").mkdir()
    async with authority(tmp_path / "authority") as made:
        yield made


def of(shop: Shop, url: str, root: Path) -> Timestamps:
    return Timestamps(shop.archives, TimestampAuthority(url, [root]))


async def stamp(shop: Shop, stamps: Timestamps) -> bool:
    return await stamps.stamp(await shop.archives.of(shop.device))


async def test_the_newest_manifest_is_stamped_once_and_openssl_verifies_it(
    shop: Shop, openssl_authority: Authority
) -> None:
    stamps = of(shop, openssl_authority.url, openssl_authority.root)
    for _ in range(2):
        await shop.sell(1)
        await shop.run()
    assert await stamp(shop, stamps)
    assert [path.name for path in shop.folder.glob("*.tsr")] == ["0001-000002.tsr"]
    made, manifest = shop.folder / "0001-000002.tsr", shop.folder / "0001-000002.json"
    assert "Verification: OK" in openssl_authority.verify(made, manifest)
    assert "Verification: FAILED" in openssl_authority.verify(made, shop.folder / "0001-000001.json")
    before = made.read_bytes()
    assert await stamp(shop, stamps)
    assert made.read_bytes() == before
    status = await shop.status()
    assert status.stamp is not None
    assert (status.stamp.file, status.stamp.error, status.unstamped_since) == ("0001-000002.tar", None, None)
    file = await shop.archives.file(shop.serial, "0001-000002.tsr")
    assert b"".join([piece async for piece in file.read(0, file.size)]) == before


async def test_a_stamp_of_somebody_else_does_not_count(
    shop: Shop, openssl_authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "else").mkdir()
    make_certificates(tmp_path / "else")
    await shop.run()
    assert not await stamp(shop, of(shop, openssl_authority.url, tmp_path / "else" / "root.pem"))
    assert list(shop.folder.glob("*.tsr")) == []
    status = await shop.status()
    assert status.stamp is not None
    assert status.stamp.error is not None
    assert (status.stamp.error.code, "does not count" in status.stamp.error.detail) == ("not_stamped", True)


async def test_an_authority_that_does_not_answer_costs_the_archive_nothing_and_is_told(
    shop: Shop, openssl_authority: Authority, tmp_path: Path
) -> None:
    outages = OutageLog(tmp_path)
    outages.seen(shop.serial, shop.now.timestamp())

    def shop_time() -> float:
        return shop.now.timestamp()

    shop.metrics.registry.register(ArchiveCollector(shop.archives, outages, now=shop_time))

    def unstamped() -> float | None:
        return shop.metrics.registry.get_sample_value("tse_gateway_archive_unstamped_seconds", {"serial": shop.serial})

    await shop.run()
    assert unstamped() is None
    assert not await stamp(shop, of(shop, "http://127.0.0.1:1/", openssl_authority.root))
    shop.after(hours=30)
    assert unstamped() == 30 * 3600
    await shop.sell(1)
    assert (await shop.run()).verdict == "ok"
    assert await stamp(shop, of(shop, openssl_authority.url, openssl_authority.root))
    assert unstamped() == 0


async def test_stamps_get_to_targets_and_come_back(shop: Shop, openssl_authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    stamps = of(shop, openssl_authority.url, openssl_authority.root)
    await shop.run()
    archive = await shop.archives.of(shop.device)
    upload = ArchiveUpload(archive.directory, "", "share")

    def send() -> None:
        upload.run(lambda: DirectoryTarget(tmp_path / "share"), archive.index, shop.now)

    send()
    assert not upload.is_due(archive.index, shop.now)
    await stamp(shop, stamps)
    assert upload.is_due(archive.index, shop.now)
    send()
    assert not upload.is_due(archive.index, shop.now)
    (found,) = audit(lambda: DirectoryTarget(tmp_path / "share"))
    assert (found.ready, found.stamped_until) == (True, shop.now)
    restore_archive(lambda: DirectoryTarget(tmp_path / "share"), "", tmp_path / "new")
    restored = tmp_path / "new" / shop.serial
    verified = openssl_authority.verify(restored / "0001-000001.tsr", restored / "0001-000001.json")
    assert "Verification: OK" in verified
