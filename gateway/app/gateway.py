"""The composition root: settings in, a running gateway out, and an orderly stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway import __version__
from gateway.app import console, sources
from gateway.app.services import api_services, archives, maintenance_options, opened_simulator, rules
from gateway.app.shutdown import Stopping
from gateway.archive.collector import ArchiveMeasures
from gateway.archive.service import Archivist
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError, GatewayError
from gateway.fleet.maintenance.flash_health import FlashHealthMonitor
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.outages.monitor import OutageMonitor
from gateway.fleet.registry import Registry
from gateway.fleet.status.collector import FleetCollector
from gateway.operations.lan import LanTse
from gateway.server.api.routes import routes as api_routes
from gateway.server.http import application, auth, session_file, tls
from gateway.server.monitoring import exposition
from gateway.server.status_page.recent_problems import RecentProblems
from gateway.server.status_page.signature_rate import SignatureRate
from gateway.server.status_page.snapshot import Snapshot, SnapshotSource
from gateway.simulator.device import SimulatedTse
from gateway.storage import state_dir
from gateway.tasks import beside
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, as tests and the command line see it."""

    settings: Settings
    registry: Registry
    metrics: Metrics
    token: auth.Token
    port: int
    simulators: tuple[SimulatedTse, ...]
    metrics_port: int | None


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that serves; at the end it finishes what was begun and lets go of the TSEs.

    Raises:
        ConfigurationError: it cannot start like this.
    """
    async with AsyncExitStack() as stack:
        problems = stack.enter_context(RecentProblems().listening())
        stack.enter_context(state_dir.opened(settings.state_dir))
        token = auth.load_or_create_token(settings)
        context = tls.server_context(settings)
        metrics = Metrics(site=settings.site, clients=settings.metrics_clients)
        exposition.register(metrics.registry, settings)
        simulators = tuple(opened_simulator(settings, number + 1) for number in range(settings.simulators))
        for tse in simulators:
            stack.callback(tse.close)
        maintenance = maintenance_options(settings)
        registry = Registry(metrics, rules(settings), maintenance)
        stack.push_async_callback(registry.close)
        if maintenance.pins:  # else nobody wants to know the time, and nobody is asked
            await stack.enter_async_context(beside(clock=maintenance.clock.run(metrics)))
        await stack.enter_async_context(sources.looked_after(settings, registry, simulators))
        monitor = await stack.enter_async_context(_outage_monitor(settings, registry, metrics))
        lan = LanTse(registry, metrics, lock_wait=settings.lock_wait)
        archivist = await stack.enter_async_context(archives(settings, registry, metrics, nightly=settings.archive))
        if settings.archive:  # else nobody misses them
            metrics.registry.register(ArchiveMeasures(archivist, monitor.outages))
        services = await stack.enter_async_context(
            api_services(settings, registry, metrics, monitor.outages, maintenance.clock, archivist=archivist)
        )
        routes = api_routes(services)
        gathering = _shown(
            settings, token, metrics, registry=registry, outages=monitor.outages, problems=problems, archivist=archivist
        )
        shown = await stack.enter_async_context(gathering)

        def on_refusal(serial: str, error: GatewayError, till: str) -> None:
            monitor.refused(serial, error, till)
            problems.refused(serial, error)

        web = application.build(
            settings,
            lan,
            registry,
            metrics,
            token,
            on_refusal=on_refusal,
            api=routes,
            snapshot=shown,
            outages=monitor.outages,
        )
        port = await stack.enter_async_context(application.serving(web, settings, context))
        stack.callback(registry.refuse_waiting)
        stack.push_async_callback(archivist.close)  # or who waits for a run would hold the stop up
        monitoring = exposition.monitoring(settings, context, metrics, registry, token, outages=monitor.outages)
        metrics_port = await stack.enter_async_context(monitoring)
        await stack.enter_async_context(beside(announcer=_announce(registry, settings, token, port)))
        if not registry.devices():
            log.warning(
                "no TSE found: the gateway waits for one and signs nothing until then", extra=event(Event.NO_TSE)
            )
        yield Gateway(settings, registry, metrics, token, port, simulators, metrics_port)
        log.info("the gateway stops", extra=event(Event.STOPPING))


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT, or `quit` on the terminal."""
    application.allow_many_connections()
    with Stopping(settings.stop_timeout) as stopping:
        async with running(settings) as gateway:
            tses = len(gateway.registry.devices())
            started = event(Event.STARTED, version=__version__, port=gateway.port, tses=tses)
            log.info("TSE gateway %s serves on port %d with %d TSE", __version__, gateway.port, tses, extra=started)
            console.greet(settings.address, gateway.port, gateway.token.value, settings.state_dir / session_file.NAME)
            with console.quitting(asyncio.get_running_loop(), stopping.ask):
                await stopping.asked.wait()
                await stopping.drain(gateway.registry)
        log.info("the gateway has stopped", extra=event(Event.STOPPED))


@asynccontextmanager
async def _outage_monitor(settings: Settings, registry: Registry, metrics: Metrics) -> AsyncIterator[OutageMonitor]:
    """Outages are written down, and what is known of the TSEs can be scraped."""
    outages = OutageLog(settings.state_dir)
    metrics.registry.register(FleetCollector(registry, outages))
    monitor = OutageMonitor(registry, outages)
    async with beside(outages=monitor.run(), flash_health=FlashHealthMonitor(registry).run()):
        yield monitor


@asynccontextmanager
async def _shown(
    settings: Settings,
    token: auth.Token,
    metrics: Metrics,
    *,
    registry: Registry,
    outages: OutageLog,
    problems: RecentProblems,
    archivist: Archivist,
) -> AsyncIterator[Callable[[int], Snapshot] | None]:
    """What the status page shows, if there is one."""
    if not settings.status_page:
        yield None
        return
    rate = SignatureRate(metrics)
    source = SnapshotSource(
        settings, token, registry=registry, outages=outages, rate=rate, problems=problems, archivist=archivist
    )
    async with beside(rate=rate.keep()):
        yield source.snapshot


async def _announce(registry: Registry, settings: Settings, token: auth.Token, port: int) -> None:
    while True:
        registry.changed.clear()
        tses = [device for device in registry.devices() if not device.failed.is_set()]
        try:
            session_file.write(settings, tses, token, port)
        except ConfigurationError as error:  # a full disk must not cost the next announcement
            log.warning("session.txt is out of date: %s", error, extra=event(Event.DISK_TROUBLE))
        await registry.changed.wait()
