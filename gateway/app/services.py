"""The services of a gateway, made as the settings want them and closed in order, for `gateway` and `standalone`."""

import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from gateway import __version__
from gateway.access.audit import AuditLog
from gateway.access.lan_token import Token, cost_of, is_as_wanted
from gateway.access.store import FILE as STORE_FILE
from gateway.access.store import TokenStore
from gateway.access.tokens import Tokens
from gateway.access.uses import FILE as USES_FILE
from gateway.access.uses import TokenUses
from gateway.app import simulators, sources
from gateway.archive.deletion import Deletion
from gateway.archive.run import ArchiveOptions
from gateway.archive.schedule import ArchiveSchedule
from gateway.archive.service import ArchiveService
from gateway.archive.targets.service import ArchiveUploads
from gateway.archive.timestamps import TimestampAuthority, Timestamps
from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock
from gateway.config.pins import KEPT, Pins
from gateway.config.settings import Settings, effective
from gateway.doctor.inside import RunningDoctor
from gateway.driver.usb.block_devices import Roots
from gateway.errors import ConfigurationError
from gateway.fleet.maintenance.flash_health import FlashHealthMonitor
from gateway.fleet.maintenance.schedule import Night
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.outages.monitor import OutageMonitor
from gateway.fleet.pool import Pool
from gateway.fleet.registry import DeviceTimes, Registry
from gateway.fleet.status.collector import FleetCollector
from gateway.i18n.text import NOTHING, Text
from gateway.notifications.service import Notifications
from gateway.operations.administration import Administration
from gateway.operations.elster import SiteTills
from gateway.operations.forecast import Forecasts
from gateway.operations.journal import JOURNAL, Journal
from gateway.operations.outage_report import OutageReports
from gateway.operations.pool_signing import PoolSigning
from gateway.operations.transactions import Transactions
from gateway.server.api.endpoint import Services
from gateway.server.audit_package.place import PackagePlace
from gateway.server.http import session_file
from gateway.server.status_page.recent_problems import RecentProblems
from gateway.server.status_page.signature_rate import SignatureRate
from gateway.server.status_page.snapshot import Snapshot, SnapshotSource
from gateway.simulator.device import SimulatedTse
from gateway.tasks import beside
from gateway.telemetry.events import Event, event
from gateway.telemetry.log import register_secret
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent_events import RecentEvents
from gateway.telemetry.recent_log import RecentLog

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayCore:
    """What the services above the fleet work with."""

    settings: Settings
    registry: Registry
    metrics: Metrics
    outages: OutageLog
    archives: ArchiveService
    pool: Pool
    notifications: Notifications
    site_tills: SiteTills
    recent_events: RecentEvents = field(default_factory=RecentEvents)
    recent_log: RecentLog = field(default_factory=RecentLog)


@asynccontextmanager
async def fleet(
    settings: Settings, metrics: Metrics, maintenance: MaintenanceOptions, roots: Roots
) -> AsyncIterator[tuple[Registry, tuple[SimulatedTse, ...]]]:
    """Open the TSEs of all sources and the simulated ones; begins when each that is there was tried once."""
    async with AsyncExitStack() as stack:
        simulated = await stack.enter_async_context(simulators.opened(settings))
        times = DeviceTimes(
            lock_idle=settings.lock_idle,
            lock_orphaned=settings.lock_orphaned,
            lock_longest=settings.lock_longest or math.inf,
            refresh=settings.keep_alive,
            settle_wait=settings.lost_answer_wait,
            late_after=settings.late_after,
        )
        registry = Registry(metrics, times, maintenance)
        stack.push_async_callback(registry.close)
        await stack.enter_async_context(beside(clock=_keep_time(maintenance, metrics)))
        options = [simulators.maintenance_of(tse, maintenance) for tse in simulated]
        own = list(zip(simulated, options, strict=True))
        await stack.enter_async_context(sources.attached(settings, registry, own, roots))
        yield registry, simulated


def maintenance_options(settings: Settings) -> MaintenanceOptions:
    """Return how TSEs are maintained; from now on no log shows a PIN of the settings."""
    secret = settings.time_admin_pin
    pins = Pins(secret.get_secret_value() if secret is not None else "", settings.state_dir / KEPT)
    for pin in pins.all():
        register_secret(pin)
    return MaintenanceOptions(
        pins=pins,
        clock=trusted_clock(settings),
        self_test=settings.self_test,
        set_time=settings.set_time,
        client_id=settings.self_test_client,
        night=Night(settings.self_test_at, settings.self_test_jitter),
        directory=settings.state_dir / "tses",
    )


async def _keep_time(maintenance: MaintenanceOptions, metrics: Metrics) -> None:
    """Ask time servers once there is a PIN to give a TSE the time with; before, nobody needs them."""
    await maintenance.pins.given.wait()
    await maintenance.clock.run(metrics)


def trusted_clock(settings: Settings) -> Clock:
    """Return the clock with the time servers of the settings."""
    return Clock([TimeServer.parse(server) for server in settings.ntp_servers])


@asynccontextmanager
async def outage_monitor(settings: Settings, registry: Registry, metrics: Metrics) -> AsyncIterator[OutageMonitor]:
    """Keep the outage log, and let a scrape tell what is known of the TSEs."""
    outages = OutageLog(settings.state_dir)
    registry.expected = outages.known
    metrics.registry.register(FleetCollector(registry, outages))
    monitor = OutageMonitor(registry, outages)
    async with beside(outages=monitor.run(), flash_health=FlashHealthMonitor(registry).run()):
        yield monitor


