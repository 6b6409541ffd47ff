"""A shop with a running gateway and a TSE that signs, and the files with its secrets in the working directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.background import Running, make_ready, running, settings_of, write_secrets


@pytest.fixture(scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(settings_of(tmp_path_factory.mktemp("shop") / "state")) as made:
        made.do(make_ready)
        yield made


@pytest.fixture
def shared_shop(_kept: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """One for all tests of a module, each in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return _kept


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    write_secrets(tmp_path)
    with running(settings_of(tmp_path / "state")) as made:
        made.do(make_ready)
        yield made
