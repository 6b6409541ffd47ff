"""`python -m tests.monitoring.live`: a real Prometheus scrapes a gateway over TLS while alerts are brought about.

Needs Debian's package prometheus; takes three minutes. Three simulated TSEs are set up, sell, become slow, hang, are
pulled and plugged in, fail their self test, expire, are held for too long; wrong PINs and tokens are sent; at last the
gateway stops and comes back without its TSEs and with an archive that is a day old. The rules are those of
compose/monitoring; only what they wait for is shorter. Each query of both dashboards is put to that Prometheus, too,
and what it gives is printed.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from gateway.app.gateway import Gateway, running
from gateway.config.settings import Settings
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.server.http import certificate_authority
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.simulator.profiles import INSTANT, Profile
from gateway.tse.commands import CloseImport, Login, SelfTest, SetTime, TransactionStep, User
from tests.monitoring.prometheus import Prometheus, free_port, hurried, watching
from tests.monitoring.tables import ask_dashboards
from tests.monitoring.test_rules import RULES
from tests.server.shop import settings_for
from tests.support import CLIENT, NOW, TIME_ADMIN_PIN, receipt, set_up, step

TOKEN = "only-for-metrics"
_TIRED = Profile("tired", seconds={CloseImport: 1.5})


class Till:
    alive = True
    peer = token = client_id = ""


class Shop:
    """A gateway and its TSEs: one sells, one is held, one is in trouble of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        found = {device.serial: device for device in gateway.registry.devices()}
        self.simulators = gateway.simulators
        self.selling, self.held, self.troubled = (found[tse.serial.hex().upper()] for tse in gateway.simulators)

    async def set_up(self) -> None:
        """All three; the clock of the troubled one is wrong, and its certificate ends soon."""
        for device, tse in zip((self.selling, self.held, self.troubled), self.simulators, strict=True):
            now = NOW if device is self.troubled else int(time.time())
            await set_up(device.command, tse.serial, now=now)
            await receipt(device.command, device)


async def sell(device: Device) -> None:
    """For ever."""
    while True:
        with contextlib.suppress(GatewayError):
            await receipt(device.command, device)
        await asyncio.sleep(0.2)


async def hold(device: Device) -> None:
    """Be busy all the time and never give the lock back."""
    lease = await device.lock.acquire(till := Till(), 5)
    try:
        while True:
            with device.lock.use(lease.session, till):
                await device.read_info()
            await asyncio.sleep(0.5)
    finally:
        device.lock.release(lease.session)


async def wait(device: Device) -> None:
    """Want the lock, again and again."""
    while True:
        with contextlib.suppress(GatewayError):
            device.lock.release((await device.lock.acquire(Till(), 20)).session)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def during(*work: "asyncio.Task[None]") -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def make_ready(device: Device) -> None:
    """As a till does when it opens."""
    for command in (
        SelfTest(CLIENT),
        Login(User.TIME_ADMIN, TIME_ADMIN_PIN),
        SetTime(int(time.time())),
    ):
        await device.command(command.encode())
    await device.read_info()


async def sales(server: Prometheus, shop: Shop) -> None:
    """All is well, then signing becomes slow."""
    device, tse = shop.selling, shop.simulators[0]
    of_it = f'serial="{device.serial}"'
    async with during(asyncio.create_task(sell(device))):
        await server.until(f"rate(tse_signatures_total{{{of_it}, cause='sale'}}[10s]) > 0")
        for alert in ("TseDown", "TseNotReady", "TseSlow", "GatewayQueueLong", "TseClockOffset", "TseFlapping"):
            await server.is_silent(alert, of_it)
        tse._profile = _TIRED
        await server.fires("TseSlow", of_it)
        tse._profile = INSTANT
        await server.ends("TseSlow", of_it)


async def hang(server: Prometheus, shop: Shop) -> None:
    """The TSE hangs in the kernel, then comes back."""
    device, tse = shop.selling, shop.simulators[0]
    of_it = f'serial="{device.serial}"'
    tse.faults.set("hung")
    await server.fires("TseDown", of_it)
    await server.until(f'tse_not_ready{{{of_it}, reason="device_timeout"}} == 1')
    await server.fires("GatewayThreadsHang")
    tse.faults.clear()
    await server.ends("TseDown", of_it)
    await server.ends("GatewayThreadsHang")


async def pull(server: Prometheus, shop: Shop) -> None:
    """Unplugged and plugged in again: then self test and time are missing until a till does both."""
    device, tse = shop.selling, shop.simulators[0]
    of_it = f'serial="{device.serial}"'
    tse.faults.set("unplugged")
    await server.fires("TseDown", of_it)
    tse.faults.clear()
    await server.ends("TseDown", of_it)
    await server.fires("TseNotReady", f'{of_it}, reason="no_self_test"')
    await make_ready(device)
    await server.ends("TseNotReady", of_it)
    await server.until(f'increase(tse_lost_total{{{of_it}, reason=~"unplugged|device_gone"}}[1m]) > 0')
    for _ in range(6):
        tse.faults.set("unplugged")
        await _until(device.failed.is_set)
        tse.faults.clear()
        await _until(lambda: not device.failed.is_set())
        await asyncio.sleep(1.5)  # the watch looks once a second
    await server.fires("TseFlapping", of_it)


async def break_down(server: Prometheus, shop: Shop) -> None:
    """The self test fails; the certificate expires."""
    device, tse = shop.selling, shop.simulators[0]
    of_it = f'serial="{device.serial}"'
    tse.faults.set("failed_self_test")
    with contextlib.suppress(GatewayError):
        await device.command(SelfTest(CLIENT).encode())
    await server.fires("TseSelfTestFailed", of_it)
    tse.faults.clear()
    await make_ready(device)
    await server.ends("TseNotReady", of_it)
    tse.faults.set("expired_certificate")
    await server.fires("TseCertificateExpired", of_it)
    await server.fires("TseNotReady", f'{of_it}, reason="certificate_expired"')
    tse.faults.clear()
    await server.ends("TseCertificateExpired", of_it)


