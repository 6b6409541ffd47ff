"""`python -m tests.monitoring.fleet --sites 300`: what a fleet costs, and how long its dashboards take.

Needs Debian's packages prometheus and victoria-metrics; takes about eight minutes. Each simulated site answers with
the metrics of a real gateway that sold, under its own name and serial, and its counters rise. Prometheus scrapes all of
them and writes what it has to VictoriaMetrics, too. What the dashboards read of the past (30 days of recorded series, a
day of others) is put into both before. Printed are the samples in a second, the memory, and for both the time of each
panel of the fleet's dashboard with all sites, of the site's with one, of each rule. A panel of 2 s fails the run.
"""

import argparse
import asyncio
import itertools
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.table import Table

from tests.monitoring.agent import victoria_metrics
from tests.monitoring.prometheus import Prometheus, free_port, started
from tests.monitoring.test_dashboards import FILES, asked_of, load, panels
from tests.monitoring.test_rules import ALERTS, RECORDED, RULES
from tests.monitoring.test_scrape import scrape_of_a_shop

DAY = 86_400
EVERY = 30  # seconds between scrapes, as in compose/monitoring/prometheus.yaml
WATCHED = 120.0  # seconds of which the samples are counted
LONGEST = 2.0  # seconds that a panel may take
# What was recorded and scraped before: days, seconds between values, series.
_PAST = (
    (30, 3600, "site_serial:tse_signatures_used:max"),
    (30, 3600, "site_serial:tse_store_used_bytes:max"),
    (30, 3600, 'site_serial:tse_signatures:increase1h{cause="sale"}'),
    (30, 3600, 'site_serial:tse_signatures:increase1h{cause="maintenance"}'),
    (30, 3600, "site_serial:tse_outage_seconds:increase1h"),
    (7, 300, "site:tse_gateway_build_info:group"),
    (3, 60, "site:tse_ready:max"),
    (3, 60, "site:tse_signatures:rate5m"),
    (3, 60, "site:tse_signatures_late:rate5m"),
    (1, 60, "site_serial:tse_sign_seconds:p95"),
    (1, 60, "site_serial:tse_lock_wait_seconds:p95"),
    (1, EVERY, 'tse_signatures_total{cause="sale"}'),
    (1, EVERY, "tse_gateway_tses"),
    (1, EVERY, "tse_gateway_tses_ready"),
    (1, EVERY, "tse_outage_active"),
)
_ZERO = ("tse_outage_active", "site:tse_signatures_late:rate5m")
_RISING = re.compile(r"^(\w+(?:_total|_bucket|_count|_sum)(?:{.*})?) (\S+)$", flags=re.MULTILINE)
Timed = tuple[str, float, int]


def serial_of(site: int) -> str:
    return f"{site:064X}"


def labels_of(site: int) -> dict[str, str]:
    return {"site": f"site-{site}", "instance": f"site-{site}:9464", "component": "tse-gateway", "job": "tse-gateway"}


@asynccontextmanager
async def gateways(text: str) -> AsyncIterator[int]:
    """All of them behind one port, by their path; `text` is what a gateway exports."""
    (serial,) = set(re.findall(r'serial="([0-9A-F]{64})"', text))
    began = time.monotonic()

    async def answer(request: web.Request) -> web.Response:
        site = int(request.match_info["site"])
        factor = 1 + (time.monotonic() - began) / EVERY * (1 + site / 1000)
        risen = _RISING.sub(lambda line: f"{line[1]} {float(line[2]) * factor}", text)
        return web.Response(text=risen.replace(serial, serial_of(site)))

    app = web.Application()
    app.router.add_get("/{site}/metrics", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def job(sites: int, port: int) -> dict[str, object]:
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {**labels_of(site), "__metrics_path__": f"/{site}/metrics"}}
        for site in range(sites)
    ]
    drop = [{"action": "labeldrop", "regex": "exported_site"}]  # as in compose/monitoring/prometheus.yaml
    return {"job_name": "tse-gateway", "static_configs": targets, "metric_relabel_configs": drop}


def past(sites: int, now: int, ending: str = "") -> Iterator[str]:
    """Yield lines of OpenMetrics; with `ending` 000, as VictoriaMetrics wants them: its times are in milliseconds."""
    for days, step, name in _PAST:
        metric, _, own = name.rstrip("}").partition("{")
        value = int(metric not in _ZERO)
        times = [f" {value} {at}{ending}\n" for at in range(now - days * DAY, now, step)]
        for site in range(sites):
            labels = {"site": f"site-{site}"} if ":" in metric else labels_of(site)
            if not metric.startswith(("site:", "tse_gateway")):
                labels["serial"] = serial_of(site)
            shown = ",".join(filter(None, (own, *(f'{key}="{value}"' for key, value in labels.items()))))
            yield from (f"{metric}{{{shown}}}{end}" for end in times)
    yield "# EOF\n"


