"""Each command shows an example in its help, and each example does what it says."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.archive.directory import ArchiveDirectory
from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.upload import ArchiveUpload
from gateway.cli.commands import app
from tests.cli.background import Running, call, running, settings_of

_ROOT = Path(__file__).parents[2]
_EXAMPLE = re.compile(r"^\s*Example: (.*?)\n\s*\n", re.MULTILINE | re.DOTALL)
_RUNS_ON = {"serve", "mount", "simulator mount", "simulator image"}  # below, in test_mount and test_programs
_ASKS = {
    "setup",
    "swap",
    "retire",
    "pool register",
    "pool show",
    "pool use",
    "notify test",
}  # the others have tests of their own
_VERDICTS = {"verify": {0, 1}, "doctor": {0, 1, 2}}  # their exit status tells how bad it is


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The full name of each command."""
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path)


COMMANDS = sorted(leaves(typer.main.get_command(app)))


def example_of(command: str) -> tuple[str, dict[str, str]]:
    """The arguments of the example in its help, and the environment before it."""
    said = call(f"{command} --help", {})
    found = _EXAMPLE.search(said.out)
    assert found, f"{command} --help shows no example"
    before, _, line = " ".join(found[1].split()).partition("tse-gateway ")
    environment = dict(word.split("=", 1) for word in before.split())
    return line.split(" > ")[0], environment


@pytest.mark.parametrize("command", COMMANDS)
def test_its_help_shows_an_example_of_itself(command: str) -> None:
    line, _ = example_of(command)
    assert f"{line} ".startswith(f"{command} ")


def copy_archive(serial: str) -> None:
    """To a share that fleet.toml names."""
    share = Path("share").absolute()
    share.mkdir()
    directory = ArchiveDirectory(Path("state", "archive"), serial)
    ArchiveUpload(directory, "", "share").run(lambda: DirectoryTarget(share), directory.index(), datetime.now(UTC))
    Path("fleet.toml").write_text(f'[[archive_targets]]\nname = "share"\nurl = "{share}"\n')


def test_each_example_works(shop: Running) -> None:
    """One shop for all: each example leaves it so that the next can work."""
    put_back(shop, "clients deregister")
    assert shop.call("archive run").status == 0
    assert shop.call("export -o export.tar --dsfinvk dsfinvk").status == 0
    copy_archive(shop.serial)
    for name in ("POS-1", "POS-9"):
        till = (
            "--manufacturer M --model T --software S --software-version 1 --acquired 2026-01-02 --in-service 2026-01-03"
        )
        assert shop.call(f"elster till {name} {till} --certification-id 0412-2020").status == 0
    Path("ca.pem").write_text(shop.call("info --certificates").out)
    assert shop.call("simulator create tse").status == 0
    Path("tse").rename("made")
    for command in (name for name in COMMANDS if name not in _RUNS_ON | _ASKS):
        line, environment = example_of(command)
        if command == "restore":
            environment["GATEWAY_STATE_DIR"] = "restored"
        said = shop.call(line, **environment)
        assert said.status in _VERDICTS.get(command, {0}), f"{line}: {said.out}{said.err}"
        assert said.out or command == "simulator fault"
        put_back(shop, command)


def put_back(shop: Running, command: str) -> None:
    """PINs, PUK and clients as they were."""
    again = {
        "clients deregister": ["clients register POS-2 --admin-pin-file admin_pin"],
        "pin change": ["pin change --old-pin-file new_pin --new-pin-file admin_pin"],
        "pin puk": ["pin puk --old-puk-file new_puk --new-puk-file puk"],
        "pin unblock": ["pin unblock --puk-file puk --new-pin-file admin_pin"],
    }
    for line in again.get(command, []):
        said = shop.call(line)
        assert said.status == 0, f"{line}: {said.err}"


def test_the_example_of_setup(tmp_path: Path) -> None:
    line, _ = example_of("setup")
    with running(settings_of(tmp_path)) as gateway:
        typed = ["", "123456", "12345", "98765", gateway.serial[-4:]]
        said = gateway.call(line, typed="".join(f"{answer}\n" for answer in typed))
        assert said.status == 0, said.err
        assert json.loads(gateway.call("info --json").out)["registered_clients"] == 1


def started(line: str, directory: Path, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "gateway", *line.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin", "HOME": str(directory), **environment},
    )


def test_the_example_of_serve(tmp_path: Path) -> None:
    line, _ = example_of("serve")
    with started(line, tmp_path, GATEWAY_PORT="0", GATEWAY_BIND="127.0.0.1") as process:
        assert process.stdout is not None
        while "serves on port" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
