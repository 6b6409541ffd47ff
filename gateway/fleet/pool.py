"""Which TSE of a pool serves: the primary, or a standby in its place while the primary cannot.

A pool is an order of TSEs, the primary first. A standby begins to serve when the outage of the TSE that serves has
lasted for a set time, and goes on when the primary is well again: tills do not change with each loose contact. An
operator goes back, or the next night does. Which TSE serves is a line of the outage log, so it outlives the process.

In trouble-free use all systems of a group are assigned to exactly one TSE (AEAO on section 146a AO, 1.6).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.fleet.maintenance.schedule import NIGHT, Night
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import lack, lack_text
from gateway.i18n.text import Text
from gateway.telemetry.events import Event, event
from gateway.tse.info import Lifecycle

log = logging.getLogger(__name__)

_LOOK = 0.5  # seconds


class NoPool(GatewayError):
    """The settings name no pool, or none of its TSEs was ever here."""

    code = "no_pool"


class CannotServe(GatewayError):
    """The TSE is not of the pool, or cannot sign now."""

    code = "cannot_serve"


class PoolRole(StrEnum):
    """The primary serves unless it has failed."""

    PRIMARY = "primary"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class PoolMember:
    """One TSE of the pool. `missing_clients` are at least so many that the primary knows and this standby does not."""

    serial: str
    role: PoolRole
    serves: bool
    missing_clients: int = 0


class Pool:
    """The pool of a gateway, empty unless the settings name one by beginnings of serials, in the order of use.

    A standby serves when an outage has lasted `after` seconds. `now` gives Unix seconds.
    """

    def __init__(
        self,
        beginnings: Sequence[str],
        registry: Registry,
        outages: OutageLog,
        *,
        after: float = 30.0,
        night: Night | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._beginnings = [beginning.upper() for beginning in beginnings]
        self._registry = registry
        self._outages = outages
        self.after = after
        self._night = night or Night()
        self._now = now
        self._told: dict[str, int] = {}

    # ---- what is -------------------------------------------------------------

    @property
    def serials(self) -> list[str]:
        """The TSEs of the pool that are in service, here or missed, the primary first."""
        if not self._beginnings:
            return []
        devices = self._registry.devices()
        in_service = {device.serial for device in devices if device.info.lifecycle == Lifecycle.INITIALIZED}
        known = sorted(self._outages.known | in_service)
        return [serial for beginning in self._beginnings for serial in known if serial.startswith(beginning)]

    @property
    def serving(self) -> str:
        """The serial of the TSE that serves now.

        Raises:
            NoPool: there is no pool.
        """
        serials, standby = self.serials, self._outages.standby
        if not serials:
            raise NoPool(
                Text(
                    "this gateway has no pool: GATEWAY_POOL names none of its TSEs; sign at "
                    "/api/v1/tses/{{serial}}/sign",
                    "dieses Gateway hat keinen Pool: GATEWAY_POOL nennt keine seiner TSEs; mit "
                    "/api/v1/tses/{{serial}}/sign signieren",
                )
            )
        return standby.served_by if standby is not None and standby.served_by in serials else serials[0]

    @property
    def standby_since(self) -> float | None:
        """Since when a standby serves, in Unix seconds; `None` while the primary does."""
        standby = self._outages.standby
        return None if standby is None or standby.served_by != self.serving else standby.began

    @property
    def members(self) -> list[PoolMember]:
        """All TSEs of the pool, in its order."""
        serials = self.serials
        if not serials:
            return []
        serving, primary = self.serving, self._devices().get(serials[0])
        registered = 0 if primary is None else primary.info.registered_clients
        found = [PoolMember(serials[0], PoolRole.PRIMARY, serials[0] == serving)]
        for serial in serials[1:]:
            standby = self._devices().get(serial)
            missing = 0 if standby is None else max(0, registered - standby.info.registered_clients)
            found.append(PoolMember(serial, PoolRole.STANDBY, serial == serving, missing))
        return found

    def hides(self, serial: str) -> bool:
        """Return whether tills are not offered this TSE, since another of its pool serves."""
        serials = self.serials
        return serial in serials and serial != self.serving

    # ---- what changes --------------------------------------------------------

    async def run(self) -> None:
        """Look twice a second whether another TSE has to serve, for ever."""
        while self._beginnings:
            self.check()
            await asyncio.sleep(_LOOK)

    def check(self) -> None:
        """Let another TSE serve if that is due now."""
        serials, record = self.serials, self._outages.standby
        if record is not None and (record.serial not in serials[:1] or record.served_by not in serials[1:]):
            self._outages.standby_ends(self._now())  # the settings name other TSEs, or one is out of service
        if not serials:
            return
        outage = self._outages.open.get(self.serving)
        if outage is not None and self._now() - outage.began >= self.after:
            able = next((serial for serial in [self.serving, *serials] if self._can_sign(serial)), outage.serial)
            if able != outage.serial:
                self._change(able, outage.reason)
        elif self._goes_back_tonight(serials[0]):
            self._change(serials[0], "night")
        self._tell_of_missing_clients()

    async def use(self, serial: str) -> None:
        """Let this TSE of the pool serve, as an operator wants; the primary, to go back.

        Raises:
            NoPool: there is no pool.
            CannotServe: it is not of the pool, or cannot sign now.
        """
        serving = self.serving
        if serial not in self.serials:
            raise CannotServe(
                Text(
                    "this TSE is not in the pool: GATEWAY_POOL does not name it, or it is not in service",
                    "diese TSE ist nicht im Pool: GATEWAY_POOL nennt sie nicht, oder sie ist nicht in Betrieb",
                )
            )
        if not self._can_sign(serial):
            device = self._devices().get(serial)
            raise CannotServe(
                Text("it cannot sign now: {why}", "sie kann jetzt nicht signieren: {why}"),
                why=Text("it is missing", "sie fehlt") if device is None else lack_text(device),
            )
        if serial != serving:
            self._change(serial, "operator")
            await asyncio.to_thread(self._outages.save)

    # ---- below: how ----------------------------------------------------------

    def _devices(self) -> dict[str, Device]:
        return {device.serial: device for device in self._registry.devices()}

    def _can_sign(self, serial: str) -> bool:
        device = self._devices().get(serial)
        return device is not None and not lack(device)

    def _goes_back_tonight(self, primary: str) -> bool:
        """Return whether it is night, a standby has served since before, nobody uses it, and the primary is well."""
        record = self._outages.standby
        if record is None:
            return False
        now = self._now()
        night = self._night.began(primary, datetime.fromtimestamp(now, UTC).astimezone())
        if night >= NIGHT or record.began > now - night.total_seconds():
            return False
        standby = self._devices().get(record.served_by)
        in_use = standby is not None and not standby.failed.is_set() and not standby.idle
        return self._can_sign(primary) and primary not in self._outages.open and not in_use

    def _change(self, serial: str, reason: str) -> None:
        primary, now = self.serials[0], self._now()
        if serial == primary:
            self._outages.standby_ends(now)
            told = event(Event.PRIMARY_SERVES, serial, reason=reason)
            log.info("TSE %s, the primary of the pool, serves again", serial, extra=told)
        else:
            self._outages.standby_begins(primary, serial, now)
            told = event(Event.STANDBY_SERVES, serial, reason=reason, primary=primary)
            log.warning("TSE %s serves in place of %s: %s", serial, primary, reason, extra=told)
        self._registry.changed.set()

    def _tell_of_missing_clients(self) -> None:
        for member in self.members:
            missing = member.missing_clients
            if missing and missing != self._told.get(member.serial):
                log.warning(
                    "TSE %s, a standby, lacks %d clients of the primary, which could not sign there: "
                    "`tse-gateway pool register` registers them",
                    *(member.serial, missing),
                    extra=event(Event.STANDBY_UNREADY, member.serial, missing=missing),
                )
            self._told[member.serial] = missing
