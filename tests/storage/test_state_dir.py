"""The state directory: one gateway at a time, forwards only, and a crash anywhere is harmless."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway import __version__
from gateway.errors import ConfigurationError
from gateway.storage import state_dir
from gateway.storage.atomic import write_private
from tests.process import gateway


class PowerCut(BaseException):
    """Nothing runs after it."""


def marked(directory: Path) -> object:
    return json.loads((directory / "state.json").read_text())["format"]


def photograph(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in directory.rglob("*")
        if path.name != "lock"
    }


def test_a_first_start_writes_the_format(tmp_path: Path) -> None:
    with state_dir.opened(tmp_path / "new"):
        assert json.loads((tmp_path / "new/state.json").read_text()) == {"format": 2, "written_by": __version__}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o600}


def test_a_directory_of_the_first_gateways_is_kept_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "api_token").write_text("466743")
    with state_dir.opened(tmp_path):
        assert marked(tmp_path) == 2
    assert (tmp_path / "api_token").read_text() == "466743"


def split(name: str) -> state_dir.Migration:
    """A migration as they are: `name` becomes two files, written whole; the old one goes last."""

    def migrate(directory: Path) -> None:
        old = directory / name
        if not old.exists():
            return
        content = old.read_bytes()
        write_private(directory / f"{name}.1", content[:3])
        write_private(directory / f"{name}.2", content[3:])
        old.unlink()

    return migrate


STEPS: Mapping[int, state_dir.Migration] = {1: split("token"), 2: split("token.1")}


@pytest.mark.parametrize("before", [None, 1, 2, 3])
def test_an_older_directory_is_brought_forward_step_by_step(
    tmp_path: Path, before: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / ("token" if before in {None, 1} else "token.1" if before == 2 else "token.1.1")).write_text("466743")
    if before is not None:
        (tmp_path / "state.json").write_text(json.dumps({"format": before, "written_by": "0.0.9"}))
    with state_dir.opened(tmp_path, STEPS):
        assert marked(tmp_path) == 3
        assert not (tmp_path / "token").exists()
        assert (tmp_path / "token.1.1").read_text().startswith("466")
    assert caplog.text.count("brought from format") == {None: 2, 1: 2, 2: 1, 3: 0}[before]


@pytest.mark.parametrize("moment", range(12))
def test_a_power_cut_anywhere_in_a_migration_is_harmless(
    tmp_path: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("466743")
    with monkeypatch.context() as cut:
        _cut_power(cut, moment)
        try:
            with state_dir.opened(tmp_path, STEPS):
                pass
        except PowerCut:
            pass
        else:
            assert moment >= 9, "there were that many writes"
    with state_dir.opened(tmp_path, STEPS):
        left = {name: data for name, data in photograph(tmp_path).items() if not name.endswith(".new")}
    assert set(left) == {"state.json", "token.1.1", "token.1.2", "token.2"}
    assert left["token.1.1"] + left["token.1.2"] + left["token.2"] == b"466743"


def _cut_power(patch: pytest.MonkeyPatch, moment: int) -> None:
    """Before the change of a directory with this number."""
    left = iter(range(moment))

    def unless_dark(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*arguments: object, **options: object) -> object:
            if next(left, None) is None:
                raise PowerCut
            return change(*arguments, **options)

        return changed

    for name in ("replace", "unlink"):
        patch.setattr(Path, name, unless_dark(getattr(Path, name)))


def test_a_newer_directory_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"format": 7, "written_by": "9.1.0"}))
    (tmp_path / "api_token").write_text("466743")
    before = photograph(tmp_path)
    with pytest.raises(ConfigurationError) as told, state_dir.opened(tmp_path):
        pass
    assert photograph(tmp_path) == before
    assert not (tmp_path / "lock").exists()
    for word in ("format 7", "9.1.0", __version__, "above 2", "restore the backup"):
        assert word in str(told.value)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"format": "x", "written_by": ""}', b'{"format": 0, "written_by": ""}', b"\xff"]
)
def test_a_damaged_mark_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    with (
        pytest.raises(ConfigurationError, match=r"state\.json is damaged.*remove the file"),
        state_dir.opened(tmp_path),
    ):
        pass
    assert (tmp_path / "state.json").read_bytes() == content


def test_a_full_disk_is_told_and_the_next_start_goes_on(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("466743")

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(ConfigurationError, match=r"cannot be brought to format 2: No space"),
        state_dir.opened(tmp_path, {1: full}),
    ):
        pass
    with state_dir.opened(tmp_path, {1: split("token")}):
        assert marked(tmp_path) == 2


def test_one_gateway_at_a_time(tmp_path: Path) -> None:
    with state_dir.opened(tmp_path):
        with pytest.raises(ConfigurationError, match="in use by another gateway"), state_dir.opened(tmp_path):
            pass
        with pytest.raises(ConfigurationError, match="GATEWAY_STATE_DIR"), state_dir.opened(tmp_path):
            pass
    with state_dir.opened(tmp_path):
        pass


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"), state_dir.opened(tmp_path / "file"):
        pass


async def test_two_processes_do_not_share_a_directory_and_the_second_disturbs_nothing(tmp_path: Path) -> None:
    async with gateway(tmp_path, GATEWAY_DISCOVER="false") as first:
        await first.until_it_serves()
        kept = {name: data for name, data in photograph(tmp_path).items() if name.startswith(("api", "tls", "state"))}
        async with gateway(tmp_path, GATEWAY_DISCOVER="false") as second:
            assert await second.ended() == 1
        assert kept.items() <= photograph(tmp_path).items()
        assert await first.stop() == 0
    assert "in use by another gateway" in second.log
    assert "Traceback" not in second.log
