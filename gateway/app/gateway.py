"""The composition root: settings in, a running gateway out, and an orderly stop."""

import asyncio
import ctypes
import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

from gateway import __version__
from gateway.access.audit import FILE as AUDIT_FILE
from gateway.access.audit import GATEWAY, AuditLog
from gateway.access.lan_token import Token, load_or_create_token
from gateway.access.tokens import Tokens
from gateway.app import console, services, watchdog
from gateway.app.notifying import notifications_of, notifying
from gateway.app.shutdown import Shutdown
from gateway.app.systemd import Systemd
from gateway.archive.collector import ArchiveCollector
from gateway.config.settings import Settings
from gateway.driver.usb.block_devices import Roots
from gateway.errors import GatewayError
from gateway.fleet.pool import Pool
from gateway.fleet.registry import Registry
from gateway.fleet.status.pool_collector import PoolCollector
from gateway.operations.elster import FILE as ELSTER_FILE
from gateway.operations.elster import SiteTills
from gateway.operations.lan import LanTse
from gateway.operations.lan_commands import LanCommands
from gateway.operations.lan_journal import LAN_JOURNAL, LanJournal
from gateway.server import mdns
from gateway.server.api.routes import routes
from gateway.server.http import application, session_file, tls
from gateway.server.http.listener import new_admission
from gateway.server.monitoring import exposition
from gateway.server.pages.page import Site
from gateway.server.status_page.recent_problems import RecentProblems
from gateway.simulator.device import SimulatedTse
from gateway.storage import state_dir
from gateway.storage.writable import WritableCheck
from gateway.tasks import beside
from gateway.telemetry.events import Event, event
from gateway.telemetry.log import shared_with
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent_events import RecentEvents
from gateway.telemetry.recent_log import RecentLog

log = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
# Seconds that one thread computes while others wait. By Python's 5 ms a receipt over LAN, which gives the interpreter
# away sixty times, takes ten times as long while another thread checks an archive or writes metrics.
_TURN = 0.0005


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, as tests and the command line see it."""

    settings: Settings
    registry: Registry
    metrics: Metrics
    tokens: Tokens
    port: int
    simulators: tuple[SimulatedTse, ...]
    metrics_port: int | None
    pool: Pool

    @property
    def token(self) -> Token:
        """The LAN token."""
        return self.tokens.lan


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """Serve; at the end finish what was begun and let go of the TSEs.

    Raises:
        ConfigurationError: the gateway cannot start with these settings.
    """
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        problems = stack.enter_context(shared_with(RecentProblems()))
        recent_events = stack.enter_context(shared_with(RecentEvents()))
        recent_log = stack.enter_context(shared_with(RecentLog()))
        stack.enter_context(state_dir.opened(settings.state_dir))
        lan_token, context = load_or_create_token(settings), tls.server_context(settings)
        tokens = services.tokens(settings, lan_token)
        audit = AuditLog(settings.state_dir / AUDIT_FILE)
        await audit.note(GATEWAY, "start", about=services.given(settings))
        metrics = Metrics(site=settings.site, clients=settings.metrics_clients)
        exposition.register(metrics.registry, settings, tokens)
        writable = WritableCheck(settings.state_dir, metrics.host.state_writable)
        await start(beside(state_directory=writable.run()))
        maintenance = services.maintenance_options(settings)
        registry, simulators = await start(services.fleet(settings, metrics, maintenance, Roots()))
        monitor = await start(services.outage_monitor(settings, registry, metrics))
        archives = await start(services.archives(settings, registry, metrics, scheduled=settings.archive))
        if settings.archive:
            metrics.registry.register(ArchiveCollector(archives, monitor.outages))
        pool = services.pool(settings, registry, monitor.outages)
        metrics.registry.register(PoolCollector(pool))
        await start(beside(pool=pool.run()))
        core = services.GatewayCore(
            *(settings, registry, metrics, monitor.outages, archives, pool, notifications_of(settings, metrics)),
            *(SiteTills(settings.state_dir / ELSTER_FILE), recent_events, recent_log),
        )
        snapshot = await start(services.snapshots(core, tokens, problems))
        await start(notifying(core, snapshot, writable, maintenance))
        api = await start(services.api(core, maintenance.clock, tokens, audit, maintenance.pins))

        def on_refusal(serial: str, error: GatewayError, till: str) -> None:
            monitor.refused(serial, error, till)
            problems.refused(serial, error)

        lan_journal = stack.enter_context(closing(LanJournal(registry, settings.state_dir / LAN_JOURNAL)))
        commands = LanCommands(translates=settings.translates_old_tills, filters=settings.filter_exports)
        lan = LanTse(
            *(registry, metrics, lan_journal), lock_wait=settings.lock_wait, commands=commands, hides=pool.hides
        )
        web = application.build(
            *(settings, lan, registry, metrics, tokens),
            on_refusal=on_refusal,
            api=routes(api),
            site=Site(api, settings, snapshot) if settings.status_page else None,
            outages=monitor.outages,
            audit=audit,
        )
        admission = new_admission()  # one for all ports
        port = await start(application.serving(web, settings, context, admission))
        await start(mdns.announced(settings, port, registry))
        stack.callback(registry.refuse_waiting)
        stack.push_async_callback(archives.close)  # or who waits for a run would hold the stop up
        monitoring = exposition.monitoring(
            settings, context, metrics, registry, tokens, outages=monitor.outages, admission=admission
        )
        metrics_port = await start(monitoring)
        tokens.on_change = registry.changed.set
        session = services.keep_session_file(settings, registry, pool, tokens, port)
        await start(beside(session_file=session, tokens=tokens.keep_fresh()))
        if not registry.devices():
            nothing = event(Event.NO_TSE)
            log.warning("no TSE found: the gateway waits for one and signs nothing until then", extra=nothing)
        yield Gateway(settings, registry, metrics, tokens, port, simulators, metrics_port, pool)
        log.info("the gateway stops", extra=event(Event.STOPPING))


async def run(settings: Settings, systemd: Systemd) -> None:
    """Serve until SIGTERM, SIGINT, or `quit` on the terminal; systemd is told when."""
    _forbid_new_privileges()
    sys.setswitchinterval(_TURN)
    application.allow_many_connections()
    with Shutdown(settings.stop_timeout) as shutdown:
        async with (
            beside(systemd=systemd.keep_informed()),
            running(settings) as gateway,
            watchdog.watching(settings.hang_timeout),
        ):
            _keep_out_of_collections()
            tses = len(gateway.registry.devices())
            started = event(Event.STARTED, version=__version__, port=gateway.port, tses=tses)
            log.info("TSE gateway %s serves on port %d with %d TSE", __version__, gateway.port, tses, extra=started)
            path = settings.state_dir / session_file.NAME
            line = _first_receipt(gateway)
            systemd.tell("READY=1")
            console.show_connection_data(settings.address, gateway.port, gateway.token.value, path, line)
            with console.quit_command(asyncio.get_running_loop(), shutdown.request):
                await shutdown.requested.wait()
                systemd.tell("STOPPING=1")
                await shutdown.drain(gateway.registry)
        log.info("the gateway has stopped", extra=event(Event.STOPPED))


def _first_receipt(gateway: Gateway) -> str:
    """Return the line for a shell that signs a receipt; empty if that is not sure to work."""
    settings = gateway.settings
    if not gateway.simulators or settings.simulator_fresh or settings.tls_certificate:
        return ""
    trust = tls.trusted_certificate(settings)
    serial = gateway.simulators[0].serial.hex().upper()
    return console.receipt_line(settings.local_address, gateway.port, gateway.token.value, serial, trust)


def _keep_out_of_collections() -> None:
    """Let the garbage collector look no more at what was made until now, mostly modules, and stays for good.

    A full collection would look at these 90,000 objects each time, and requests wait 20 to 50 ms for it.
    """
    gc.collect()
    gc.freeze()


def _forbid_new_privileges() -> None:
    """Let no program that this process starts gain privileges, such as a setuid one.

    systemd and container engines can do that, but Kubernetes cannot for a privileged container.
    """
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
