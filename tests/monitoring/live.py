"""`python -m tests.monitoring.live`: a real Prometheus scrapes a gateway over TLS while alerts are brought about.

Needs Debian's package prometheus; takes a minute. The rules are those of compose/monitoring, with all waiting cut to
seconds. At the end every query of both dashboards is put to that Prometheus.
"""

import asyncio
import contextlib
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from pydantic import SecretStr

from gateway.app import Gateway, running
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.server import authority
from gateway.simulator.device import SimulatedTse
from gateway.simulator.profiles import INSTANT, Profile
from gateway.tse.commands import CloseImport
from tests.monitoring.test_dashboards import FILES, expressions, load
from tests.monitoring.test_rules import RULES
from tests.server.shop import settings_for
from tests.support import Send, receipt, set_up

TOKEN = "only-for-metrics"
_PATIENCE = 60.0


@dataclass(frozen=True)
class Prometheus:
    url: str
    session: aiohttp.ClientSession

    async def query(self, expr: str) -> list[object]:
        """The series that `expr` gives now."""
        async with self.session.get(f"{self.url}/api/v1/query", params={"query": expr}) as answer:
            body = await answer.json()
            assert body["status"] == "success", (expr, body)
            return list(body["data"]["result"])

    async def fires(self, alert: str) -> None:
        """Wait until it does."""
        query = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(_PATIENCE):
            while not await self.query(query):  # noqa: ASYNC110 (Prometheus tells of no event)
                await asyncio.sleep(0.5)
        print(f"{alert} fires after {asyncio.get_running_loop().time() - began:.1f} s", flush=True)


def hurried(rules: str) -> str:
    """The rules with all waiting cut to seconds."""
    rules = re.sub(r"for: \d+[mh]", "for: 2s", rules)
    rules = re.sub(r"\[(5|10)m\]", "[15s]", rules)
    return rules.replace("> 120", "> 5")


@asynccontextmanager
async def prometheus(directory: Path, gateway: Gateway) -> AsyncIterator[Prometheus]:
    ca = authority.ca_path(gateway.settings.state_dir / "tls")
    job = {
        "job_name": "tse-gateway",
        "scheme": "https",
        "authorization": {"credentials": TOKEN},
        "tls_config": {"ca_file": str(ca)},
        "static_configs": [{"targets": [f"127.0.0.1:{gateway.metrics_port}"]}],
    }
    (directory / "rules.yaml").write_text(hurried(RULES.read_text(encoding="utf-8")))
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": [job]}
    (directory / "prometheus.json").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={directory}/prometheus.json",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    )
    try:
        async with aiohttp.ClientSession() as session:
            made = Prometheus(f"http://127.0.0.1:{port}", session)
            async with asyncio.timeout(_PATIENCE):
                while not await _is_scraped(made):  # noqa: ASYNC110 (Prometheus tells of no event)
                    await asyncio.sleep(0.5)
            yield made
    finally:
        process.terminate()
        await process.wait()


async def _is_scraped(server: Prometheus) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        return bool(await server.query("up == 1"))
    return False


class Till:
    alive = True


async def sell(device: Device, send: Send) -> None:
    """For ever."""
    while True:
        with contextlib.suppress(GatewayError):
            await receipt(send, device)
        await asyncio.sleep(0.2)


async def hold(device: Device) -> None:
    """Be busy all the time and never give the lock back."""
    lease = await device.acquire(till := Till(), 5)
    try:
        while True:
            with device.entered(lease.session, till):
                await device.read_info()
            await asyncio.sleep(0.5)
    finally:
        device.release(lease.session)


async def wait(device: Device) -> None:
    while True:
        with contextlib.suppress(GatewayError):
            device.release((await device.acquire(Till(), 20)).session)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def during(*work: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def bring_about(server: Prometheus, gateway: Gateway, device: Device, tse: SimulatedTse) -> None:
    """One trouble after the other."""
    await server.fires("SimulatorInProduction")
    tse._profile = Profile("tired", seconds={CloseImport: 1.5})
    async with during(asyncio.create_task(sell(device, device.command))):
        await server.fires("TseSlow")
    tse._profile = INSTANT
    work = [hold(device), *(wait(device) for _ in range(7))]
    async with during(*map(asyncio.create_task, work)):
        await server.fires("GatewayLockStuck")
        await server.fires("GatewayQueueLong")
    tse.faults.set("unplugged")
    await server.fires("TseDown")
    tse.faults.clear()  # which is a power cycle: self test and time are gone
    await server.fires("TseNotReady")
    address = f"https://127.0.0.1:{gateway.port}/metrics"
    for _ in range(25):
        async with server.session.get(address, ssl=False):
            pass
    await server.fires("GatewayAuthFailures")


async def ask_dashboards(server: Prometheus) -> None:
    """Each query, and what it brings."""
    for path in FILES:
        for expr in expressions(load(path)):
            query = re.sub(r"label_values\((.*), \w+\)", r"\1", expr).replace("$__rate_interval", "1m")
            found = await server.query(re.sub(r"\$\w+", ".*", query))
            print(f"{len(found):5} {path.stem} {expr}")


async def main() -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        given = {"metrics_listen": "tls", "metrics_port": 0, "metrics_token": SecretStr(TOKEN), "keep_alive": 0.5}
        async with running(settings_for(directory, site="live", **given)) as gateway:
            device, tse = gateway.registry.devices()[0], gateway.simulators[0]
            await set_up(device.command, tse.serial)
            async with prometheus(directory, gateway) as server:
                await bring_about(server, gateway, device, tse)
                await ask_dashboards(server)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
