"""The layers disk and clock: where the gateway writes, and whether its time is right."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import limits
from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock, KernelClock
from gateway.config.settings import Settings
from gateway.doctor.results import NOT_STARTED, CheckResult, Layer, fail, graded, measured, ok, unknown, warn
from gateway.i18n.text import Text

_TRIAL = 2**16  # bytes

_NOBODY_IS_ASKED = Text(
    "the kernel does not say that its clock is right, and no time server is set",
    "der Kern sagt nicht, dass seine Uhr stimmt, und kein Zeitserver ist genannt",
)
_NOBODY_ANSWERS = Text(
    "the kernel does not say that its clock is right, and the time servers give no good answer",
    "der Kern sagt nicht, dass seine Uhr stimmt, und die Zeitserver geben keine gute Antwort",
)


def disk(directory: Path) -> CheckResult:
    """Return whether a directory can be written to, and whether there is room."""
    try:
        _try_to_write(directory)
        state = os.statvfs(directory)
    except FileNotFoundError:
        return unknown(Layer.DISK, NOT_STARTED)
    except OSError as error:
        return fail(
            Layer.DISK,
            Text("{directory} cannot be written to: {reason}", "{directory} ist nicht beschreibbar: {reason}"),
            Text(
                "free space, mount it writable, and give it to the gateway's user: without it no receipt is signed "
                "exactly once and no outage is noted",
                "Platz schaffen, beschreibbar einhängen, dem Benutzer des Gateways geben: sonst wird kein Beleg genau "
                "einmal signiert und kein Ausfall vermerkt",
            ),
            directory=directory,
            reason=error.strerror,
        )
    free = state.f_bavail * state.f_frsize
    values: dict[str, Any] = {"directory": directory, "free": free // 2**20}
    text = Text("{free} MiB free in {directory}", "{free} MiB frei in {directory}")
    remedy = Text("free space, or move the state directory", "Platz schaffen, oder das Zustandsverzeichnis verlegen")
    return measured(Layer.DISK, graded(free, limits.DISK_FREE), text, remedy, **values)


def _try_to_write(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory) as trial:
        trial.write(bytes(_TRIAL))
        trial.flush()
        os.fsync(trial.fileno())


async def clock_status(settings: Settings, kernel: Callable[[], KernelClock] | None = None) -> CheckResult:
    """Return whether the time of this machine may be given to a TSE."""
    servers = [TimeServer.parse(server) for server in settings.ntp_servers]
    clock = Clock(servers, kernel=kernel)
    if not clock.status.fit and servers:
        await clock.measure()
    status = clock.status
    remedy = Text(
        "let chrony or systemd-timesyncd keep the clock, and open UDP port 123 to the servers of GATEWAY_NTP_SERVERS",
        "die Uhr von chrony oder systemd-timesyncd stellen lassen, UDP-Port 123 zu GATEWAY_NTP_SERVERS öffnen",
    )
    if not status.fit:
        return fail(Layer.CLOCK, _NOBODY_ANSWERS if servers else _NOBODY_IS_ASKED, remedy)
    offset = status.offset or 0.0
    values = {"offset": f"{offset:+.3f}"}
    if limits.CLOCK_OFFSET.warns(abs(offset)):
        return warn(
            Layer.CLOCK, Text("the clock is {offset} s off", "die Uhr geht um {offset} s falsch"), remedy, **values
        )
    if status.source == "kernel":
        return ok(Layer.CLOCK, Text("the kernel says that it is right", "der Kern sagt, dass sie stimmt"))
    return ok(Layer.CLOCK, Text("right, {offset} s by time servers", "richtig, {offset} s laut Zeitservern"), **values)
