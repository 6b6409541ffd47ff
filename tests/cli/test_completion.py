"""A shell completes TSEs, tills, tokens and faults; it says nothing when no gateway answers."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.simulator.faults import FAULTS
from tests.cli.background import Running


def completed(line: str, environment: dict[str, str]) -> list[str]:
    """What bash is given for the last word of a line, which may be empty."""
    words = f"tse-gateway {line}"
    asking = {"_TSE_GATEWAY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    result = CliRunner().invoke(app, [], prog_name="tse-gateway", env={**environment, **asking})
    assert result.stderr == ""
    return result.stdout.split()


def test_tses_are_completed_by_their_first_digits_and_further_if_that_is_typed(shared_shop: Running) -> None:
    short = shared_shop.serial[:8]
    for line in ("info ", f"info {short[:2]}", "swap --new ", "mount ", "token add x --tse "):
        assert completed(line, shared_shop.environment) == [short]
    assert completed(f"info {short[:3].lower()}", shared_shop.environment) == [short[:3].lower() + short[3:]]
    assert completed(f"info {shared_shop.serial[:10]}", shared_shop.environment) == [shared_shop.serial]
    assert completed("info 0123456789", shared_shop.environment) == []


def test_tills_and_tokens_are_completed(shared_shop: Running) -> None:
    assert shared_shop.call("token add kasse-7 --client POS-7").status == 0
    assert completed("clients deregister ", shared_shop.environment) == ["POS-1", "POS-7"]  # one sold, one has a token
    assert completed("receipts --client POS-7", shared_shop.environment) == ["POS-7"]
    assert completed("token rotate k", shared_shop.environment) == ["kasse-7"]


def test_faults_are_completed() -> None:
    assert completed("simulator fault tse un", {}) == [name for name in FAULTS if name.startswith("un")]
    assert len(completed("simulator fault tse ", {})) == len(FAULTS)


def test_the_gateway_that_the_line_names_is_asked(shared_shop: Running) -> None:
    state = shared_shop.gateway.settings.state_dir
    there = f"--url https://127.0.0.1:{shared_shop.gateway.port} --token-file {state}/api_token --ca {state}/tls/ca.pem"
    assert completed(f"info {there} ", {"GATEWAY_STATE_DIR": "nowhere"}) == [shared_shop.serial[:8]]
    assert completed("info --url https://127.0.0.1:1 ", {"GATEWAY_STATE_DIR": "nowhere"}) == []


def test_without_a_gateway_the_tses_of_before_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "GATEWAY_STATE_DIR", str(tmp_path))
    assert completed("info ", {}) == []
    assert completed("clients register ", {}) == []
    (tmp_path / "tses").mkdir()
    (tmp_path / "tses" / f"{'43B6F2D1' * 8}.json").touch()
    assert completed("info ", {}) == ["43B6F2D1"]
    (tmp_path / "broken.toml").write_text("port = [")
    assert completed("info --config broken.toml ", {}) == ["43B6F2D1"]
