"""An archive at a target: all of it, read back, going on after every cut, and verified each year."""

from pathlib import Path

import pytest

from gateway.archive.collector import ArchiveCollector
from gateway.archive.errors import ArchiveDamaged
from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.target import TargetDiffers, TargetFull, TargetUnreachable
from gateway.archive.targets.upload import SAMPLE
from gateway.fleet.outages.log import OutageLog
from tests.archive.targets.conftest import Copies
from tests.archive.test_trouble import flip, small_disk
from tests.texts import said


async def test_each_night_what_is_new_gets_to_the_target_and_is_read_back(copies: Copies) -> None:
    await copies.run_and_upload()
    await copies.run_and_upload()
    assert copies.names() == ["0001-000001.json", "0001-000001.tar", "0001-000002.json", "0001-000002.tar"]
    folder = copies.files()[0].parent
    assert folder.parent.name == copies.shop.serial
    assert folder.parent.parent.name == "K%C3%B6ln%2FS%C3%BCd"
    for path in copies.files():
        assert path.read_bytes() == (copies.shop.folder / path.name).read_bytes()
        assert path.stat().st_mode & 0o222 == 0
    (target,) = (await copies.shop.status()).targets
    assert (target.name, target.complete, target.pending_segments) == ("share", True, 0)
    assert target.last_success == target.verified == copies.shop.now


class CutTarget(DirectoryTarget):
    """A share whose line is cut when the given number of files has been written."""

    def __init__(self, root: Path, files: int) -> None:
        super().__init__(root)
        self.left = files

    def put(self, key: str, source: Path) -> None:
        if not self.left:
            raise TargetUnreachable(said("the line was cut"))
        self.left -= 1
        super().put(key, source)


@pytest.mark.parametrize("files", range(5))
async def test_after_a_cut_the_upload_goes_on_where_it_was(copies: Copies, files: int) -> None:
    for _ in range(3):
        await copies.shop.sell(1)
        await copies.shop.run()
    with pytest.raises(TargetUnreachable):
        await copies.upload(CutTarget(copies.share, files))
    (target,) = (await copies.shop.status()).targets
    assert target.last_error is not None
    assert target.last_error.code == "target_unreachable"
    assert target.pending_segments == 3 - files // 2
    assert target.pending_since is not None
    copies.restart()  # nothing depends on what was in memory
    rest = CutTarget(copies.share, 6 - files // 2 * 2)  # no more than these are written
    await copies.upload(rest)
    assert len(copies.names()) == 6
    (target,) = (await copies.shop.status()).targets
    assert (target.complete, target.last_error) == (True, None)


async def test_a_full_target_is_told_and_costs_nothing(copies: Copies, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        copies.share = tmp_path / "disk"
        await copies.shop.sell(30, data=b"x" * 10_000)
        await copies.shop.run()
        disk.fill()
        with pytest.raises((TargetFull, TargetUnreachable), match=r"No space left|File too large"):
            await copies.upload()
        assert [file.key for file in copies.target().files() if "0001-" in file.key] == []
        disk.enlarge()
        await copies.upload()
        assert "0001-000001.json" in copies.names()


async def test_what_somebody_else_wrote_there_is_told_and_not_replaced(copies: Copies) -> None:
    await copies.run_and_upload()
    await copies.shop.sell(1)
    await copies.shop.run()
    foreign = copies.files("*.json")[0].with_name("0001-000002.json")
    foreign.write_bytes(b"foreign")
    with pytest.raises(TargetDiffers, match=r"0001-000002.json has another SHA-256 than was written"):
        await copies.upload()
    assert foreign.read_bytes() == b"foreign"


async def test_beside_a_foreign_segment_a_copy_of_all_is_begun(copies: Copies) -> None:
    await copies.run_and_upload()
    foreign = copies.files("*.tar")[0].with_name("0001-000002.tar")
    foreign.write_bytes(b"foreign")
    await copies.run_and_upload()
    assert foreign.read_bytes() == b"foreign"
    assert sorted(path.name for path in copies.files("*.json")) == ["0001-000001.json"] * 2 + ["0001-000002.json"]


async def test_a_segment_that_was_changed_here_is_not_sent(copies: Copies) -> None:
    await copies.shop.sell(1)
    await copies.shop.run()
    flip(copies.shop.folder / "0001-000001.tar")
    with pytest.raises(ArchiveDamaged, match="put it back from your backup"):
        await copies.upload()
    assert copies.names() == []


async def test_each_year_a_sample_is_read_and_a_report_is_left_at_the_target(copies: Copies) -> None:
    await copies.run_and_upload()
    copies.shop.after(days=364)
    upload = await copies.state()
    index = (await copies.shop.archives.of(copies.shop.device)).index
    assert not upload.is_due(index, copies.shop.now)
    copies.shop.after(days=1)
    assert upload.is_due(index, copies.shop.now)
    await copies.upload()
    assert [name for name in copies.names() if name.startswith("verified")] == ["verified-20271125T200000Z.json"]
    assert not upload.is_due(index, copies.shop.now)


async def test_what_changed_at_the_target_is_found_by_the_sample_and_looked_at_until_it_is_right(
    copies: Copies,
) -> None:
    await copies.run_and_upload()
    await copies.run_and_upload()
    segment = copies.files("0001-000002.tar")[0]
    right = segment.read_bytes()
    segment.chmod(0o600)
    flip(segment)
    copies.shop.after(days=365)
    for _ in range(2):
        with pytest.raises(TargetDiffers, match=r"0001-000002.tar has another SHA-256"):
            await copies.upload()
    (target,) = (await copies.shop.status()).targets
    assert (target.complete, target.differing) == (False, ["0001-000002.tar"])
    segment.write_bytes(right)
    await copies.upload()
    (target,) = (await copies.shop.status()).targets
    assert (target.complete, target.differing) == (True, [])


def test_a_sample_finds_one_damaged_file_in_twenty_with_99_percent() -> None:
    assert 1 - (19 / 20) ** SAMPLE >= 0.99 > 1 - (19 / 20) ** (SAMPLE - 1)


async def test_a_scrape_tells_how_far_the_target_is(copies: Copies, tmp_path: Path) -> None:
    shop = copies.shop
    outages = OutageLog(tmp_path)

    def shop_time() -> float:
        return shop.now.timestamp()

    outages.seen(shop.serial, shop.now.timestamp())
    shop.metrics.registry.register(ArchiveCollector(shop.archives, outages, now=shop_time))

    def value(name: str) -> float | None:
        labels = {"serial": shop.serial, "target": "share"}
        return shop.metrics.registry.get_sample_value(f"tse_gateway_archive_target_{name}", labels)

    await shop.sell(1)
    await shop.run()
    shop.after(hours=30)
    assert (value("lag_seconds"), value("pending_segments")) == (30 * 3600, 1)
    assert (value("last_success_timestamp_seconds"), value("intact")) == (0, 1)
    await copies.upload()
    assert (value("lag_seconds"), value("pending_segments")) == (0, 0)
    assert value("last_success_timestamp_seconds") == value("verified_timestamp_seconds") == shop.now.timestamp()
