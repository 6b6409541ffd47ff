"""The doctor before set-ups that are broken for real: it names the layer, and what rests on it stays unknown."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.app import gateway as app
from gateway.app import standalone
from gateway.app.gateway import Gateway
from gateway.checks import CheckResult, CheckStatus, Layer, exit_status
from gateway.client import api as client
from gateway.client.api import Refused
from gateway.clock.trusted import KernelClock
from gateway.config.settings import Settings
from gateway.config.tables import UpstreamSettings
from gateway.doctor import examination
from gateway.doctor.examination import Machine
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.simulator.faults import set_fault
from gateway.tse import layout
from tests.cli.background import call, environment_of, make_ready, right_time, settings_of
from tests.clock.time_server import time_server
from tests.fake_host import FOREIGN_DISK, USB, FakeHost, serial_of, tse_disk
from tests.needs import NAMESPACES
from tests.server.http.test_tls import own_pair
from tests.support import set_up

HEALTHY = {CheckStatus.OK, CheckStatus.UNKNOWN}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "host")


def machine(host: FakeHost, *, synchronised: bool = True) -> Machine:
    return Machine(host.roots, lambda: KernelClock(synchronised), standalone.serving)


def unwell(found: list[CheckResult]) -> set[Layer]:
    return {result.layer for result in found if result.status not in HEALTHY}


WITHOUT_POOL = [layer for layer in Layer if layer is not Layer.POOL]


def status(found: list[CheckResult], layer: Layer) -> CheckStatus:
    (result,) = (result for result in found if result.layer is layer)
    return result.status


@asynccontextmanager
async def gateway(settings: Settings, *, ready: bool = True) -> AsyncIterator[tuple[Gateway, Settings]]:
    """One that runs, and the settings by which it is found."""
    async with app.running(settings) as running:
        if ready:
            await make_ready(running)
        yield running, settings.model_copy(update={"port": running.port})


async def post(running: Gateway, settings: Settings, verb: str, body: dict[str, object]) -> None:
    """As a command does it."""
    async with client.local(settings) as api:
        await api.post(f"/tses/{running.registry.devices()[0].serial}/{verb}", body)


async def examined(settings: Settings, host: FakeHost, **given: Any) -> list[CheckResult]:
    """With every text made, in both languages."""
    found = await examination.here(settings, machine(host, **given))
    for result in found:
        assert result.text_in("en")
        assert result.text_in("de")
        assert bool(result.remedy_in("en")) == bool(result.remedy_in("de")) == (result.status not in HEALTHY)
    return found


UNTOLD = {Layer.INFO, Layer.CERTIFICATE}  # the smallest disk with a TSE answers no command


def nothing_runs(tmp_path: Path, **given: Any) -> Settings:
    """Settings of a gateway that does not run, over the fake host."""
    return settings_of(tmp_path / "state", **({"simulators": 0, "port": free_port()} | given))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- all is well -------------------------------------------------------------


async def test_a_shop_in_order(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")) as (_, settings):
        found = await examined(settings, host)
    assert {result.layer: result.status for result in found} == dict.fromkeys(WITHOUT_POOL, CheckStatus.OK)
    assert exit_status(found) == 0


async def test_a_gateway_that_was_told_on_its_command_line_to_simulate(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")) as (_, settings):
        found = await examined(settings.model_copy(update={"simulators": 0}), host)
    assert unwell(found) == set()
    assert "simulator-1" in next(result.text_in("en") for result in found if result.layer is Layer.USB)


# ---- the host ------------------------------------------------------------------


async def test_no_usb_device(tmp_path: Path, host: FakeHost) -> None:
    found = await examined(nothing_runs(tmp_path), host)
    assert unwell(found) == {Layer.USB, Layer.GATEWAY}
    assert status(found, Layer.BLOCK) is status(found, Layer.CONTENT) is CheckStatus.UNKNOWN


async def test_usb_storage_of_which_the_kernel_makes_no_disk(tmp_path: Path, host: FakeHost) -> None:
    interface = host.root / "sys/bus/usb/devices/1-1:1.0"
    interface.mkdir(parents=True)
    (interface / "bInterfaceClass").write_text("08\n")
    found = await examined(nothing_runs(tmp_path), host)
    assert unwell(found) == {Layer.BLOCK, Layer.GATEWAY}


async def test_an_empty_card_reader(tmp_path: Path, host: FakeHost) -> None:
    host.plug("sda", b"", removable="1", size="0")
    assert unwell(await examined(nothing_runs(tmp_path), host)) == {Layer.BLOCK, Layer.GATEWAY}


async def test_a_foreign_disk(tmp_path: Path, host: FakeHost) -> None:
    host.plug("sda", FOREIGN_DISK, removable="1")
    found = await examined(nothing_runs(tmp_path), host)
    assert unwell(found) == {Layer.CONTENT, Layer.GATEWAY}
    assert status(found, Layer.USB) is status(found, Layer.BLOCK) is CheckStatus.OK


async def test_no_permission_on_the_node(tmp_path: Path, open_host: FakeHost) -> None:
    node = open_host.plug("sda", tse_disk(), removable="1")
    assert unwell(await examined(nothing_runs(tmp_path), open_host)) - UNTOLD == {Layer.GATEWAY}
    node.chmod(0)
    with an_ordinary_user():
        found = await examined(nothing_runs(tmp_path), open_host)
    assert unwell(found) - {Layer.DISK, Layer.TOKEN} == {Layer.BLOCK, Layer.GATEWAY}


@pytest.fixture
def open_host() -> Iterator[FakeHost]:
    """In a directory that others may enter, unlike pytest's."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield FakeHost(Path(directory))


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may open everything: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_where_no_usb_is_needed_other_disks_do_not_matter(tmp_path: Path, host: FakeHost) -> None:
    host.plug("sda", FOREIGN_DISK, removable="1")
    upstream = UpstreamSettings(url="https://127.0.0.1:1", token=SecretStr("x"), fingerprint="ab" * 32)
    settings = nothing_runs(tmp_path).model_copy(update={"upstreams": (upstream,), "simulators": 0})
    assert unwell(await examined(settings, host)) == {Layer.GATEWAY}


