"""A disk that is full, read-only or broken is told before it matters, and a gateway starts from a read-only one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.storage.writable import WritableCheck
from tests.needs import NAMESPACES

_FILLED = """
import sys
from pathlib import Path
from gateway.storage.writable import WritableCheck
place, told = Path(sys.argv[1]), []
check = WritableCheck(place, told.append)
check.check()
with open(place / "ballast", "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
check.check()
(place / "ballast").unlink()
check.check()
print(told, [path.name for path in place.iterdir()])
"""
_READ_ONLY = """
"$PYTHON" -m gateway serve & first=$!
until [ -e "$GATEWAY_STATE_DIR/session.txt" ]; do :; done
kill -INT $first; wait $first
mount --bind "$GATEWAY_STATE_DIR" "$GATEWAY_STATE_DIR" && mount -o remount,ro,bind "$GATEWAY_STATE_DIR"
"$PYTHON" -m gateway serve 2>"$LOG" & pid=$!
until grep -q '"event": "started"' "$LOG" || ! kill -0 $pid; do :; done
kill -INT $pid; wait $pid
"""


def in_namespace(*command: str, **environment: str) -> str:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_directory_that_cannot_be_written_is_told_once_and_so_is_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[bool] = []
    caplog.set_level("INFO")
    check = WritableCheck(tmp_path / "state", told.append)
    check.check()
    check.check()
    (tmp_path / "state").mkdir()
    check.check()
    check.check()
    assert told == [False, False, True, True]
    assert [record.event for record in caplog.records] == ["state_not_writable", "state_writable"]  # type: ignore[attr-defined]
    assert "power-up" in caplog.text
    assert list((tmp_path / "state").iterdir()) == []


@NAMESPACES
def test_a_full_disk_is_found_although_an_empty_file_can_be_made(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=64k none {tmp_path} && "{sys.executable}" -c "$FILLED" {tmp_path}'
    assert in_namespace("sh", "-c", script, FILLED=_FILLED) == "[True, False, True] []\n"


@NAMESPACES
def test_a_gateway_starts_from_a_read_only_state_directory_and_tells_what_it_cannot_do(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    settings = {"PORT": "0", "BIND": "127.0.0.1", "ADDRESS": "127.0.0.1", "DISCOVER": "false", "LOG_FORMAT": "json"}
    in_namespace(
        *(str(shutil.which("bash")), "-c", _READ_ONLY),
        PYTHON=sys.executable,
        LOG=str(log),
        GATEWAY_STATE_DIR=str(tmp_path / "state"),
        **{f"GATEWAY_{name}": value for name, value in settings.items()},
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    events = [line.get("event") for line in lines]
    assert {"state_not_writable", "started", "stopped"} <= set(events)
    assert "defect" not in events
