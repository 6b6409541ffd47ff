"""What needs attention at this site now: what the status page tells of each TSE, and what is wrong around them."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway import limits
from gateway.clock.trusted import Clock
from gateway.config.settings import Settings
from gateway.fleet.registry import Registry
from gateway.i18n import remedies
from gateway.i18n.locales import Locale
from gateway.i18n.remedies import KnownProblem
from gateway.i18n.text import Text
from gateway.notifications.problem import OpenProblem
from gateway.server.status_page import notices
from gateway.server.status_page.snapshot import Snapshot, StatusLevel, TseSnapshot
from gateway.server.status_page.widgets import capitalized, sentence
from gateway.storage.writable import WritableCheck

NOT_SIGNING = "not_signing"
# Seconds that it lasts before it is told, as in the alert rules: TseDown, TseNotReady and GatewayNoTse,
# GatewayStateNotWritable, GatewayClockUnfit and GatewayClockOffset.
DOWN, NOT_READY, UNWRITABLE, CLOCK_UNFIT, CLOCK_OFF = 120.0, 300.0, 60.0, 900.0, 600.0

_TLS_ENDS = KnownProblem(
    Text("the TLS certificate is valid for {duration} only", "das TLS-Zertifikat gilt nur noch {duration}"),
    Text(
        "put a new one into the files of GATEWAY_TLS_CERTIFICATE and GATEWAY_TLS_KEY; the gateway reads them within a "
        "minute",
        "ein neues in die Dateien von GATEWAY_TLS_CERTIFICATE und GATEWAY_TLS_KEY legen; das Gateway liest sie binnen "
        "einer Minute",
    ),
)


@dataclass(frozen=True, slots=True)
class SiteProblems:
    """Finds them; no TSE is asked. `clock` is None if the gateway gives no TSE the time."""

    settings: Settings
    registry: Registry
    snapshot: Callable[[int], Snapshot]
    writable: WritableCheck
    clock: Clock | None
    locale: Locale

    async def now(self) -> tuple[list[OpenProblem], Callable[[str], bool]]:
        """Return the problems, and whether one with this key cannot be judged now."""
        snapshot = self.snapshot(0)
        found = [*self._of_tses(snapshot), *self._of_ahead(), *self._of_tls(snapshot), *self._of_clock()]
        found += await self._of_disk()
        return found, lambda key: _is_unknown(key, snapshot)

    def _of_tses(self, snapshot: Snapshot) -> Iterator[OpenProblem]:
        if not snapshot.in_use:
            yield self._made("no_tse", remedies.NO_TSE, serious=True, patience=NOT_READY)
        for tse in snapshot.in_use:
            yield from notices.problems(tse, self.locale, snapshot.now)
            if tse.level is StatusLevel.BAD or _is_left_alone(tse):
                patience = DOWN if tse.level is StatusLevel.BAD else NOT_READY
                problem = remedies.NOT_SIGNING.get(tse.reason, remedies.NOT_SIGNING["device_error"])
                yield self._made(NOT_SIGNING, problem, tse.serial, serious=True, patience=patience)

    def _of_ahead(self) -> Iterator[OpenProblem]:
        for device in self.registry.devices():
            ahead = device.found_ahead
            if ahead and limits.FOUND_AHEAD_AGO.warns(time.time() - ahead):
                yield self._made("found_ahead", remedies.FOUND_AHEAD, device.serial, day=self.locale.date(ahead))

    def _of_tls(self, snapshot: Snapshot) -> Iterator[OpenProblem]:
        if self.settings.tls_certificate is None or snapshot.tls_expires is None:  # the gateway renews its own
            return
        left = snapshot.tls_expires - snapshot.now
        if limits.TLS_CERTIFICATE_LEFT.warns(left):
            duration, serious = self.locale.duration(max(left, 0)), limits.TLS_CERTIFICATE_LEFT.is_critical(left)
            yield self._made("tls_certificate_ends", _TLS_ENDS, serious=serious, duration=duration)

    def _of_clock(self) -> Iterator[OpenProblem]:
        if self.clock is None:
            return
        status = self.clock.status
        if not status.fit:
            problem = remedies.CLOCK_NOT_ANSWERED if self.settings.ntp_servers else remedies.CLOCK_NOT_ASKED
            yield self._made("clock_unfit", problem, patience=CLOCK_UNFIT)
        elif limits.CLOCK_OFFSET.warns(abs(status.offset or 0.0)):
            yield self._made("clock_off", remedies.CLOCK_OFF, patience=CLOCK_OFF, offset=f"{status.offset:+.0f}")

    async def _of_disk(self) -> list[OpenProblem]:
        directory = self.settings.state_dir
        if trouble := self.writable.trouble:
            values: dict[str, Any] = {"directory": directory, "reason": trouble}
            return [self._made("not_writable", remedies.NOT_WRITABLE, serious=True, patience=UNWRITABLE, **values)]
        try:
            state = await asyncio.to_thread(os.statvfs, directory)
        except OSError:  # a minute later it cannot be written, either
            return []
        free = state.f_bavail * state.f_frsize
        if not limits.DISK_FREE.warns(free):
            return []
        serious = limits.DISK_FREE.is_critical(free)
        values = {"directory": directory, "free": free // 2**20}
        return [self._made("disk_low", remedies.DISK_FREE, serious=serious, **values)]

    def _made(
        self,
        code: str,
        problem: KnownProblem,
        serial: str = "",
        *,
        serious: bool = False,
        patience: float = 0.0,
        **values: object,
    ) -> OpenProblem:
        fact = sentence(self.locale.text(problem.text, **values))
        remedy = capitalized(sentence(self.locale.text(problem.remedy)))
        return OpenProblem(code, fact, remedy, serial, serious=serious, patience=patience)


def _is_left_alone(tse: TseSnapshot) -> bool:
    """Return whether it waits for what the gateway does; else it waits for the first till of the day."""
    return tse.maintained and tse.reason in {"no_self_test", "no_time"}


def _is_unknown(key: str, snapshot: Snapshot) -> bool:
    """Return whether the TSE cannot tell now if the problem is gone: it is not there, or was not read yet."""
    code, _, rest = key.partition(":")
    serial = rest.partition(":")[0]
    tse = next((tse for tse in snapshot.tses if tse.serial == serial), None)
    return tse is not None and code != NOT_SIGNING and _cannot_tell(tse, code)


def _cannot_tell(tse: TseSnapshot, code: str) -> bool:
    if code == notices.ARCHIVE_OLD:
        return tse.archive_age is None
    return tse.info is None or (code == notices.FLASH_WORN and tse.health is None)