async def test_a_tse_that_is_well_beside_a_disk_that_is_none(tmp_path: Path, host: FakeHost) -> None:
    host.plug("sda", tse_disk(), removable="1")
    host.plug("sdb", FOREIGN_DISK, number="8:16", bus=f"{USB}.2", removable="1")
    host.plug("sdc", b"", number="8:32", bus=f"{USB}.3", removable="1", size="0")  # an empty slot
    found = await examined(nothing_runs(tmp_path), host)
    assert unwell(found) - UNTOLD == {Layer.GATEWAY}
    assert serial_of(1)[:8] in next(result.text_in("en") for result in found if result.layer is Layer.CONTENT)


async def test_damaged_content(tmp_path: Path, host: FakeHost) -> None:
    volume = host.volume()
    (volume / layout.WINDOW_FILE).unlink()
    found = await examined(nothing_runs(tmp_path, devices=str(volume), discover=True), host)
    assert unwell(found) == {Layer.CONTENT, Layer.GATEWAY}


async def test_a_path_in_the_settings_that_leads_nowhere(tmp_path: Path, host: FakeHost) -> None:
    host.plug("sda", FOREIGN_DISK, removable="1")
    found = await examined(nothing_runs(tmp_path, devices=str(tmp_path / "absent"), discover=True), host)
    assert Layer.BLOCK in unwell(found)


async def test_a_tse_that_the_settings_leave_out(tmp_path: Path, host: FakeHost) -> None:
    host.plug("sda", tse_disk(), removable="1")
    elsewhere = settings_of(tmp_path / "state", simulators=0, devices=(tmp_path / "absent",))
    async with gateway(elsewhere, ready=False) as (_, settings):
        found = await examined(settings, host)
    assert unwell(found) == {Layer.BLOCK, Layer.INFO}  # nothing is where they point, and what is there was not opened


# ---- the TSE -------------------------------------------------------------------


