"""Without a gateway a command opens the TSE by itself, as the gateway would: here a mounted one, in its own process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.background import Said, call, running, settings_of, write_secrets
from tests.needs import FUSE

pytestmark = FUSE


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A simulated TSE as files."""
    monkeypatch.chdir(tmp_path)
    write_secrets(tmp_path)
    place = tmp_path / "mnt"
    root = Path(__file__).parents[2]
    arguments = [
        sys.executable,
        "-u",
        "-m",
        "gateway",
        "simulator",
        "mount",
        str(place),
        "--tse",
        str(tmp_path / "tse"),
    ]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not (place / "TSE_INFO.DAT").exists():
            assert process.poll() is None
        yield place
        subprocess.run(["fusermount3", "-u", str(place)], check=True)
        assert process.wait(20) == 0


def at(place: Path, line: str, typed: str = "") -> Said:
    """A command of somebody who runs no gateway."""
    environment = {"GATEWAY_STATE_DIR": "nowhere", "GATEWAY_PORT": "1", "GATEWAY_DEVICES": str(place)}
    return call(line, environment | {"GATEWAY_NTP_SERVERS": "none"}, typed)


def test_a_fresh_tse_is_set_up_used_and_exported(mounted: Path) -> None:
    serial = json.loads(at(mounted, "info --json").out)["serial"]
    secrets = "--seed-file seed --puk-file puk --admin-pin-file admin_pin --time-admin-pin-file time_admin_pin"
    done = at(mounted, f"setup --client POS-1 --anyway {secrets}", typed=f"{serial[-4:]}\n")
    assert done.status == 0, done.err
    assert at(mounted, "clients register POS-2 --admin-pin-file admin_pin").status == 0
    exported = at(mounted, "export --verify -o all.tar")
    assert exported.status == 0, exported.out + exported.err
    found = {
        finding["layer"]: finding["verdict"] for finding in json.loads(at(mounted, "doctor --json").out)["findings"]
    }
    assert [layer for layer, verdict in found.items() if verdict == "fail" and layer != "clock"] == ["gateway"]
    refused = at(mounted, "archive run")  # what nobody would find again is no archive
    assert refused.status != 0
    assert "not yours" in refused.out + refused.err
    assert not Path("nowhere").exists()


def test_a_tse_of_another_process_is_left_alone(mounted: Path, tmp_path: Path) -> None:
    with running(settings_of(tmp_path / "state", simulators=0, devices=(mounted,))) as gateway:
        said = at(mounted, "info")
        assert said.status == 1
        assert "end the other program" in said.err
        assert json.loads(gateway.call("devices --json").out)[0]["code"] == "not_set_up"
        found = json.loads(at(mounted, "doctor --json").out)["findings"]
    assert {finding["layer"] for finding in found if finding["verdict"] == "fail"} - {"clock"} == {
        "block device",
        "gateway",
    }