def pool(settings: Settings, registry: Registry, outages: OutageLog) -> Pool:
    """Return the pool of the settings, which is empty unless they name one."""
    night = Night(settings.self_test_at, settings.self_test_jitter)
    return Pool(settings.pool, registry, outages, after=settings.pool_after, night=night)


@asynccontextmanager
async def archives(
    settings: Settings, registry: Registry, metrics: Metrics, *, scheduled: bool, refusal: Text = NOTHING
) -> AsyncIterator[ArchiveService]:
    """Keep archives of all TSEs, written on demand and, if `scheduled`, each night; `refusal` says why not at all."""
    directory = settings.archive_dir or settings.state_dir / "archive"
    options = ArchiveOptions(
        least_free=settings.archive_min_free_mib * 2**20,
        trust=settings.archive_trust,
        refusal=refusal,
        targets=[target.name for target in settings.archive_targets],
        site=settings.site,
    )
    service = ArchiveService(registry, metrics, directory, options)
    schedule = ArchiveSchedule(service, registry, Night(settings.archive_at, settings.self_test_jitter))
    uploads = ArchiveUploads(service, settings.archive_targets, directory, metrics)
    try:
        async with AsyncExitStack() as stack:
            if scheduled:
                await stack.enter_async_context(beside(archive=schedule.run(), archive_targets=uploads.run()))
            if scheduled and settings.archive_timestamp_url:
                authority = TimestampAuthority(settings.archive_timestamp_url, settings.archive_timestamp_trust)
                await stack.enter_async_context(beside(archive_timestamps=Timestamps(service, authority).run()))
            yield service
    finally:
        await service.close()


@asynccontextmanager
async def api(
    core: GatewayCore, clock: Clock, tokens: Tokens, audit: AuditLog, pins: Pins | None = None
) -> AsyncIterator[Services]:
    """Make what the JSON API works with; at the end signatures that were begun are brought to their end."""
    journal = Journal(core.settings.state_dir / JOURNAL)
    lock_wait = core.settings.lock_wait
    transactions = Transactions(core.registry, journal, core.metrics, lock_wait=lock_wait, now=time.time)
    administration = Administration(core.registry, lock_wait=lock_wait, clock=clock, pins=pins)
    deletion = Deletion(core.registry, administration, core.archives)
    reports = OutageReports(core.outages, core.registry, core.settings.site)
    try:
        async with beside(unclear=transactions.settlement.run()):
            yield Services(
                *(core.registry, transactions, administration, deletion, reports, core.archives, Forecasts()),
                translates_old_tills=core.settings.translates_old_tills,
                tokens=tokens,
                recent_events=core.recent_events,
                recent_log=core.recent_log,
                audit=audit,
                pool=core.pool,
                site_tills=core.site_tills,
                pool_signing=PoolSigning(core.pool, transactions),
                package_place=_package_place(core.settings),
                notifications=core.notifications,
                doctor=RunningDoctor(core.settings),
            )
    finally:
        await transactions.close()


def _package_place(settings: Settings) -> PackagePlace:
    return PackagePlace(
        directory=settings.state_dir / "audit-package",
        lists=settings.state_dir / "crls",
        archives=settings.archive,
        trust=settings.archive_trust,
        site=settings.site,
        least_free=settings.archive_min_free_mib * 2**20,
    )


@asynccontextmanager
async def snapshots(
    core: GatewayCore, tokens: Tokens, problems: RecentProblems
) -> AsyncIterator[Callable[[int], Snapshot]]:
    """Gather what the status page shows and the notifications go by."""
    rate = SignatureRate(core.metrics)
    source = SnapshotSource(
        core.settings,
        tokens,
        registry=core.registry,
        outages=core.outages,
        rate=rate,
        problems=problems,
        archives=core.archives,
        pool=core.pool,
    )
    async with beside(rate=rate.keep()):
        yield source.snapshot


def tokens(settings: Settings, lan: Token) -> Tokens:
    """Return the tokens that are accepted; tell if the LAN token is short, or not as the settings want it.

    Raises:
        ConfigurationError: their files cannot be used.
    """
    store, uses = TokenStore(settings.state_dir / STORE_FILE), TokenUses(settings.state_dir / USES_FILE)
    cost, wanted = cost_of(lan.value, settings.guess_rate), settings.token_digits
    if cost is not None:
        log.warning("the LAN token is short: %s", cost, extra=event(Event.TOKEN_SHORT))
    if not is_as_wanted(settings, lan):
        log.warning(
            "GATEWAY_TOKEN_DIGITS=%d is for tokens that are made, and this gateway keeps one of before: "
            "`tse-gateway token rotate lan` makes one of %d digits",
            wanted,
            wanted,
            extra=event(Event.TOKEN_SHORT),
        )
    return Tokens(lan, settings=settings, store=store, uses=uses)


def given(settings: Settings) -> dict[str, str]:
    """Return the version and the settings that are not the default, secrets hidden, for the audit log."""
    return {
        "version": __version__,
        **{row.name: row.value for row in effective(settings) if row.name in settings.model_fields_set},
    }


async def keep_session_file(settings: Settings, registry: Registry, pool: Pool, tokens: Tokens, port: int) -> None:
    """Write session.txt anew, for ever, whenever the TSEs or the LAN token have changed."""
    while True:
        registry.changed.clear()
        usable = [device for device in registry.devices() if not device.failed.is_set()]
        tses = [device for device in usable if not pool.hides(device.serial)]
        try:
            session_file.write(settings, tses, tokens.lan, port)
        except ConfigurationError as error:  # a full disk must not cost the next change
            log.warning("session.txt is out of date: %s", error, extra=event(Event.DISK_TROUBLE))
        await registry.changed.wait()
