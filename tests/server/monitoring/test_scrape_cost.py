"""What monitoring costs a gateway with many TSEs. `python -m tests.server.monitoring.test_scrape_cost` prints it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from gateway.app.gateway import Gateway, running
from tests.server.shop import settings_for, until
from tests.support import receipt, set_up

MOST = 16


@dataclass(frozen=True)
class Cost:
    seconds: float
    bytes: int
    bytes_on_the_line: int
    series: int
    series_of_a_tse: int


@asynccontextmanager
async def busy_shop(directory: Path) -> AsyncIterator[Gateway]:
    """Each TSE was set up and has sold, so that all its series are there."""
    given = {"simulators": MOST, "metrics_listen": "plain", "metrics_port": 0, "metrics_clients": True, "site": "Ulm"}
    async with running(settings_for(directory, **given)) as gateway:
        by_serial = {tse.serial.hex().upper(): tse for tse in gateway.simulators}
        for device in gateway.registry.devices():
            await set_up(device.command, by_serial[device.serial].serial)
            await receipt(device.command, device)
            await device.read_info()
        yield gateway


async def scrape(gateway: Gateway, session: aiohttp.ClientSession) -> Cost:
    began = time.perf_counter()
    url = f"http://127.0.0.1:{gateway.metrics_port}/metrics"
    async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
        body = await answer.read()
        seconds = time.perf_counter() - began
        assert answer.status == 200
        assert answer.headers["Content-Encoding"] == "gzip"
        sent = int(answer.headers["Content-Length"])
    series = [line for line in body.decode().splitlines() if not line.startswith("#")]
    of_one = sum(gateway.registry.devices()[0].serial in line for line in series)
    return Cost(seconds, len(body), sent, len(series), of_one)


async def readiness(gateway: Gateway, session: aiohttp.ClientSession) -> float:
    """Seconds until /readyz answers, best of some, since this machine may be busy with something else."""
    taken = []
    for _ in range(10):
        began = time.perf_counter()
        async with session.get(f"http://127.0.0.1:{gateway.metrics_port}/readyz", allow_redirects=False) as answer:
            assert answer.status == 200
            await answer.read()
        taken.append(time.perf_counter() - began)
    return min(taken)


async def measured(directory: Path) -> tuple[Cost, Cost, float]:
    """At rest, and while one TSE hangs; and how long readiness takes then."""
    async with busy_shop(directory) as gateway, aiohttp.ClientSession(auto_decompress=True) as session:
        rest = min([await scrape(gateway, session) for _ in range(5)], key=lambda cost: cost.seconds)
        device = gateway.registry.devices()[0]
        tse = next(tse for tse in gateway.simulators if tse.serial.hex().upper() == device.serial)
        tse.faults.set("hung")
        hanging = asyncio.create_task(device.read_info())
        await until(lambda: device._connection.busy)
        hung = min([await scrape(gateway, session) for _ in range(5)], key=lambda cost: cost.seconds)
        ready = await readiness(gateway, session)
        assert not hanging.done()
        tse.faults.clear()
        await hanging
        return rest, hung, ready


async def test_a_scrape_of_many_tses_is_cheap_and_no_tse_delays_it(tmp_path: Path) -> None:
    rest, hung, ready = await measured(tmp_path)
    assert rest.series_of_a_tse < 400
    assert rest.series < MOST * rest.series_of_a_tse + 300
    assert rest.bytes_on_the_line < 100_000 < rest.bytes < 1_000_000
    assert rest.seconds < 10  # a tenth of a second where nothing else runs
    assert hung.seconds < 10  # the TSE would take 45 s
    assert ready < 1


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        for result in asyncio.run(measured(Path(folder))):
            print(result)
