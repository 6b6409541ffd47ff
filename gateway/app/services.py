"""Parts of a gateway, made as the settings want them: for one that serves, and for a command when none does."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from gateway.archive.deletion import Deletion
from gateway.archive.run import Terms
from gateway.archive.schedule import Nightly
from gateway.archive.service import Archivist
from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock
from gateway.config.pins import Pins
from gateway.config.settings import Settings
from gateway.fleet.maintenance.schedule import Night
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry, Rules
from gateway.operations.administration import Administration
from gateway.operations.forecast import Forecasts
from gateway.operations.journal import JOURNAL, Journal
from gateway.operations.outage_report import OutageReports
from gateway.operations.transactions import Transactions
from gateway.server.api.endpoint import Services
from gateway.simulator.device import SimulatedTse
from gateway.simulator.profiles import profile_named
from gateway.tasks import beside
from gateway.telemetry.log import register_secret
from gateway.telemetry.metrics import Metrics


@asynccontextmanager
async def api_services(
    settings: Settings, registry: Registry, metrics: Metrics, outages: OutageLog, clock: Clock, *, archivist: Archivist
) -> AsyncIterator[Services]:
    """What the JSON API works with; at the end what was begun to be signed is brought to its end."""
    journal = Journal(settings.state_dir / JOURNAL)
    transactions = Transactions(registry, journal, metrics, lock_wait=settings.lock_wait, now=time.time)
    administration = Administration(registry, lock_wait=settings.lock_wait, clock=clock)
    deletion = Deletion(registry, administration, archivist)
    reports = OutageReports(outages, registry, settings.site)
    try:
        async with beside(unclear=transactions.settle_unclear()):
            yield Services(registry, transactions, administration, deletion, reports, archivist, Forecasts())
    finally:
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
    try:
        async with beside(archive=plan.keep()) if nightly else nullcontext():
            yield archivist
    finally:
        await archivist.close()


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
    return Clock([TimeServer.parse(server) for server in settings.ntp_servers])


def maintenance_options(settings: Settings) -> MaintenanceOptions:
    """How TSEs are looked after."""
    secret = settings.time_admin_pin
    pins = Pins(secret.get_secret_value() if secret is not None else "")
    for pin in pins.all():
        register_secret(pin)
    return MaintenanceOptions(
        pins=pins,
        clock=clock_of(settings),
        self_test=settings.self_test,
        set_time=settings.set_time,
        client_id=settings.self_test_client,
        night=Night(settings.self_test_at, settings.self_test_jitter),
        directory=settings.state_dir / "tses",
    )
