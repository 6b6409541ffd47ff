"""A real Prometheus of the system, beside a gateway: Debian's package prometheus."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

SCALE = 120  # what the rules wait for is so many times shorter here; what they compare is as it is shipped
_SHORTEST_FOR, _SHORTEST_WINDOW = 2, 10  # seconds: two and ten scrapes
_PATIENCE = 180.0
_LOOK = 0.5
_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def hurried(rules: str) -> str:
    """The rules with each `for`, interval, range and offset `SCALE` times shorter."""

    def shorter(match: re.Match[str], least: int) -> str:
        before, number, unit, after = match.groups()
        return f"{before}{max(least, int(number) * _UNITS[unit] // SCALE)}s{after}"

    rules = re.sub(r"(interval: )(\d+)([mhd])(\n)", lambda match: shorter(match, 1), rules)
    rules = re.sub(r"(for: )(\d+)([mhd])(\n)", lambda match: shorter(match, _SHORTEST_FOR), rules)
    return re.sub(r"(\[|offset )(\d+)([mhd])(\]|\b)", lambda match: shorter(match, _SHORTEST_WINDOW), rules)


@dataclass
class Prometheus:
    """`told` is how long each alert took to fire, or to end."""

    url: str
    session: aiohttp.ClientSession
    told: list[tuple[str, str, float]] = field(default_factory=list)

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that `expr` gives now."""
        async with self.session.get(f"{self.url}/api/v1/query", params={"query": expr}) as answer:
            body = await answer.json()
            assert body["status"] == "success", (expr, body)
            return list(body["data"]["result"])

    async def curve(self, expr: str, *, seconds: int, step: int) -> list[dict[str, Any]]:
        """The series that `expr` gave in the last `seconds`, a value each `step`."""
        now = time.time()
        params = {"query": expr, "start": str(now - seconds), "end": str(now), "step": str(step)}
        async with self.session.get(f"{self.url}/api/v1/query_range", params=params) as answer:
            body = await answer.json()
            assert body["status"] == "success", (expr, body)
            return list(body["data"]["result"])

    async def own(self, name: str) -> float:
        """A metric of its own, summed."""
        async with self.session.get(f"{self.url}/metrics") as answer:
            found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", await answer.text(), flags=re.MULTILINE)
            assert found, name
            return sum(map(float, found))

    async def fires(self, alert: str, matchers: str = "") -> None:
        """Wait until it does."""
        await self._until(alert, matchers, there=True)

    async def ends(self, alert: str, matchers: str = "") -> None:
        """Wait until it no longer does."""
        await self._until(alert, matchers, there=False)

    async def is_silent(self, alert: str, matchers: str = "") -> None:
        """It does not fire now."""
        assert not await self.query(_firing(alert, matchers)), f"{alert} fires, and must not"
        self._tell(alert, "is silent", 0.0)

    async def exemplars(self, expr: str) -> list[dict[str, str]]:
        """The labels of all exemplars that it has of these series."""
        params = {"query": expr, "start": "0", "end": str(2**32)}
        async with self.session.get(f"{self.url}/api/v1/query_exemplars", params=params) as answer:
            found = (await answer.json())["data"]
            return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    async def until(self, expr: str) -> None:
        """Wait until it gives something."""
        async with asyncio.timeout(_PATIENCE):
            while not await self.query(expr):  # noqa: ASYNC110 (Prometheus tells of no event)
                await asyncio.sleep(_LOOK)

    async def ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(_PATIENCE):
            while not await self._answers():  # noqa: ASYNC110 (as above)
                await asyncio.sleep(_LOOK)

    async def _answers(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with self.session.get(f"{self.url}/-/ready") as answer:
                return answer.status == HTTPStatus.OK
        return False

    async def _until(self, alert: str, matchers: str, *, there: bool) -> None:
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(_PATIENCE):
            while bool(await self.query(_firing(alert, matchers))) is not there:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(_LOOK)
        self._tell(alert, "fires" if there else "ends", asyncio.get_running_loop().time() - began)

    def _tell(self, alert: str, what: str, seconds: float) -> None:
        self.told.append((alert, what, seconds))
        print(f"{alert:28} {what} {f'after {seconds:.1f} s' if seconds else ''}", flush=True)


def _firing(alert: str, matchers: str) -> str:
    parts = ", ".join(filter(None, (f'alertname="{alert}", alertstate="firing"', matchers)))
    return f"ALERTS{{{parts}}}"


@asynccontextmanager
async def watching(directory: Path, rules: str, *, port: int, ca: Path, token: str) -> AsyncIterator[Prometheus]:
    """One that scrapes a gateway of this machine every second, over TLS and with its token."""
    job = {
        "job_name": "tse-gateway",
        "scheme": "https",
        "authorization": {"credentials": token},
        "tls_config": {"ca_file": str(ca)},
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"component": "tse-gateway"}}],
    }
    async with started(directory, rules, job, every="1s") as server:
        await server.until("up == 1")
        yield server


@asynccontextmanager
async def started(
    directory: Path, rules: str, job: Mapping[str, object], *, every: str, sends_to: str = ""
) -> AsyncIterator[Prometheus]:
    """One that answers, with its data in `directory`/data; it writes all of it to `sends_to`, too."""
    _configure(directory, rules, job, every, sends_to)
    own_port = free_port()
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={directory}/prometheus.json",
        f"--storage.tsdb.path={directory}/data",
        "--storage.tsdb.retention.time=60d",
        f"--web.listen-address=127.0.0.1:{own_port}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    )
    try:
        async with aiohttp.ClientSession() as session:
            made = Prometheus(f"http://127.0.0.1:{own_port}", session)
            await made.ready()
            yield made
    finally:
        process.terminate()
        await process.wait()


def _configure(directory: Path, rules: str, job: Mapping[str, object], every: str, sends_to: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "rules.yaml").write_text(rules)
    pace = {"scrape_interval": every, "evaluation_interval": every}
    sent = [{"url": sends_to}] if sends_to else []
    config = {"global": pace, "rule_files": ["rules.yaml"], "scrape_configs": [job], "remote_write": sent}
    (directory / "prometheus.json").write_text(json.dumps(config))


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
