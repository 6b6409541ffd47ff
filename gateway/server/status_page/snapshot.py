"""What the page shows at one moment, gathered from what the gateway knows; no TSE is asked."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.access.tokens import Tokens
from gateway.archive.service import ArchiveService
from gateway.archive.status import ArchiveSummary
from gateway.config.settings import Settings
from gateway.fleet.device import Device
from gateway.fleet.lock.lock import LockStatus
from gateway.fleet.lock.tills import TillStatus
from gateway.fleet.outages.log import Outage, OutageLog
from gateway.fleet.pool import Pool, PoolMember
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import ABSENT, lack
from gateway.limits import DAY
from gateway.server.http import tls
from gateway.server.status_page import tokens as token_table
from gateway.server.status_page.recent_problems import RecentProblem, RecentProblems
from gateway.server.status_page.signature_rate import SignatureRate
from gateway.server.status_page.tokens import TokenSnapshot
from gateway.tse.commands import HealthReply
from gateway.tse.info import TseInfo
from gateway.tse.pins import USERS, PinOwner

_DONE_BY_TILLS = frozenset({"no_self_test", "no_time", "not_set_up"})
_OUTAGES_SHOWN = 8
_PROBLEMS_SHOWN = 12
_YEAR = 365 * DAY
_TLS_READ_EVERY = 60.0  # seconds


class StatusLevel(StrEnum):
    """The state of one TSE or of the site; each has a colour and a shape on the page."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class TseSnapshot:
    """One TSE. `reason` is why it does not sign, a key of `NOT_SIGNING`; empty if it signs.

    `info` is None if the TSE was not seen since the start; it was read `age` seconds ago. `rate`: signatures in each of
    the last 60 minutes. `archive_age`: seconds since the archive held everything, if it is written each night.
    `no_login`: the gateway has a PIN for the TSE and does not use it, for it was refused. `logged_in`: as far as
    is known. `old_tills`: commands of generation 1 are translated. `maintained`: the gateway itself keeps it ready.
    `pool`: its place in the pool, if there is one.
    """

    serial: str
    reason: str
    since: float | None = None
    place: str = ""
    info: TseInfo | None = None
    age: float = 0.0
    lock: LockStatus | None = None
    waiting: int = 0
    tills: Sequence[TillStatus] = ()
    health: HealthReply | None = None
    pin_tries: Mapping[PinOwner, int] = field(default_factory=dict)
    rate: tuple[int, ...] = ()
    archive: ArchiveSummary | None = None
    archive_age: float | None = None
    no_login: bool = False
    logged_in: tuple[PinOwner, ...] = ()
    old_tills: bool = False
    maintained: bool = False
    pool: PoolMember | None = None

    @property
    def level(self) -> StatusLevel:
        """Whether it signs; one that waits for the first till of the day has not failed."""
        if self.reason == "decommissioned":
            return StatusLevel.IDLE
        if self.reason in _DONE_BY_TILLS:
            return StatusLevel.WARNING
        return StatusLevel.BAD if self.reason else StatusLevel.GOOD


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole site. Times are in Unix seconds; `outage_count` and `outage_seconds` are of the last 365 days."""

    now: float
    tses: Sequence[TseSnapshot]
    outages: Sequence[Outage] = ()
    outage_count: int = 0
    outage_seconds: float = 0.0
    problems: Sequence[RecentProblem] = ()
    site: str = ""
    address: str = ""
    port: int = 0
    token: str = field(default="", repr=False)
    tokens: Sequence[TokenSnapshot] = ()
    simulated: bool = False
    tls_expires: float | None = None

    @property
    def in_use(self) -> list[TseSnapshot]:
        """The TSEs that are meant to sign."""
        return [tse for tse in self.tses if tse.level is not StatusLevel.IDLE]

    @property
    def level(self) -> StatusLevel:
        """The state of the site: bad if no TSE signs, a warning if not every TSE does."""
        levels = [tse.level for tse in self.in_use]
        if not levels or (StatusLevel.GOOD not in levels and StatusLevel.WARNING not in levels):
            return StatusLevel.BAD
        return StatusLevel.GOOD if set(levels) == {StatusLevel.GOOD} else StatusLevel.WARNING


class SnapshotSource:
    """Makes snapshots of one gateway. `now` in Unix seconds."""

    def __init__(
        self,
        settings: Settings,
        tokens: Tokens,
        *,
        registry: Registry,
        outages: OutageLog,
        rate: SignatureRate,
        problems: RecentProblems,
        archives: ArchiveService,
        pool: Pool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._outages = outages
        self._rate = rate
        self._problems = problems
        self._archives = archives
        self._pool = pool
        self._tokens = tokens
        self._now = now
        self._tls: tuple[float, float | None] = (float("-inf"), None)

    def snapshot(self, port: int) -> Snapshot:
        """Return the present state; `port` is the one that tills use."""
        now, settings, log = self._now(), self._settings, self._outages
        devices = self._registry.devices()
        present = {device.serial for device in devices}
        absent = [outage for serial, outage in sorted(log.open.items()) if serial not in present]
        open_now = sorted(log.open.values(), key=lambda outage: -outage.began)
        archives = {known.serial: self._archives.summary(known) for known in self._archives.all()}
        pool = {member.serial: member for member in self._pool.members}
        lately = [outage for outage in (*log.past, *open_now) if (outage.ended or now) > now - _YEAR]
        return Snapshot(
            now=now,
            tses=[
                *(self._tse(device, archives.get(device.serial), pool.get(device.serial)) for device in devices),
                *(
                    TseSnapshot(
                        gone.serial, ABSENT, gone.began, archive=archives.get(gone.serial), pool=pool.get(gone.serial)
                    )
                    for gone in absent
                ),
            ],
            outages=[*open_now, *reversed(log.past)][:_OUTAGES_SHOWN],
            outage_count=len(lately),
            outage_seconds=sum(outage.seconds(now) for outage in lately),
            problems=self._problems.latest()[:_PROBLEMS_SHOWN],
            site=settings.site,
            address=settings.address,
            port=port or settings.port,
            token=self._tokens.lan.value,
            tokens=token_table.snapshots(self._tokens),
            simulated=settings.simulators > 0,
            tls_expires=self._tls_expires(now),
        )

    def _tls_expires(self, now: float) -> float | None:
        # The certificate is a file: it is not read twice a second.
        if now - self._tls[0] >= _TLS_READ_EVERY:
            self._tls = (now, tls.expiry(self._settings))
        return self._tls[1]

    def _tse(self, device: Device, archive: ArchiveSummary | None, pool: PoolMember | None) -> TseSnapshot:
        outage = self._outages.open.get(device.serial)
        return TseSnapshot(
            serial=device.serial,
            reason="stopped" if self._registry.draining else lack(device),
            since=None if outage is None else outage.began,
            place=device.place,
            info=device.info,
            age=device.info_age,
            lock=device.lock.status,
            waiting=device.lock.waiting_clients,
            tills=device.lock.tills,
            health=None if device.flash_health is None else device.flash_health.health,
            pin_tries=device.pin_record.tries,
            rate=self._rate.of(device.serial),
            archive=archive,
            archive_age=_age(archive, self._now()) if self._settings.archive and device.info.ctss_active else None,
            # While the gateway logs in there is a note, too, in case it is interrupted.
            no_login=device.has_pin and bool(device.pin_record.no_login) and device.lock.lease is None,
            logged_in=tuple(owner for owner in USERS if device.is_logged_in(owner.user)),
            old_tills=self._settings.translates_old_tills(device.serial),
            maintained=device.has_pin,
            pool=pool,
        )


def _age(archive: ArchiveSummary | None, now: float) -> float | None:
    if archive is None or archive.running is not None:
        return None
    since = archive.last_success or archive.first_seen
    return None if since is None else now - since.timestamp()