async def test_a_tse_that_is_not_set_up(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state"), ready=False) as (_, settings):
        found = await examined(settings, host)
    assert unwell(found) == {Layer.INFO}
    assert status(found, Layer.CLIENTS) is CheckStatus.UNKNOWN


async def test_a_tse_that_was_pulled(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state", keep_alive=0.02)) as (running, settings):
        set_fault(settings.state_dir / "simulator-1", "unplugged")
        await running.registry.devices()[0].failed.wait()
        found = await examined(settings, host)
    assert unwell(found) == {Layer.INFO}


async def test_the_self_test_is_missing_and_the_time_too(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")):
        pass  # the stop is a power cycle
    async with gateway(settings_of(tmp_path / "state"), ready=False) as (_, settings):
        found = await examined(settings, host)
    assert unwell(found) >= {Layer.SELF_TEST, Layer.TIME}
    assert unwell(found) <= {Layer.SELF_TEST, Layer.TIME, Layer.STORE}


async def test_the_self_test_fails(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")) as (running, settings):
        set_fault(settings.state_dir / "simulator-1", "failed_self_test")
        with pytest.raises(Refused, match="self test failed"):
            await post(running, settings, "self-test", {"client_id": "POS-1"})
        await running.registry.devices()[0].read_info()
        found = await examined(settings, host)
    assert Layer.SELF_TEST in unwell(found)


@pytest.mark.parametrize(("tries", "layer"), [(1, CheckStatus.WARN), (2, CheckStatus.FAIL), (3, CheckStatus.FAIL)])
async def test_wrong_pins(tmp_path: Path, host: FakeHost, tries: int, layer: CheckStatus) -> None:
    """Two tries left, one try left, blocked."""
    async with gateway(settings_of(tmp_path / "state")) as (running, settings):
        for _ in range(tries):
            with pytest.raises(Refused):
                await post(running, settings, "clients/list", {"admin_pin": "00000", "risk_lockout": True})
        found = await examined(settings, host)
    assert unwell(found) == {Layer.PINS}
    assert status(found, Layer.PINS) is layer


async def test_no_client_is_registered(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")) as (running, settings):
        await post(running, settings, "clients/deregister", {"admin_pin": "12345", "client_id": "POS-1"})
        found = await examined(settings, host)
    assert unwell(found) == {Layer.CLIENTS}


@pytest.mark.parametrize(
    ("days", "expected"),
    [(120, CheckStatus.WARN), (40, CheckStatus.WARN), (20, CheckStatus.FAIL), (-1, CheckStatus.FAIL)],
)
async def test_the_certificate_of_the_tse_ends(
    tmp_path: Path, host: FakeHost, days: int, expected: CheckStatus
) -> None:
    def made_long_ago() -> float:
        return time.time() - timedelta(days=100).total_seconds()

    make = Make(valid=timedelta(days=100 + days))
    SimulatedTse.create(tmp_path / "state/simulator-1", make, now=made_long_ago, durable=False).close()
    async with gateway(settings_of(tmp_path / "state"), ready=False) as (running, settings):
        device = running.registry.devices()[0]
        await set_up(device.command, running.simulators[0].serial, now=int(time.time()))
        await device.read_info()
        found = await examined(settings, host)
    assert unwell(found) == {Layer.CERTIFICATE}
    assert status(found, Layer.CERTIFICATE) is expected


# ---- the gateway ---------------------------------------------------------------


async def test_no_gateway_runs_but_the_tse_is_asked_all_the_same(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")):
        pass
    found = await examined(nothing_runs(tmp_path, simulators=1), host)
    assert unwell(found) == {Layer.GATEWAY, Layer.SELF_TEST, Layer.TIME}
    assert status(found, Layer.INFO) is CheckStatus.OK


async def test_looking_makes_no_tse(tmp_path: Path, host: FakeHost) -> None:
    found = await examined(nothing_runs(tmp_path, simulators=1), host)
    assert status(found, Layer.INFO) is CheckStatus.UNKNOWN
    assert not (tmp_path / "state").exists()


async def test_the_port_is_taken(tmp_path: Path, host: FakeHost) -> None:
    async with other_program() as port:
        found = await examined(nothing_runs(tmp_path, port=port), host)
        told = next(result.text_in("en") for result in found if result.layer is Layer.GATEWAY)
    assert unwell(found) == {Layer.USB, Layer.GATEWAY}
    assert "another program" in told


@asynccontextmanager
async def other_program() -> AsyncIterator[int]:
    """It speaks no TLS, and says so."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-something\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_gateway_with_other_settings_has_the_port(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "other")) as (_, settings):
        found = await examined(nothing_runs(tmp_path, port=settings.port), host)
    told = next(result.text_in("en") for result in found if result.layer is Layer.GATEWAY)
    assert unwell(found) == {Layer.USB, Layer.GATEWAY}
    assert "not with these settings" in told


async def test_its_certificate_has_expired(tmp_path: Path, host: FakeHost) -> None:
    chain, key = own_pair(tmp_path / "own", days=-5)
    found = await examined(nothing_runs(tmp_path, tls_certificate=chain, tls_key=key), host)
    assert unwell(found) == {Layer.USB, Layer.GATEWAY, Layer.TLS}


async def test_its_certificate_is_about_to_expire(tmp_path: Path, host: FakeHost) -> None:
    chain, key = own_pair(tmp_path / "own", days=10)
    async with gateway(settings_of(tmp_path / "state", tls_certificate=chain, tls_key=key)) as (_, settings):
        found = await examined(settings, host)
    assert unwell(found) == {Layer.TLS}
    assert status(found, Layer.TLS) is CheckStatus.WARN


async def test_its_key_belongs_to_another_certificate(tmp_path: Path, host: FakeHost) -> None:
    chain, key = own_pair(tmp_path / "own")
    async with gateway(settings_of(tmp_path / "state", tls_certificate=chain, tls_key=key)) as (_, settings):
        key.write_bytes(own_pair(tmp_path / "other")[1].read_bytes())
        found = await examined(settings, host)
    assert unwell(found) == {Layer.TLS}


async def test_the_token_is_another_one(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state", api_token="the-right-token")) as (_, settings):
        found = await examined(settings.model_copy(update={"api_token": None}), host)
        assert unwell(found) == {Layer.TOKEN}  # there is none
        (settings.state_dir / "api_token").write_text("another-token\n")
        found = await examined(settings.model_copy(update={"api_token": None}), host)
        assert unwell(found) == {Layer.TOKEN}


async def test_the_state_directory_is_none(tmp_path: Path, host: FakeHost) -> None:
    (tmp_path / "state").write_text("a file\n")
    assert Layer.DISK in unwell(await examined(nothing_runs(tmp_path), host))


async def test_the_disk_of_the_archive_cannot_be_written_to(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state", archive_dir=tmp_path / "archive")) as (_, settings):
        elsewhere = tmp_path / "no directory"
        elsewhere.write_text("a file\n")
        found = await examined(settings.model_copy(update={"archive_dir": elsewhere}), host)
    assert [result.status for result in found if result.layer is Layer.DISK] == [CheckStatus.OK, CheckStatus.FAIL]


@NAMESPACES
async def test_the_disk_is_full(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    script = 'mount -t tmpfs -o size=128k none "$0" && head -c 1M /dev/zero >"$0/full"; exec "$@"'
    arguments = [sys.executable, "-m", "gateway", "doctor", "--json"]
    said = await process(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(state), *arguments],
        nothing_runs(tmp_path),
    )
    found = {result["layer"]: result for result in json.loads(said.stdout)["findings"]}
    assert said.returncode == 2
    assert found["disk"]["verdict"] == "fail"
    assert "space" in found["disk"]["text"]


async def test_the_clock_is_not_synchronised(tmp_path: Path, host: FakeHost) -> None:
    async with gateway(settings_of(tmp_path / "state")) as (_, settings):
        found = await examined(settings, host, synchronised=False)
        assert unwell(found) == {Layer.CLOCK}
        async with time_server(right_time) as server:
            asked = settings.model_copy(update={"ntp_servers": (f"{server.host}:{server.port}",)})
            assert not unwell(await examined(asked, host, synchronised=False))


# ---- from a terminal -----------------------------------------------------------


async def process(arguments: list[str], settings: Settings) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "GATEWAY_STATE_DIR": str(settings.state_dir),
        "GATEWAY_PORT": str(settings.port),
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_SIMULATORS": str(settings.simulators),
        "GATEWAY_SIMULATOR_FRESH": "true",
        "GATEWAY_NTP_SERVERS": "none",
    }
    return await asyncio.to_thread(
        subprocess.run, arguments, capture_output=True, text=True, check=False, env=environment, timeout=60
    )


async def test_the_command_tells_layers_remedies_and_status(tmp_path: Path) -> None:
    async with gateway(settings_of(tmp_path / "state"), ready=False) as (_, settings):
        environment = environment_of(settings, settings.port)
        people = await asyncio.to_thread(call, "doctor --language de", environment)
        program = await asyncio.to_thread(call, "doctor --json", environment)
    assert people.status == program.status == 2
    assert "noch nicht eingerichtet" in people.out
    assert "→" in people.out
    found = json.loads(program.out)["findings"]
    assert [result["layer"] for result in found] == [layer.value for layer in WITHOUT_POOL]
    assert all(result["remedy"] for result in found if result["verdict"] in {"warn", "fail"})
