"""The command line: one function behind each command, one line for each trouble."""

import asyncio
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import __version__
from gateway.app import standalone
from gateway.app.gateway import running
from gateway.cli.commands import app as commands
from gateway.config.settings import load
from gateway.driver.usb.transport import RawDisk
from gateway.simulator.device import SimulatedTse
from gateway.simulator.faults import FAULTS, listed_faults
from gateway.tse.info import TseInfo
from tests.cli.test_examples import example_of, started
from tests.fake_host import FakeHost
from tests.lan_client import LanClient
from tests.needs import FUSE


def invoke(*arguments: str, environment: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(commands, list(arguments), env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, check=False)


def test_version() -> None:
    assert invoke("version") == f"tse-gateway {__version__}\n"


def test_config_hides_secrets_and_names_the_source(tmp_path: Path) -> None:
    environment = {"GATEWAY_API_TOKEN": "secret-of-the-shop", "GATEWAY_STATE_DIR": str(tmp_path), "COLUMNS": "200"}
    shown = invoke("config", environment=environment)
    assert "secret-of-the-shop" not in shown
    assert "GATEWAY_API_TOKEN" in shown
    assert "lock_wait" in shown


async def test_devices_of_the_running_gateway(tmp_path: Path) -> None:
    settings = load(
        {}, state_dir=tmp_path, simulators=1, simulator_fresh=True, port=0, bind="127.0.0.1", address="127.0.0.1"
    )
    async with running(settings) as gateway:
        client = LanClient(gateway.port, gateway.token.value)
        await client.select()
        await client.close()
        environment = {
            "GATEWAY_STATE_DIR": str(tmp_path),
            "GATEWAY_PORT": str(gateway.port),
            "GATEWAY_BIND": "127.0.0.1",
            "COLUMNS": "200",
        }
        found = json.loads(await asyncio.to_thread(invoke, "devices", "--json", environment=environment))
        table = await asyncio.to_thread(invoke, "devices", environment=environment)
    assert [tse["serial"] for tse in found] == [client.serial]
    assert client.serial[:8] in table
    assert "fresh, not set up" in table


async def test_without_a_gateway_and_a_tse_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    settings = load({"GATEWAY_STATE_DIR": str(tmp_path), "GATEWAY_API_TOKEN": "123456", "GATEWAY_PORT": "1"})
    with pytest.raises(standalone.NoTse, match="tse-gateway serve"):
        async with standalone.serving(settings, roots=FakeHost(tmp_path).roots):
            pass


def test_create_a_simulated_tse_once(tmp_path: Path) -> None:
    home = tmp_path / "tse"
    made = invoke("simulator", "create", str(home))
    tse = SimulatedTse.open(home)
    assert tse.serial.hex().upper() in made
    tse.close()
    again = program("simulator", "create", str(home))
    assert (again.returncode, again.stdout) == (1, "")
    assert "already" in again.stderr
    assert "Traceback" not in again.stderr


def test_faults_are_listed_set_and_cleared(tmp_path: Path) -> None:
    home = tmp_path / "tse"
    invoke("simulator", "create", str(home))
    listed = invoke("simulator", "fault")
    assert all(name in listed for name in FAULTS)
    invoke("simulator", "fault", str(home), "unplugged")
    invoke("simulator", "fault", str(home), "fetch", "--times", "3")
    assert listed_faults(home) == {"unplugged": None, "fetch": 3}
    assert "*  unplugged" in invoke("simulator", "fault", str(home))
    invoke("simulator", "fault", str(home), "unplugged", "--clear")
    assert listed_faults(home) == {"fetch": 3}
    invoke("simulator", "fault", str(home), "--clear")
    assert listed_faults(home) == {}


def test_an_unknown_fault_names_those_there_are(tmp_path: Path) -> None:
    home = tmp_path / "tse"
    invoke("simulator", "create", str(home))
    done = program("simulator", "fault", str(home), "explodes")
    assert done.returncode == 1
    assert "unplugged" in done.stderr


@FUSE
def test_the_example_of_mount_lasts_until_it_is_unmounted(tmp_path: Path) -> None:
    line, _ = example_of("simulator mount")
    info = tmp_path / "mnt" / "TSE_INFO.DAT"
    with started(line, tmp_path) as mounting:
        assert mounting.stdout is not None
        serial = mounting.stdout.readline().split()[2]
        while not info.exists():
            assert mounting.poll() is None
        assert info.read_bytes()[0x100:0x120].hex().upper() == serial
        subprocess.run(["fusermount3", "-u", str(info.parent)], check=True)
        assert mounting.wait(20) == 0
    assert (tmp_path / "tse").is_dir()


@FUSE
def test_the_example_of_image_is_a_disk_until_it_is_unmounted(tmp_path: Path) -> None:
    line, _ = example_of("simulator image")
    with started(line, tmp_path) as mounting:
        assert mounting.stdout is not None
        serial = mounting.stdout.readline().split()[2]
        disk = tmp_path / "disk.img"
        while not disk.exists() or not disk.stat().st_size:
            assert mounting.poll() is None
        with closing(RawDisk(disk)) as opened:
            assert TseInfo.decode(opened.read_info()).serial_hex == serial
        subprocess.run(["fusermount3", "-u", str(disk)], check=True)
        assert mounting.wait(20) == 0
