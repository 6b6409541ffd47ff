"""Replacing a file: the new content or the old one."""

import os
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.storage.atomic import read_private, replace_file, write_private


def test_a_file_is_replaced_with_its_mode_whatever_a_crash_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / ".file.new").write_bytes(b"left by a crash, and longer")
    (tmp_path / ".file.new").chmod(0o644)
    replace_file(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_the_old_content_stays_when_the_new_one_cannot_be_written(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path if call == "replace" else os, call, fail)
        with pytest.raises(ConfigurationError, match=r"file cannot be written: No space left"):
            write_private(path, b"new")
    assert read_private(path) == b"old"
    assert list(tmp_path.iterdir()) == [path]  # the draft would keep the last room on the disk


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append("directory" if os.path.isdir(f"/proc/self/fd/{handle}") else "content")  # noqa: PTH112 (a handle)
        fsync(handle)

    def replaced(path: Path, target: Path) -> Path:
        done.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    replace_file(tmp_path / "file", b"new")
    assert done == ["content", "name", "directory"]
    done.clear()
    replace_file(tmp_path / "file", b"newer", durable=False)
    assert done == ["name"]


def test_a_missing_file_is_none_and_an_unreadable_one_is_told(tmp_path: Path) -> None:
    assert read_private(tmp_path / "none") is None
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_private(tmp_path)
