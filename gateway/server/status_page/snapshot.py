"""What the page shows at one moment, gathered from what is known already; no TSE is asked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.archive.service import Archivist
from gateway.archive.status import ArchiveSummary
from gateway.config.settings import Settings
from gateway.fleet.device import Device
from gateway.fleet.outages.log import Outage, OutageLog
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import ABSENT, lack
from gateway.server.http import tls
from gateway.server.http.auth import Token
from gateway.server.lan_protocol import TcpConnection
from gateway.server.status_page.recent_problems import Trouble, Troubles
from gateway.server.status_page.signature_rate import Pace
from gateway.tse.commands import HealthReply
from gateway.tse.info import TseInfo

_TILLS_DO_IT = frozenset({"no_self_test", "no_time", "not_set_up"})
_OUTAGES_SHOWN = 8
_TROUBLES_SHOWN = 12
_YEAR = 365 * 86_400.0
_TLS_READ = 60.0


class Level(StrEnum):
    """How a TSE (or all of them) is: a colour and a shape on the page."""

    GOOD = "good"
    CARE = "care"
    BAD = "bad"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a TSE, for how long; `peer` is empty for the gateway itself."""

    seconds: float
    peer: str


@dataclass(frozen=True, slots=True)
class Tse:
    """One TSE; `info` is missing if it was not seen since the start. `reason` is a key of readiness, or empty."""

    serial: str
    reason: str
    since: float | None = None
    place: str = ""
    info: TseInfo | None = None
    age: float = 0.0
    lock: Lock | None = None
    waiting: int = 0
    health: HealthReply | None = None
    pin_tries: dict[int, int] = field(default_factory=dict)
    pace: tuple[int, ...] = ()
    archive: ArchiveSummary | None = None
    archive_age: float | None = None  # seconds since it last held everything, if it is written each night
    held_back: bool = False  # the gateway has a PIN for the TSE and does not dare to use it

    @property
    def level(self) -> Level:
        """Whether it signs; what waits for a till to open is no failure."""
        if self.reason == "decommissioned":
            return Level.IDLE
        if self.reason in _TILLS_DO_IT:
            return Level.CARE
        return Level.BAD if self.reason else Level.GOOD


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything; moments in Unix seconds."""

    now: float
    tses: Sequence[Tse]
    outages: Sequence[Outage] = ()
    outage_count: int = 0
    outage_seconds: float = 0.0
    troubles: Sequence[Trouble] = ()
    site: str = ""
    address: str = ""
    port: int = 0
    token: str = field(default="", repr=False)
    simulated: bool = False
    tls_expires: float | None = None

    @property
    def in_use(self) -> list[Tse]:
        """Those that are meant to sign."""
        return [tse for tse in self.tses if tse.level is not Level.IDLE]

    @property
    def level(self) -> Level:
        """Of the whole site: bad if nothing signs, care if not everything does."""
        levels = [tse.level for tse in self.in_use]
        if not levels or (Level.GOOD not in levels and Level.CARE not in levels):
            return Level.BAD
        return Level.GOOD if set(levels) == {Level.GOOD} else Level.CARE


class Gatherer:
    """Makes snapshots of one gateway."""

    def __init__(
        self,
        settings: Settings,
        token: Token,
        *,
        registry: Registry,
        outages: OutageLog,
        pace: Pace,
        troubles: Troubles,
        archivist: Archivist,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._outages = outages
        self._pace = pace
        self._troubles = troubles
        self._archivist = archivist
        self._token = token
        self._now = now
        self._tls: tuple[float, float | None] = (float("-inf"), None)

    def snapshot(self, port: int) -> Snapshot:
        """As of now; `port` is the one that tills use."""
        now, settings, log = self._now(), self._settings, self._outages
        devices = self._registry.devices()
        present = {device.serial for device in devices}
        absent = [outage for serial, outage in sorted(log.open.items()) if serial not in present]
        open_now = sorted(log.open.values(), key=lambda outage: -outage.began)
        archives = {book.shelf.serial: self._archivist.summary(book) for book in self._archivist.books()}
        lately = [outage for outage in (*log.past, *open_now) if (outage.ended or now) > now - _YEAR]
        return Snapshot(
            now=now,
            tses=[
                *(self._tse(device, archives.get(device.serial)) for device in devices),
                *(Tse(gone.serial, ABSENT, gone.began, archive=archives.get(gone.serial)) for gone in absent),
            ],
            outages=[*open_now, *reversed(log.past)][:_OUTAGES_SHOWN],
            outage_count=len(lately),
            outage_seconds=sum(outage.seconds(now) for outage in lately),
            troubles=self._troubles.latest()[:_TROUBLES_SHOWN],
            site=settings.site,
            address=settings.address,
            port=port or settings.port,
            token=self._token.value,
            simulated=settings.simulators > 0,
            tls_expires=self._tls_expires(now),
        )

    def _tls_expires(self, now: float) -> float | None:
        """Of the certificate, which is a file: not to be read twice a second."""
        if now - self._tls[0] >= _TLS_READ:
            self._tls = (now, tls.expiry(self._settings))
        return self._tls[1]

    def _tse(self, device: Device, archive: ArchiveSummary | None) -> Tse:
        outage = self._outages.open.get(device.serial)
        return Tse(
            serial=device.serial,
            reason="stopped" if self._registry.draining else lack(device),
            since=None if outage is None else outage.began,
            place=device.place,
            info=device.info,
            age=device.info_age,
            lock=_lock(device),
            waiting=device.lock.waiting_clients,
            health=device.observer.health,
            pin_tries=device.memory.record.tries,
            pace=self._pace.of(device.serial),
            archive=archive,
            archive_age=_age(archive, self._now()) if self._settings.archive and device.info.ctss_active else None,
            # While it logs in there is a note, too, should it not come to the end of it.
            held_back=device.login_guard.has_pin and bool(device.memory.record.no_login) and device.lock.lease is None,
        )


def _age(archive: ArchiveSummary | None, now: float) -> float | None:
    if archive is None or archive.running is not None:
        return None
    since = archive.last_success or archive.first_seen
    return None if since is None else now - since.timestamp()


def _lock(device: Device) -> Lock | None:
    lease, held = device.lock.lease, device.lock.held_seconds
    if lease is None or held is None:
        return None
    return Lock(held, lease.holder.peer if isinstance(lease.holder, TcpConnection) else "")