def write_past(directory: Path, sites: int) -> None:
    text = directory / "past.txt"
    with text.open("w", encoding="utf-8") as file:
        file.writelines(past(sites, int(time.time())))
    subprocess.run(
        [
            *("promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=720h"),
            *(str(text), str(directory / "data")),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    text.unlink()


@asynccontextmanager
async def receiver(directory: Path, sites: int) -> AsyncIterator[Prometheus]:
    """A VictoriaMetrics that knows the past."""

    async def chunks() -> AsyncIterator[bytes]:
        lines = past(sites, int(time.time()), "000")
        while chunk := "".join(itertools.islice(lines, 50_000)):
            yield chunk.encode()

    port = free_port()
    async with (
        victoria_metrics(directory, port),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1800)) as session,
    ):
        made = Prometheus(f"http://127.0.0.1:{port}", session)
        await made.ready()
        async with session.post(f"{made.url}/api/v1/import/prometheus", data=chunks()) as answer:
            answer.raise_for_status()
        yield made


async def times_of_panels(server: Prometheus, path: Path) -> list[Timed]:
    """As Grafana asks: a curve over a day in 720 steps, all else at once."""
    board, found = load(path), []
    for panel in panels(board):
        for target in panel["targets"]:
            expr = _chosen(path, target["expr"])
            found.append(await _timed(server, panel["title"], expr, curve=panel["type"] == "timeseries"))
    marks = [
        await _timed(server, "outages", _chosen(path, it["expr"]), curve=True) for it in board["annotations"]["list"]
    ]
    return found + marks


def _chosen(path: Path, expr: str) -> str:
    """All sites of the fleet, but one on the dashboard of a site."""
    asked = asked_of(expr)
    return asked.replace('site=~".*"', 'site=~"site-7"') if path.stem == "tse-site" else asked


async def _timed(server: Prometheus, title: str, expr: str, *, curve: bool) -> Timed:
    began = time.perf_counter()
    series = await (server.curve(expr, seconds=DAY, step=120) if curve else server.query(expr))
    return title, time.perf_counter() - began, len(series)


async def times_of_rules(server: Prometheus) -> list[Timed]:
    rules: dict[str, Any] = ALERTS | RECORDED
    return [await _timed(server, name, rule["expr"], curve=False) for name, rule in rules.items()]


def show(console: Console, title: str, found: list[Timed]) -> None:
    table = Table("what", "seconds", "series", title=title)
    for name, seconds, series in sorted(found, key=lambda timed: -timed[1]):
        table.add_row(name, f"{seconds:.3f}", str(series))
    table.caption = f"{len(found)} queries, {sum(seconds for _, seconds, _ in found):.1f} s in all"
    console.print(table)


async def taken(server: Prometheus, name: str) -> float:
    """Samples that it took in a second."""
    before = await server.own(name)
    await asyncio.sleep(WATCHED)  # what is measured is a rate
    return (await server.own(name) - before) / WATCHED


async def measure(console: Console, server: Prometheus, kind: str) -> list[str]:
    """Print how long panels and rules take; return the panels that take too long."""
    slow = []
    for path in FILES:
        found = await times_of_panels(server, path)
        show(console, f"{path.stem}, {kind}", found)
        slow += [f"{kind}, {path.stem}: {title}" for title, seconds, _ in found if seconds >= LONGEST]
    show(console, f"rules, {kind}", await times_of_rules(server))
    console.print(f"memory of {kind}: {await server.own('process_resident_memory_bytes') / 2**20:.0f} MiB")
    return slow


async def main(sites: int) -> None:
    console = Console(width=120)
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        text = await scrape_of_a_shop(directory / "shop")
        began = time.perf_counter()
        write_past(directory, sites)
        console.print(f"past of {sites} sites written for Prometheus in {time.perf_counter() - began:.0f} s")
        rules = RULES.read_text(encoding="utf-8")
        began = time.perf_counter()
        async with receiver(directory, sites) as victoria, gateways(text) as port:
            console.print(f"and sent to VictoriaMetrics in {time.perf_counter() - began:.0f} s")
            written = f"{victoria.url}/api/v1/write"
            async with started(directory, rules, job(sites, port), every=f"{EVERY}s", sends_to=written) as server:
                await server.until(f"count(up == 1) == {sites}")
                scraped, received = await asyncio.gather(
                    taken(server, "prometheus_tsdb_head_samples_appended_total"),
                    taken(victoria, "vm_rows_inserted_total"),
                )
                console.print(f"samples: {scraped:.0f}/s scraped and recorded, {received:.0f}/s received")
                console.print(f"series in memory: {await server.own('prometheus_tsdb_head_series'):.0f}")
                console.print(f"not sent: {await server.own('prometheus_remote_storage_samples_failed_total'):.0f}")
                slow = await measure(console, server, "Prometheus") + await measure(
                    console, victoria, "VictoriaMetrics"
                )
    if slow:
        sys.exit(f"{LONGEST:g} s or more: {'; '.join(slow)}")
    console.print(f"each panel takes less than {LONGEST:g} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--sites", type=int, default=300)
    asyncio.run(main(parser.parse_args().sites))
