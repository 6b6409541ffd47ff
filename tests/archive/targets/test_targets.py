"""What each kind of target does with files, before a real server of its kind."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest
from minio.error import S3Error
from pydantic import SecretStr

from gateway.archive.targets.connect import target_of
from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.target import (
    StoredFile,
    TargetDiffers,
    TargetFailed,
    TargetRefused,
    TargetUnreachable,
)
from gateway.config.archive_target import ArchiveTargetSettings
from tests.archive.targets.servers import BUCKET, ObjectStorage, object_storage, sftp_server

Given = Callable[[], ArchiveTargetSettings]


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with object_storage() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveTargetSettings]:
    with sftp_server(tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("keys")) as made:
        yield made


@pytest.fixture(params=["storage", "server", "share"])
def settings(
    request: pytest.FixtureRequest, storage: ObjectStorage, server: ArchiveTargetSettings, tmp_path: Path
) -> ArchiveTargetSettings:
    """Each kind, with a place of its own."""
    name = f"test-{abs(hash(request.node.name))}"
    if request.param == "storage":
        return storage.settings(url=f"http://{storage.address}/{BUCKET}/{name}")
    if request.param == "server":
        return server.model_copy(update={"url": f"{server.url}/{name}"})
    (tmp_path / "share").mkdir()
    return ArchiveTargetSettings(name="share", url=str(tmp_path / "share"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789" * 100_000)
    return path


def test_what_is_put_is_read_and_listed_as_it_was(settings: ArchiveTargetSettings, source: Path) -> None:
    with target_of(settings) as target:
        assert list(target.files()) == []
        target.put("hamburg/one", source)
        target.put("hamburg/b/two", source)
        target.put("köln%20süd/three", source)
        assert b"".join(target.read("hamburg/b/two")) == source.read_bytes()
        assert b"".join(target.read("köln%20süd/three", 999_995, 3)) == b"567"
        assert sorted(file.key for file in target.files()) == ["hamburg/b/two", "hamburg/one", "köln%20süd/three"]
        assert list(target.files("hamburg/b/")) == [StoredFile("hamburg/b/two", 1_000_000)]
        assert list(target.files("nowhere/")) == []


def test_a_file_is_never_written_twice(settings: ArchiveTargetSettings, source: Path, tmp_path: Path) -> None:
    with target_of(settings) as target:
        target.put("once", source)
        other = tmp_path / "other"
        other.write_bytes(b"something else")
        target.put("once", other)
        assert b"".join(target.read("once")) == source.read_bytes()


def test_what_is_not_there_is_told(settings: ArchiveTargetSettings) -> None:
    with target_of(settings) as target, pytest.raises(TargetDiffers, match="nothing"):
        list(target.read("nothing"))


def put_one(settings: ArchiveTargetSettings, source: Path) -> None:
    with target_of(settings) as target:
        target.put("one", source)


def versions(storage: ObjectStorage, prefix: str) -> list[str]:
    found = storage.client.list_objects(BUCKET, prefix, recursive=True, include_version=True)
    return [str(one.version_id) for one in found]


def test_object_lock_keeps_a_file_for_ten_years_from_the_end_of_this_one(storage: ObjectStorage, source: Path) -> None:
    settings = storage.settings(url=f"http://{storage.address}/{BUCKET}/locked")
    put_one(settings, source)
    put_one(settings, source)
    name = "locked/one"
    lock = storage.client.stat_object(BUCKET, name).metadata
    assert lock is not None
    assert lock["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert lock["x-amz-object-lock-retain-until-date"].startswith(f"{datetime.now(UTC).year + 11}-01-01T00:00:00")
    (version,) = versions(storage, name)
    with pytest.raises(S3Error, match="AccessDenied"):
        storage.client.remove_object(BUCKET, name, version_id=version)
    with target_of(settings) as target:
        assert b"".join(target.read("one")) == source.read_bytes()


def test_a_bucket_without_object_lock_is_refused_unless_no_retention_is_wanted(
    storage: ObjectStorage, source: Path
) -> None:
    storage.client.make_bucket("plain")
    settings = storage.settings(url=f"http://{storage.address}/plain")
    with pytest.raises(TargetRefused, match="make another one with it, or set retain_years to 0"):
        put_one(settings, source)
    put_one(settings.model_copy(update={"retain_years": 0}), source)


def test_a_bucket_that_does_not_exist_is_told(storage: ObjectStorage, source: Path) -> None:
    with pytest.raises(TargetRefused, match="no such bucket: make it, with Object Lock"):
        put_one(storage.settings(url=f"http://{storage.address}/nowhere"), source)


def test_a_place_where_nothing_listens_is_unreachable(
    storage: ObjectStorage, server: ArchiveTargetSettings, source: Path
) -> None:
    for settings in (
        storage.settings(url=f"http://127.0.0.1:1/{BUCKET}"),
        server.model_copy(update={"url": "sftp://shop@127.0.0.1:1/tse"}),
    ):
        with pytest.raises(TargetUnreachable):
            put_one(settings, source)


def test_a_wrong_password_and_a_server_with_another_key_are_refused(
    server: ArchiveTargetSettings, source: Path
) -> None:
    with pytest.raises(TargetRefused, match="look at key_file or secret"):
        put_one(server.model_copy(update={"secret": SecretStr("wrong")}), source)
    another = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(TargetRefused, match="another key than host_key"):
        put_one(server.model_copy(update={"host_key": another}), source)


def test_a_share_on_the_disk_of_the_archive_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetUnreachable, match="mount the share"), DirectoryTarget(tmp_path, apart_from=tmp_path):
        pass


def test_a_share_that_is_gone_is_told_and_nothing_is_made(tmp_path: Path, source: Path) -> None:
    with pytest.raises((TargetFailed, TargetDiffers)), DirectoryTarget(tmp_path / "gone") as target:
        target.put("one", source)
    assert not (tmp_path / "gone").exists()


def test_what_a_cut_left_at_a_share_is_no_file_and_is_written_over(tmp_path: Path, source: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / ".one.new").write_bytes(b"01234")
    with DirectoryTarget(tmp_path / "share") as target:
        assert list(target.files()) == []
        target.put("one", source)
        assert b"".join(target.read("one")) == source.read_bytes()
    assert [path.name for path in (tmp_path / "share").iterdir()] == ["one"]
