"""A gateway copies its archive to a server by itself; an administrator looks at it and brings it back elsewhere."""

import json
import time
from pathlib import Path

import pytest

from tests.archive.targets.servers import sftp_server
from tests.cli.background import call, make_ready, running, settings_of


def test_what_a_gateway_archives_gets_to_the_server_and_comes_back_on_an_empty_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("right\n")
    with sftp_server(tmp_path / "root", tmp_path) as server:
        tables = [{"name": "server", "url": server.url, "secret_file": "secret", "host_key": server.host_key}]
        elsewhere = {"GATEWAY_ARCHIVE_TARGETS": json.dumps(tables), "GATEWAY_STATE_DIR": "empty", "GATEWAY_PORT": "1"}
        with running(settings_of(tmp_path / "state", archive_targets=json.dumps(tables), site="Hamburg")) as gateway:
            gateway.do(make_ready)
            assert gateway.call("archive run").status == 0
            assert gateway.call("export -o exported.tar").status == 0
            deadline = time.monotonic() + 60
            while "server: complete" not in gateway.call("archive status --language en").out:
                assert time.monotonic() < deadline
            assert gateway.call("archive status").status == 0
        found = call("archive audit --language en", elsewhere)
        assert (found.status, "1 of 1 TSEs ready to hand over" in found.out) == (0, True)
        assert "Hamburg" in found.out
        (one,) = json.loads(call("archive audit --read --json", elsewhere).out)
        assert (one["site"], one["ready"], one["gaps"]) == ("Hamburg", True, [])
        assert "bis Signatur" in call("archive restore -o empty/archive --language de", elsewhere).out
    assert call("archive export -o restored.tar", elsewhere).status == 0
    assert Path("restored.tar").read_bytes() == Path("exported.tar").read_bytes()


def test_without_a_target_the_way_out_is_named(tmp_path: Path) -> None:
    said = call("archive audit --language en", {"GATEWAY_STATE_DIR": str(tmp_path)})
    assert (said.status, "the settings name no archive target" in said.err) == (1, True)
