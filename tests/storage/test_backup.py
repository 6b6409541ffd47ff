"""A backup holds what belongs to the state, and comes back whole or not at all."""

import io
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.storage import backup, state_dir


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    with state_dir.opened(directory):
        for name in ("receipts.journal", "tls/ca.pem", "tses/AB.json", "archive/a", "simulator-1/key.pem", ".x.new"):
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(name)
    return directory


def made(state: Path) -> bytes:
    out = io.BytesIO()
    backup.write(state, {state / "archive", state / "simulator-1"}, out)
    return out.getvalue()


def restored(content: bytes, directory: Path) -> backup.Backup:
    return backup.restore(io.BytesIO(content), directory)


def packed(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content), kind
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_all_comes_back_but_what_is_left_out_the_lock_and_drafts(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    names = {"receipts.journal", "tls/ca.pem", "tses/AB.json", "state.json"}
    assert set(restored(made(state), target).files) == names
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == names
    assert all((target / name).read_bytes() == (state / name).read_bytes() for name in names)
    assert {path.stat().st_mode & 0o777 for path in target.rglob("*")} == {0o600, 0o700}
    with state_dir.opened(target):
        pass


def test_journals_are_copied_behind_what_other_files_know_of_signatures(state: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(made(state)), mode="r|gz") as tar:
        assert tar.getnames()[-2:] == ["receipts.journal", "backup.json"]


def test_a_backup_that_is_cut_anywhere_changes_nothing(state: Path, tmp_path: Path) -> None:
    content, target = made(state), tmp_path / "new"
    end = 0
    while not (target / "state.json").exists():  # the padding behind the manifest may be missing
        assert not target.exists() or list(target.iterdir()) == []
        with suppress(ConfigurationError):
            restored(content[:end], target)
        end += 1
    assert end > len(content) * 0.9
    assert (target / "receipts.journal").read_text() == "receipts.journal"


_LACKING = b'{"written_by": "1", "made_at": "2026-11-29T00:00:00+00:00", "files": {"a": "0"}}'
_NONE: dict[str, Callable[[], bytes]] = {
    "leads outside": lambda: packed({"../outside": b"x"}),
    "an absolute path": lambda: packed({"/outside": b"x"}),
    "a link": lambda: packed({"link": b""}, tarfile.SYMTYPE),
    "another manifest": lambda: packed({"backup.json": b"[]"}),
    "a file is missing": lambda: packed({"backup.json": _LACKING}),
    "no manifest": lambda: packed({"a": b"x"}),
    "no archive": lambda: b"no backup",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("what", _NONE)
def test_what_is_no_backup_is_told_and_changes_nothing(what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="backup"):
        restored(_NONE[what](), tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_a_state_in_use_is_not_overwritten(state: Path) -> None:
    before = (state / "receipts.journal").read_bytes()
    with pytest.raises(ConfigurationError, match="move that directory away"):
        restored(made(state), state)
    assert (state / "receipts.journal").read_bytes() == before


def test_a_restore_that_was_cut_off_is_made_again_over_what_it_left(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    (target / "tls").mkdir(parents=True)
    (target / "tls/left").touch()
    (target / ".restore/tls").mkdir(parents=True)
    restored(made(state), target)
    assert sorted(path.name for path in (target / "tls").iterdir()) == ["ca.pem"]
    assert not (target / ".restore").exists()


def test_a_directory_that_holds_no_state_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no state directory"):
        made(tmp_path)
