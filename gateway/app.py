"""The composition root: settings in, a running gateway out, and an orderly stop."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway import __version__, sources, state
from gateway.archive.archivist import Archivist
from gateway.archive.deletion import Deletion
from gateway.archive.measures import ArchiveMeasures
from gateway.archive.nightly import Nightly
from gateway.archive.run import Terms
from gateway.clock import Clock
from gateway.errors import ConfigurationError, GatewayError
from gateway.events import Event, event
from gateway.fleet.measures import Measures
from gateway.fleet.outages import OutageLog
from gateway.fleet.pace import Pace
from gateway.fleet.registry import Registry, Rules
from gateway.fleet.schedule import Night
from gateway.fleet.upkeep import Care
from gateway.fleet.watch import Watch
from gateway.fleet.wear import Wear
from gateway.log import register_secret
from gateway.metrics import Metrics
from gateway.operations.administration import Administration
from gateway.operations.forecast import Forecasts
from gateway.operations.journal import JOURNAL, Journal
from gateway.operations.lan import LanTse
from gateway.operations.outages import Outages
from gateway.operations.transactions import Transactions
from gateway.pins import Pins
from gateway.server import api_v1, application, auth, exposition, session_file, tls
from gateway.server.endpoint import Services
from gateway.server.page.snapshot import Gatherer, Snapshot
from gateway.server.page.troubles import Troubles
from gateway.settings import Settings
from gateway.simulator.device import SimulatedTse
from gateway.simulator.profiles import profile_named
from gateway.sntp import Server
from gateway.stopping import Stopping

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
        troubles = stack.enter_context(Troubles().listening())
        stack.enter_context(state.opened(settings.state_dir))
        token = auth.load_or_create_token(settings)
        context = tls.server_context(settings)
        metrics = Metrics(site=settings.site, clients=settings.metrics_clients)
        exposition.register(metrics.registry, settings)
        simulators = tuple(opened_simulator(settings, number + 1) for number in range(settings.simulators))
        for tse in simulators:
            stack.callback(tse.close)
        care = _care(settings)
        registry = Registry(metrics, rules(settings), care)
        stack.push_async_callback(registry.close)
        if care.pins:  # else nobody wants to know the time, and nobody is asked
            keeper = asyncio.create_task(care.clock.keep(metrics), name="clock")
            stack.callback(keeper.cancel)
        await stack.enter_async_context(sources.looked_after(settings, registry, simulators))
        watch = await stack.enter_async_context(_watch(settings, registry, metrics))
        lan = LanTse(registry, metrics, lock_wait=settings.lock_wait)
        archivist = await stack.enter_async_context(archives(settings, registry, metrics, nightly=settings.archive))
        if settings.archive:  # else nobody misses them
            metrics.registry.register(ArchiveMeasures(archivist, watch.outages))
        services = await stack.enter_async_context(
            api_services(settings, registry, metrics, watch.outages, care.clock, archivist=archivist)
        )
        routes = api_v1.routes(services)
        gathering = _shown(
            settings, token, metrics, registry=registry, outages=watch.outages, troubles=troubles, archivist=archivist
        )
        shown = await stack.enter_async_context(gathering)

        def refused(serial: str, error: GatewayError, till: str) -> None:
            watch.refused(serial, error, till)
            troubles.refused(serial, error)

        web = application.build(
            settings, lan, registry, metrics, token, refused=refused, api=routes, snapshot=shown, outages=watch.outages
        )
        port = await stack.enter_async_context(application.serving(web, settings, context))
        stack.callback(registry.refuse_waiting)
        stack.push_async_callback(archivist.close)  # or who waits for a run would hold the stop up
        monitoring = exposition.monitoring(settings, context, metrics, registry, token, outages=watch.outages)
        metrics_port = await stack.enter_async_context(monitoring)
        announcer = asyncio.create_task(_announce(registry, settings, token, port))
        stack.callback(announcer.cancel)
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
            _greet(gateway)
            with _quit_on_terminal(asyncio.get_running_loop(), stopping.ask):
                await stopping.asked.wait()
                await stopping.drain(gateway.registry)
        log.info("the gateway has stopped", extra=event(Event.STOPPED))


@asynccontextmanager
async def api_services(
    settings: Settings, registry: Registry, metrics: Metrics, outages: OutageLog, clock: Clock, *, archivist: Archivist
) -> AsyncIterator[Services]:
    """What the JSON API works with; at the end what was begun to be signed is brought to its end."""
    journal = Journal(settings.state_dir / JOURNAL)
    transactions = Transactions(registry, journal, metrics, lock_wait=settings.lock_wait, now=time.time)
    administration = Administration(registry, lock_wait=settings.lock_wait, clock=clock)
    deletion = Deletion(registry, administration, archivist)
    looking = asyncio.create_task(transactions.look_after_unclear_ends())
    try:
        yield Services(
            registry,
            transactions,
            administration,
            deletion,
            Outages(outages, registry, settings.site),
            archivist,
            Forecasts(),
        )
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await transactions.close()


@asynccontextmanager
async def archives(
    settings: Settings, registry: Registry, metrics: Metrics, *, nightly: bool, refusal: str = ""
) -> AsyncIterator[Archivist]:
    """Archives of all TSEs, written on demand and, if wanted, each night; not at all if `refusal` says why."""
    directory = settings.archive_dir or settings.state_dir / "archive"
    terms = Terms(least_free=settings.archive_min_free_mib * 2**20, trust=settings.archive_trust, refusal=refusal)
    archivist = Archivist(registry, metrics, directory, terms)
    plan = Nightly(archivist, registry, Night(settings.archive_at, settings.self_test_jitter))
    keeping = asyncio.create_task(plan.keep(), name="archive") if nightly else None
    try:
        yield archivist
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        await archivist.close()


@asynccontextmanager
async def _watch(settings: Settings, registry: Registry, metrics: Metrics) -> AsyncIterator[Watch]:
    """Outages are written down, and what is known of the TSEs can be scraped."""
    outages = OutageLog(settings.state_dir)
    metrics.registry.register(Measures(registry, outages))
    watch, wear = Watch(registry, outages), Wear(registry)
    tasks = [asyncio.create_task(watch.keep(), name="outages"), asyncio.create_task(wear.keep(), name="wear")]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _shown(
    settings: Settings,
    token: auth.Token,
    metrics: Metrics,
    *,
    registry: Registry,
    outages: OutageLog,
    troubles: Troubles,
    archivist: Archivist,
) -> AsyncIterator[Callable[[int], Snapshot] | None]:
    """What the status page shows, if there is one."""
    if not settings.status_page:
        yield None
        return
    pace = Pace(metrics)
    keeping = asyncio.create_task(pace.keep(), name="pace")
    try:
        gatherer = Gatherer(
            settings, token, registry=registry, outages=outages, pace=pace, troubles=troubles, archivist=archivist
        )
        yield gatherer.snapshot
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def opened_simulator(settings: Settings, number: int) -> SimulatedTse:
    """The simulated TSE with this number; made when it is not there."""
    directory = settings.state_dir / f"simulator-{number}"
    return SimulatedTse.open_or_create(directory, profile=profile_named(settings.simulator_profile))


def rules(settings: Settings) -> Rules:
    """Times that apply to every TSE."""
    return Rules(
        lock_idle=settings.lock_idle,
        lock_orphaned=settings.lock_orphaned,
        refresh=settings.keep_alive,
        settle_wait=settings.lost_answer_wait,
    )


def clock_of(settings: Settings) -> Clock:
    """The time for TSEs."""
    return Clock([Server.parse(server) for server in settings.ntp_servers])


def _care(settings: Settings) -> Care:
    secret = settings.time_admin_pin
    pins = Pins(secret.get_secret_value() if secret is not None else "")
    for pin in pins.all():
        register_secret(pin)
    return Care(
        pins=pins,
        clock=clock_of(settings),
        self_test=settings.self_test,
        set_time=settings.set_time,
        client_id=settings.self_test_client,
        night=Night(settings.self_test_at, settings.self_test_jitter),
        directory=settings.state_dir / "tses",
    )


async def _announce(registry: Registry, settings: Settings, token: auth.Token, port: int) -> None:
    while True:
        registry.changed.clear()
        tses = [device for device in registry.devices() if not device.failed.is_set()]
        try:
            session_file.write(settings, tses, token, port)
        except ConfigurationError as error:  # a full disk must not cost the next announcement
            log.warning("session.txt is out of date: %s", error, extra=event(Event.DISK_TROUBLE))
        await registry.changed.wait()


def _greet(gateway: Gateway) -> None:
    if not sys.stdout.isatty():
        return
    settings = gateway.settings
    print(f"\n  Address   {settings.address}\n  Port      {gateway.port}\n  apiToken  {gateway.token.value}\n")  # noqa: T201
    print(f"  These three values go into the POS; they also stand in {settings.state_dir / 'session.txt'}")  # noqa: T201
    print("  Type quit to stop.\n")  # noqa: T201


@contextlib.contextmanager
def _quit_on_terminal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return

    def read() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin)
        elif line.strip().lower() == "quit":
            stop()

    loop.add_reader(sys.stdin, read)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
