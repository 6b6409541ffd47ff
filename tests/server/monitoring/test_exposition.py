"""The port for monitoring, /metrics and /readyz of a gateway that runs."""

import asyncio
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pydantic import SecretStr

from gateway.app.gateway import Gateway, running
from gateway.driver.usb.thread import BlockingThread
from gateway.errors import DeviceGone, DeviceTimeout
from gateway.fleet.outages.log import LOG
from gateway.server.http import tls
from gateway.server.monitoring.exposition import GatewayCollector, configuration_hash
from gateway.tse.commands import DeregisterClient
from tests.server.shop import BASE, TOKEN, settings_for, until
from tests.support import make_ready, receipt, set_up

METRICS_TOKEN = "only-for-metrics"


async def ask(gateway: Gateway, path: str, *, port: int | None = None, **headers: str) -> tuple[int, str]:
    """By way of the port for monitoring unless told otherwise."""
    at = port or gateway.metrics_port
    scheme = "http" if gateway.settings.metrics_listen == "plain" and port is None else "https"
    connector = aiohttp.TCPConnector(ssl=tls.client_context(gateway.settings))
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        session.get(f"{scheme}://127.0.0.1:{at}{path}", allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text()


def lock_of(serial: str) -> str:
    return f"{BASE}/tse/{serial}/lock"


def monitored(tmp_path: Path, **given: Any) -> Any:
    return running(settings_for(tmp_path, metrics_port=0, **given))


async def test_the_port_is_closed_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with monitored(tmp_path) as gateway:
        assert gateway.metrics_port is None


async def test_a_plain_port_tells_everybody(tmp_path: Path) -> None:
    async with monitored(tmp_path, metrics_listen="plain", site="Köln") as gateway:
        status, text = await ask(gateway, "/metrics")
        assert status == 200
        assert f'tse_up{{serial="{gateway.registry.devices()[0].serial}",site="Köln"}} 1.0\n' in text
        assert 'tse_gateway_build_info{site="Köln",' in text
        assert (await ask(gateway, "/lantse/api/v1/tses"))[0] == 404


async def test_the_tls_port_wants_its_own_token_which_opens_nothing_else(tmp_path: Path) -> None:
    async with monitored(tmp_path, metrics_listen="tls", metrics_token=SecretStr(METRICS_TOKEN)) as gateway:
        assert (await ask(gateway, "/metrics", Authorization=f"Bearer {METRICS_TOKEN}"))[0] == 200
        assert (await ask(gateway, "/healthz"))[0] == 200
        refused, *others, elsewhere = await asyncio.gather(
            *(ask(gateway, "/metrics", Authorization=value) for value in (f"Bearer {TOKEN}", "Basic x", "Bearer")),
            ask(gateway, "/metrics"),
            ask(gateway, "/api/v1/tses", port=gateway.port, Authorization=f"Bearer {METRICS_TOKEN}"),
        )
        assert refused[0] == 401
        assert json.loads(refused[1])["error_name"] == "InvalidApiToken"
        assert {status for status, _ in (*others, elsewhere)} == {401}
        failures = gateway.metrics.registry.get_sample_value
        assert failures("tse_gateway_auth_failures_total", {"reason": "wrong"}) == 4
        assert failures("tse_gateway_auth_failures_total", {"reason": "missing"}) == 1


async def test_a_port_that_is_taken_does_not_stop_the_tills(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_for(tmp_path, metrics_listen="plain", metrics_port=taken.getsockname()[1])
        async with running(settings) as gateway:
            assert gateway.metrics_port is None
            assert (await ask(gateway, "/healthz", port=gateway.port))[0] == 200


async def test_open_metrics_leads_from_a_slow_request_to_its_log_lines(tmp_path: Path) -> None:
    async with monitored(tmp_path, metrics_listen="plain") as gateway:
        await ask(gateway, "/healthz", port=gateway.port, **{"X-Request-ID": "till-7"})
        _, text = await ask(gateway, "/metrics", Accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")
        families = {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
        found = [sample.exemplar for sample in families["tse_gateway_http_request_duration_seconds"].samples]
        assert {"request_id": "till-7"} in [exemplar.labels for exemplar in found if exemplar]


async def test_open_metrics_leads_from_a_slow_command_to_the_request_that_sent_it(tmp_path: Path) -> None:
    async with monitored(tmp_path, metrics_listen="plain") as gateway:
        device = gateway.registry.devices()[0]
        await set_up(device.command, gateway.simulators[0].serial)
        headers = {"X-Request-ID": "till-8", "Authorization": f"Bearer {TOKEN}"}
        assert (await ask(gateway, f"/api/v1/tses/{device.serial}/health", port=gateway.port, **headers))[0] == 200
        _, text = await ask(gateway, "/metrics", Accept="application/openmetrics-text")
        for name in ("tse_command_duration_seconds", "tse_gateway_lock_wait_seconds", "tse_queue_wait_seconds"):
            lines = [line for line in text.splitlines() if line.startswith(f"{name}_bucket") and "till-8" in line]
            assert lines, name


async def test_a_gateway_with_a_tse_that_signs_is_ready(tmp_path: Path) -> None:
    async with monitored(tmp_path) as gateway:
        device = gateway.registry.devices()[0]
        status, text = await ask(gateway, "/readyz", port=gateway.port)
        told = {"serial": device.serial, "ready": False, "code": "not_set_up", "reason": "the TSE is not set up yet"}
        assert (status, json.loads(text)) == (503, {"ready": False, "reason": "", "tses": [told]})
        await set_up(device.command, gateway.simulators[0].serial)
        await device.read_info()
        status, text = await ask(gateway, "/readyz", port=gateway.port)
        assert (status, json.loads(text)["ready"]) == (200, True)


async def test_a_gateway_without_a_tse_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with monitored(tmp_path, simulators=0, discover=False) as gateway:
        assert (await ask(gateway, "/healthz", port=gateway.port))[0] == 200
        status, text = await ask(gateway, "/readyz", port=gateway.port)
        assert (status, json.loads(text)) == (503, {"ready": False, "reason": "no TSE was found", "tses": []})


async def test_health_and_metrics_do_not_wait_for_a_tse_that_hangs(tmp_path: Path) -> None:
    async with monitored(tmp_path, metrics_listen="plain") as gateway:
        device, tse = gateway.registry.devices()[0], gateway.simulators[0]
        tse.faults.set("hung")
        hanging = asyncio.create_task(device.read_info())
        await until(lambda: device._connection.busy)
        for path in ("/healthz", "/readyz", "/metrics"):
            began = time.perf_counter()
            await ask(gateway, path)
            assert time.perf_counter() - began < 10  # 50 ms on an idle machine; the TSE would take 45 s
        assert not hanging.done()
        tse.faults.clear()
        await hanging


async def test_a_thread_that_the_kernel_does_not_give_back_shows(tmp_path: Path) -> None:
    measures, released, thread = GatewayCollector(settings_for(tmp_path)), threading.Event(), BlockingThread("tse")

    def hung() -> float:
        return (
            next(family for family in measures.collect() if family.name == "tse_gateway_hung_threads").samples[0].value
        )

    before = hung()
    with pytest.raises(DeviceTimeout):
        await thread.run(released.wait, timeout=0.01)
    assert hung() == before + 1
    released.set()
    thread.stop()
    await until(lambda: hung() == before)


async def test_why_a_tse_was_lost_and_opened_again_is_counted(tmp_path: Path) -> None:
    async with monitored(tmp_path) as gateway:
        device, tse = gateway.registry.devices()[0], gateway.simulators[0]
        value = gateway.metrics.registry.get_sample_value
        tse.faults.set("unplugged")
        with pytest.raises(DeviceGone):
            await device.read_info()
        assert value("tse_up", {"serial": device.serial}) == 0
        tse.faults.clear()
        await until(lambda: value("tse_up", {"serial": device.serial}) == 1)
        labels = {"serial": device.serial, "reason": "device_gone"}
        assert (value("tse_lost_total", labels), value("tse_opened_total", labels)) == (1, 1)


async def test_a_tse_that_is_away_when_the_gateway_starts_again_is_down(tmp_path: Path) -> None:
    async with monitored(tmp_path) as gateway:
        device = gateway.registry.devices()[0]
        serial = device.serial
        await set_up(device.command, gateway.simulators[0].serial)
        await device.read_info()
        value = gateway.metrics.registry.get_sample_value
        await until(lambda: value("tse_outage_active", {"serial": serial}) is not None)
    async with monitored(tmp_path, metrics_listen="plain", simulators=0, discover=False) as gateway:
        text = (await ask(gateway, "/metrics"))[1]
        assert f'tse_up{{serial="{serial}"}} 0.0\n' in text
        assert f'tse_not_ready{{reason="absent",serial="{serial}"}} 1.0\n' in text
        assert "tse_gateway_tses 0.0\n" in text
        _, ready = await ask(gateway, "/readyz")
        (told,) = json.loads(ready)["tses"]
        assert (told["serial"], told["ready"], told["code"]) == (serial, False, "absent")


async def test_each_till_has_series_of_its_own_if_that_is_wanted(tmp_path: Path) -> None:
    async with monitored(tmp_path, metrics_clients=True) as gateway:
        device = gateway.registry.devices()[0]
        await set_up(device.command, gateway.simulators[0].serial)
        await receipt(device.command, device)
        labels = {"serial": device.serial, "client": "POS-1"}
        value = gateway.metrics.registry.get_sample_value
        assert value("tse_client_receipts_total", labels) == 1
        await device.command(DeregisterClient(b"POS-1").encode())
        assert value("tse_client_receipts_total", labels) is None


async def test_an_outage_is_on_the_disk_while_it_lasts(tmp_path: Path) -> None:
    async with monitored(tmp_path, keep_alive=0.05) as gateway:
        device, tse = gateway.registry.devices()[0], gateway.simulators[0]
        await set_up(device.command, tse.serial)
        await receipt(device.command, device)
        await device.read_info()
        tse.faults.set("unplugged")
        path = gateway.settings.state_dir / LOG
        await until(lambda: path.exists() and '"begin"' in path.read_text())
        refused, _ = await ask(gateway, lock_of(device.serial), port=gateway.port, Authorization=f"Bearer {TOKEN}")
        assert refused == 503
        tse.faults.clear()
        await until(lambda: not device.failed.is_set())
        await make_ready(device.command)
        await until(lambda: '"end"' in path.read_text())
        labels = {"serial": device.serial, "reason": "device_gone"}
        value = gateway.metrics.registry.get_sample_value
        assert value("tse_outages_total", labels) == 1
        assert value("tse_outage_refused_requests_total", {"serial": device.serial}) == 1
        error = {"serial": device.serial, "error": "device_gone"}
        assert value("tse_gateway_refused_requests_total", error) == 1
    *_, end, last = path.read_text().splitlines()
    assert (json.loads(end)["event"], json.loads(end)["refused"]) == ("end", 1)
    assert json.loads(last)["event"] == "stopped"


async def test_no_label_holds_a_serial_that_a_client_made_up(tmp_path: Path) -> None:
    async with monitored(tmp_path) as gateway:
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}):
            status, _ = await ask(gateway, lock_of("EF" * 32), port=gateway.port, **headers)
            assert status in {400, 401}
        text = gateway.metrics.exposition()[0].decode()
        assert "EFEFEF" not in text
        assert 'tse_gateway_refused_requests_total{error="unknown_device",serial=""} 1.0' in text


@pytest.mark.parametrize(("change", "same"), [({"site": "Ulm"}, True), ({"lock_idle": 91}, False)])
def test_the_hash_of_the_settings_tells_whether_two_gateways_work_alike(
    tmp_path: Path, change: dict[str, object], same: bool
) -> None:
    first, second = settings_for(tmp_path), settings_for(tmp_path, **change)
    assert (configuration_hash(first) == configuration_hash(second)) == same
