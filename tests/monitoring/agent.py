"""A shop behind NAT: an agent reads its gateway and sends to Prometheus and VictoriaMetrics, away for a day.

    python -m tests.monitoring.agent

Needs Debian's packages prometheus and victoria-metrics. The day is a minute: how long the agent keeps what, and how
much of it waits in memory, are so much less. Prints what arrived of the time in which nobody listened.
"""

import asyncio
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from gateway.app.gateway import running
from tests.monitoring.prometheus import Prometheus, free_port
from tests.server.shop import settings_for

AGENT = Path("compose/monitoring/agent.yaml")
CENTRE = Path("compose/monitoring/prometheus.yaml")
COMPOSE = Path("compose/agent.yaml")
AWAY = float(os.environ.get("AGENT_AWAY", "60"))  # seconds that stand for a day
_CAPACITY = 200  # samples that wait in memory: a hundredth of what comes in AWAY, as with 10,000 of a day
_SITE = "hamburg"
_PATIENCE = 120.0


@asynccontextmanager
async def program(*arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*arguments, env={**os.environ, **(environment or {})})
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def victoria_metrics(directory: Path, port: int) -> AbstractAsyncContextManager[None]:
    """One that keeps 40 days, with its data in `directory`/victoria."""
    return program(
        "victoria-metrics",
        f"-storageDataPath={directory}/victoria",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=40d",
        "-loggerLevel=ERROR",
        "-search.latencyOffset=1s",
    )


def agent_config(directory: Path, target: int, centres: Sequence[int]) -> Path:
    """The file as it is shipped, but for addresses, password and pace."""
    config = yaml.safe_load(AGENT.read_text(encoding="utf-8"))
    config["global"]["scrape_interval"] = "1s"
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{target}"]
    (shipped,) = config["remote_write"]
    del shipped["basic_auth"]
    shipped["queue_config"] |= {"max_backoff": "1s", "capacity": _CAPACITY, "max_samples_per_send": _CAPACITY // 2}
    config["remote_write"] = [{**shipped, "url": f"http://127.0.0.1:{port}/api/v1/write"} for port in centres]
    path = directory / "agent.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def kept() -> str:
    """How long the agent keeps its log, as it is shipped, but so much shorter as AWAY is shorter than a day."""
    option = "--storage.agent.wal-truncate-frequency"
    (hours,) = re.findall(rf"{option}=(\d+)h", COMPOSE.read_text(encoding="utf-8"))
    return f"{option}={int(hours) * AWAY / 24 * 1000:.0f}ms"


@asynccontextmanager
async def centres(directory: Path, ports: Sequence[int]) -> AsyncIterator[list[Prometheus]]:
    """A Prometheus that takes what is sent, with the storage as it is shipped, and a VictoriaMetrics."""
    storage = yaml.safe_load(await asyncio.to_thread(CENTRE.read_text))["storage"]
    config = directory / "centre.yaml"
    await asyncio.to_thread(config.write_text, yaml.safe_dump({"storage": storage}))
    first, second = ports
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        await start(
            program(
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory}/prometheus",
                f"--web.listen-address=127.0.0.1:{first}",
                "--web.enable-remote-write-receiver",
                "--log.level=error",
            )
        )
        await start(victoria_metrics(directory, second))
        session = await start(aiohttp.ClientSession())
        yield [Prometheus(f"http://127.0.0.1:{port}", session) for port in ports]


async def arrived(centre: Prometheus, expression: str, least: int) -> int:
    """How many samples `expression` counts, as soon as there are enough."""
    found = 0
    async with asyncio.timeout(_PATIENCE):
        while found < least:  # databases tell of no event
            await asyncio.sleep(1)
            try:
                found = int(sum(float(series["value"][1]) for series in await centre.query(expression)))
            except (aiohttp.ClientError, AssertionError):
                found = 0
    return found


async def main() -> None:
    missing = [name for name in ("prometheus", "victoria-metrics") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"needs Debian's package {' and '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        directory, ports, own = Path(name), [free_port(), free_port()], free_port()
        settings = settings_for(directory / "state", site=_SITE, metrics_listen="plain", metrics_port=0)
        async with running(settings) as gateway:
            config = agent_config(directory, gateway.metrics_port or 0, ports)
            agent = program(
                "prometheus",
                "--enable-feature=agent,expand-external-labels",  # as of 3.0: --agent
                f"--config.file={config}",
                f"--storage.agent.path={directory}/agent",
                kept(),
                f"--web.listen-address=127.0.0.1:{own}",
                "--storage.remote.flush-deadline=1s",
                "--log.level=error",
                environment={"GATEWAY_SITE": _SITE},
            )
            async with agent:
                series = f'{{site="{_SITE}", component="tse-gateway", instance=~"{_SITE}/.*"}}'
                async with centres(directory, ports) as listening:
                    for centre in listening:
                        await arrived(centre, f"count_over_time(tse_gateway_build_info{series}[1h])", 5)
                        await arrived(centre, f"count_over_time(up{series}[1h])", 5)
                began = time.time()
                await asyncio.sleep(AWAY)  # nobody listens: this is what is measured
                seconds = int(time.time() - began)
                async with centres(directory, ports) as listening:
                    for centre, kind in zip(listening, ("Prometheus", "VictoriaMetrics"), strict=True):
                        now = int(time.time())
                        since = f"[{seconds}s] @ {int(began) + seconds}" if kind == "Prometheus" else ""
                        if not since:
                            since = f"[{seconds}s] offset {now - int(began) - seconds}s"
                        wanted = int(seconds * 0.9)
                        found = await arrived(centre, f"count_over_time(tse_gateway_build_info{series}{since})", wanted)
                        print(f"{kind:16} {found} of {seconds} samples of the time in which it was away")
                        assert found >= wanted


if __name__ == "__main__":
    asyncio.run(main())