async def trouble(server: Prometheus, shop: Shop) -> None:
    """Wrong time, a certificate that ends, tills that forget their transactions, wrong PINs."""
    device = shop.troubled
    of_it = f'serial="{device.serial}"'
    await server.fires("TseClockOffset", of_it)
    await server.fires("TseCertificateExpires30", of_it)
    await server.is_silent("TseCertificateExpires7", of_it)
    for _ in range(device.info.max_open_transactions * 6 // 10):
        await step(device.command, device, TransactionStep.START)
    await server.fires("TseOpenTransactionsMany", of_it)
    await server.is_silent("TseOpenTransactionsNearMax", of_it)
    for alert in ("TsePinTriesLow", "TsePinTriesLow", "TsePinBlocked"):
        with contextlib.suppress(GatewayError):
            await device.command(Login(User.ADMIN, b"00000").encode())
        await server.fires(alert, f'{of_it}, user="admin"')


async def guess(server: Prometheus, shop: Shop) -> None:
    """Somebody tries tokens."""
    address, wrong = f"https://127.0.0.1:{shop.gateway.port}/metrics", {"Authorization": "Bearer 123456"}

    async def once() -> None:
        async with server.session.get(address, ssl=False, headers=wrong):
            pass

    await asyncio.gather(*(once() for _ in range(60)), server.fires("GatewayTokensGuessed"))
    await server.fires("GatewayAuthFailures")
    exemplars = await server.exemplars("tse_gateway_http_request_duration_seconds_bucket")
    assert exemplars
    assert all(set(labels) == {"request_id"} for labels in exemplars)
    print(f"{len(exemplars)} exemplars lead to log lines, for one to request {exemplars[0]['request_id']}")


async def archive(server: Prometheus, shop: Shop) -> None:
    """What one TSE signed is archived, as it is each night."""
    address = f"https://127.0.0.1:{shop.gateway.port}/api/v1/tses/{shop.held.serial}/archive/run"
    allowed = {"Authorization": f"Bearer {shop.gateway.token.value}"}
    async with server.session.post(address, ssl=False, headers=allowed) as answer:
        assert answer.status == 200, await answer.text()
    of_it = f'serial="{shop.held.serial}"'
    await server.until(f"tse_gateway_archive_last_success_timestamp_seconds{{{of_it}}} > 0")
    await server.is_silent("ArchiveTooOld", of_it)


def as_if_archived_at(moment: datetime, archive_of_tse: Path) -> None:
    """Nothing was archived since, as when the disk of the archive is full each night."""
    kept = archive_of_tse / "state.json"
    state = json.loads(kept.read_text(encoding="utf-8"))
    kept.write_text(json.dumps(state | {"last_success": moment.isoformat()}), encoding="utf-8")


async def bring_about(server: Prometheus, shop: Shop) -> None:
    """One trouble after the other, while one TSE is held all the time."""
    await server.fires("SimulatorInProduction")
    of_held = f'serial="{shop.held.serial}"'
    work = [hold(shop.held), *(wait(shop.held) for _ in range(7))]
    async with during(*map(asyncio.create_task, work)):
        await server.fires("GatewayQueueLong", of_held)
        for part in (sales, hang, pull, break_down, trouble, guess):
            await part(server, shop)
        await server.fires("GatewayLockStuck", of_held)
    await server.ends("GatewayLockStuck", of_held)
    await server.ends("GatewayQueueLong", of_held)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.05)


def settings_in(directory: Path, port: int, simulators: int) -> Settings:
    """The port stays the same over a restart, as in a shop."""
    return settings_for(
        directory,
        site="live",
        simulators=simulators,
        discover=False,
        metrics_listen="tls",
        metrics_port=port,
        metrics_token=SecretStr(TOKEN),
        metrics_clients=True,
        keep_alive=0.5,
        command_timeout=5,
    )


async def main() -> None:
    with TemporaryDirectory() as folder:
        directory, port = Path(folder), free_port()
        settings = settings_in(directory, port, 3)
        SimulatedTse.create(settings.state_dir / "simulator-3", Make(valid=timedelta(days=20))).close()
        async with contextlib.AsyncExitStack() as first_run:
            gateway = await first_run.enter_async_context(running(settings))
            await (shop := Shop(gateway)).set_up()
            ca = certificate_authority.ca_path(settings.state_dir / "tls")
            rules = hurried(RULES.read_text(encoding="utf-8"))
            async with watching(directory / "prometheus", rules, port=port, ca=ca, token=TOKEN) as server:
                await bring_about(server, shop)
                await archive(server, shop)
                await server.is_silent("SiteMissing")
                await ask_dashboards(server)
                await first_run.aclose()
                await server.fires("GatewayMissing")
                await server.fires("SiteMissing", 'site="live"')
                as_if_archived_at(
                    datetime.now(UTC) - timedelta(hours=27), settings.state_dir / "archive" / shop.held.serial
                )
                async with running(settings_in(directory, port, 0)):
                    await server.ends("GatewayMissing")
                    await server.ends("SiteMissing")
                    await server.fires("TseDown", f'serial="{shop.held.serial}"')  # nobody plugged it in since
                    await server.is_silent("GatewayNoTse")
                    await server.fires("ArchiveTooOld", f'serial="{shop.held.serial}"')
                    await server.is_silent("ArchiveTooOld7d")
                fired = sorted({alert for alert, what, _ in server.told if what == "fires"})
                print(f"\n{len(fired)} alerts fired: {', '.join(fired)}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
