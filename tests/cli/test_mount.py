"""`mount`: a TSE of the gateway as a drive of another process, and what is said when that cannot be."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.driver.usb.transport import MountedFiles
from gateway.tse.commands import AbortImport, OpenImport, TransactionStep
from gateway.tse.info import TseInfo
from tests.cli.background import Running, make_ready, running, settings_of
from tests.cli.test_examples import started
from tests.client.drives import breathe, by_shape
from tests.lan_client import LanClient
from tests.needs import FUSE
from tests.simulator.host import CLIENT, Host
from tests.support import receipt


@contextmanager
def mounting(line: str, directory: Path, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The command in a process of its own, and the line with which it says that it has mounted."""
    with started(line, directory, **environment) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            told = next(line for line in lines if line.startswith("TSE"))  # libfuse 3.14 says something of its own
            yield process, told
        finally:
            process.kill()
            subprocess.run(["umount", "-l", str(directory / "drive")], capture_output=True, check=False)


@FUSE
def test_it_says_what_is_mounted_and_a_signal_ends_it_in_good_order(shop: Running, tmp_path: Path) -> None:
    with mounting(f"mount {shop.serial[:8]} drive", tmp_path, **shop.environment) as (process, told):
        assert told.startswith(f"TSE {shop.serial} of 127.0.0.1:")
        assert f"mounted at {tmp_path / 'drive'}" in told
        sector = (tmp_path / "drive/TSE_INFO.DAT").read_bytes()
        assert TseInfo.decode(sector).serial_hex == shop.serial
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (tmp_path / "drive").is_mount()
    assert shop.call("locks list --json").out.strip() == "[]"


@FUSE
def test_it_reaches_a_gateway_elsewhere_and_ends_when_it_is_unmounted(shop: Running, tmp_path: Path) -> None:
    where = f"--url https://127.0.0.1:{shop.gateway.port} --token-file state/api_token --ca state/tls/ca.pem"
    with mounting(f"mount {shop.serial.lower()} drive {where} --language de", tmp_path) as (process, told):
        assert "eingehängt" in told
        assert (tmp_path / "drive/TSE_TAR.001").exists()
        subprocess.run(["fusermount3", "-u", str(tmp_path / "drive")], check=True)
        assert process.wait(20) == 0


@FUSE
def test_a_killed_one_frees_the_tse_and_can_be_started_again(tmp_path: Path) -> None:
    with running(settings_of(tmp_path / "state", lock_orphaned=0.5)) as gateway:
        gateway.do(make_ready)
        line = f"mount {gateway.serial} drive"
        with mounting(line, tmp_path, **gateway.environment) as (process, _):
            files = MountedFiles(tmp_path / "drive")
            host = Host(by_shape(files), breathe)
            host.do(OpenImport(TransactionStep.START, CLIENT, 0, 0, b""))  # which would keep the lock for 40 s
            process.kill()
            process.wait(20)
            with suppress(OSError):  # nothing is behind the files any more
                files.close()
            asyncio.run(sell(gateway))
        with mounting(line, tmp_path, **gateway.environment) as (process, _):
            files = MountedFiles(tmp_path / "drive")
            assert Host(by_shape(files), breathe).receipt() == 3
            assert Host(by_shape(files), breathe).result(AbortImport()) == 0x1004
            files.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


async def sell(gateway: Running) -> None:
    """A till in the network."""
    till = LanClient(gateway.gateway.port, gateway.gateway.token.value)
    await till.select()
    async with asyncio.timeout(10), till.locked():
        await receipt(till.send_command, till)
    await till.close()


def test_what_is_missing_is_said_in_a_line(shop: Running, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    here = f"--url https://127.0.0.1:{shop.gateway.port}"
    (tmp_path / "wrong").write_text("another-token\n")
    for line, reason in (
        (f"mount {'0' * 64} drive", "no single TSE has a serial with this beginning"),
        (f"mount {shop.serial} full", "it is not empty"),
        (f"mount {shop.serial} full/file", "no directory"),
        (f"mount {shop.serial} full/file/below", "Not a directory"),
        (f"mount {shop.serial} drive --url http://127.0.0.1 --token-file wrong", "must be https://"),
        (f"mount {shop.serial} drive {here}", "--url needs --token-file"),
        (f"mount {shop.serial} drive {here} --token-file wrong", "certificate that is not trusted"),
        (f"mount {shop.serial} drive {here} --token-file wrong --ca state/tls/ca.pem", "refused our token"),
    ):
        said = shop.call(line)
        assert (said.status, said.out) == (1, ""), line
        assert reason in said.err, said.err


def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    with running(settings_of(tmp_path)) as gateway:
        pass
    said = gateway.call("mount 0 drive")
    assert said.status == 1
    assert "cannot be reached" in said.err
