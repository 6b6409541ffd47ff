"""A target alone is enough: the archive comes back, an audit says what is there, and a gateway goes on with it."""

import shutil
from pathlib import Path

import pytest

from gateway.archive.errors import NothingArchived
from gateway.archive.targets.audit import TseAudit, audit
from gateway.archive.targets.restore import restore_archive
from gateway.errors import ConfigurationError
from tests.archive.targets.conftest import Copies
from tests.archive.test_trouble import flip


def audited(copies: Copies, *, read: bool = False) -> TseAudit:
    (found,) = audit(copies.target, read=read)
    return found


async def test_the_store_is_restored_from_the_target_alone_byte_for_byte_and_the_archive_goes_on(
    copies: Copies, tmp_path: Path
) -> None:
    for _ in range(3):
        await copies.run_and_upload()
    exported = await copies.shop.export()
    shutil.rmtree(copies.shop.directory)
    (restored,) = restore_archive(copies.target, copies.shop.serial[:6], tmp_path / "new")
    assert (restored.faults, restored.segments) == ([], 3)
    copies.shop.directory = tmp_path / "new"
    copies.restart()
    assert await copies.shop.restored() == exported
    await copies.run_and_upload()
    assert audited(copies).chains == [restored_chain(copies)]
    assert (audited(copies).segments, audited(copies).ready) == (4, True)


def restored_chain(copies: Copies) -> str:
    return copies.files()[0].parent.name


async def test_a_restore_that_broke_off_goes_on_and_mends_what_is_wrong(copies: Copies, tmp_path: Path) -> None:
    for _ in range(2):
        await copies.run_and_upload()
    restore_archive(copies.target, "", tmp_path / "new")
    folder = tmp_path / "new" / copies.shop.serial
    flip(folder / "0001-000001.tar")
    (folder / "0001-000002.json").unlink()
    (restored,) = restore_archive(copies.target, "", tmp_path / "new")
    assert restored.faults == []
    for name in ("0001-000001.tar", "0001-000002.tar", "0001-000002.json"):
        assert (folder / name).read_bytes() == (copies.shop.folder / name).read_bytes()


async def test_another_archive_is_not_overwritten(copies: Copies, tmp_path: Path) -> None:
    await copies.run_and_upload()
    path = tmp_path / "new" / copies.shop.serial / "0001-000001.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another")
    with pytest.raises(ConfigurationError, match="restore into an empty directory"):
        restore_archive(copies.target, "", tmp_path / "new")
    assert path.read_bytes() == b"another"


async def test_a_tse_that_is_not_there_is_told(copies: Copies, tmp_path: Path) -> None:
    with pytest.raises(NothingArchived, match="begins with 'ABC'"):
        restore_archive(copies.target, "ABC", tmp_path / "new")


async def test_a_gateway_that_lost_its_archive_begins_a_chain_beside_the_old_one(
    copies: Copies, tmp_path: Path
) -> None:
    await copies.run_and_upload()
    await copies.run_and_upload()
    shutil.rmtree(copies.shop.directory)
    copies.restart()
    copies.shop.after(days=1)
    await copies.run_and_upload()
    found = audited(copies)
    assert (len(found.chains), found.segments, found.gaps, found.ready) == (2, 3, [], True)
    first, second = restore_archive(copies.target, "", tmp_path / "new")
    assert (first.segments, second.segments) == (1, 2)
    assert first.directory.name == copies.shop.serial


async def test_an_archive_that_was_put_back_from_an_older_backup_begins_a_chain_beside_the_one_that_went_on(
    copies: Copies, tmp_path: Path
) -> None:
    for _ in range(2):
        await copies.run_and_upload()
    shutil.copytree(copies.shop.directory, tmp_path / "backup")
    await copies.run_and_upload()
    shutil.rmtree(copies.shop.directory)
    (tmp_path / "backup").rename(copies.shop.directory)
    copies.restart()
    await copies.run_and_upload(2)
    await copies.run_and_upload()
    found = audited(copies, read=True)
    assert (len(found.chains), found.segments, found.faults, found.gaps, found.ready) == (2, 7, [], [], True)
    (target,) = (await copies.shop.status()).targets
    assert (target.complete, target.last_error) == (True, None)


async def test_an_audit_says_until_when_everything_is_there(copies: Copies) -> None:
    for _ in range(2):
        await copies.run_and_upload(2)
    for read in (False, True):
        found = audited(copies, read=read)
        assert (found.site, found.serial) == ("Köln/Süd", copies.shop.serial)
        assert (found.first_counter, found.last_counter) == (1, copies.shop.device.info.created_signatures)
        assert (found.gaps, found.faults, found.ready) == ([], [], True)
        assert found.complete_until is not None
        assert found.certificates
    assert audited(copies).verified == copies.shop.now


async def test_an_audit_finds_a_missing_segment_as_a_gap(copies: Copies) -> None:
    for _ in range(3):
        await copies.run_and_upload()
    copies.files("0001-000002.tar")[0].unlink()
    found = audited(copies)
    assert ([fault.de for fault in found.faults], found.ready) == (["0001-000002.tar fehlt"], False)
    (gap,) = found.gaps
    assert gap.startswith("Sig-")


async def test_an_audit_finds_a_chain_that_was_cut_and_a_changed_manifest(copies: Copies) -> None:
    for _ in range(3):
        await copies.run_and_upload()
    copies.files("0001-000002.json")[0].unlink()
    found = audited(copies)
    assert found.model_dump(mode="json")["faults"] == ["0001-000003.json: the manifest before it is missing or changed"]
    assert not found.ready


async def test_only_reading_finds_a_byte_that_was_changed(copies: Copies) -> None:
    await copies.run_and_upload()
    segment = copies.files("*.tar")[0]
    segment.chmod(0o600)
    flip(segment)
    assert audited(copies).ready
    assert [fault.en for fault in audited(copies, read=True).faults] == [
        "0001-000001.tar has another SHA-256 than was written"
    ]
