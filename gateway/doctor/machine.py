"""What the gateway stands on: the disk with its state, and the clock."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock, KernelClock
from gateway.config.settings import Settings
from gateway.doctor.findings import NOT_STARTED, Finding, Layer, fail, ok, unknown, warn
from gateway.i18n.text import Text

_LITTLE, _TOO_LITTLE = 2**30, 32 * 2**20  # bytes free: an archive grows, a journal must be written
_TRIAL = 2**16
_FAR_OFF = 2.0  # seconds between the clock and the time servers

_NOBODY_IS_ASKED = Text(
    "the kernel does not say that its clock is right, and no time server is set",
    "der Kern sagt nicht, dass seine Uhr stimmt, und kein Zeitserver ist genannt",
)
_NOBODY_ANSWERS = Text(
    "the kernel does not say that its clock is right, and the time servers give no good answer",
    "der Kern sagt nicht, dass seine Uhr stimmt, und die Zeitserver geben keine gute Antwort",
)


def disk(directory: Path) -> Finding:
    """Can it be written, and is there room?"""
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
    if free < _TOO_LITTLE:
        return fail(Layer.DISK, text, remedy, **values)
    return warn(Layer.DISK, text, remedy, **values) if free < _LITTLE else ok(Layer.DISK, text, **values)


def _try_to_write(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory) as trial:
        trial.write(bytes(_TRIAL))
        trial.flush()
        os.fsync(trial.fileno())


async def clock(settings: Settings, kernel: Callable[[], KernelClock] | None = None) -> Finding:
    """Is this machine's time fit for a TSE?"""
    servers = [TimeServer.parse(server) for server in settings.ntp_servers]
    judge = Clock(servers, kernel=kernel)
    if not judge.status.fit and servers:
        await judge.measure()
    status = judge.status
    remedy = Text(
        "let chrony or systemd-timesyncd keep the clock, and open UDP port 123 to the servers of GATEWAY_NTP_SERVERS",
        "die Uhr von chrony oder systemd-timesyncd stellen lassen, UDP-Port 123 zu GATEWAY_NTP_SERVERS öffnen",
    )
    if not status.fit:
        return fail(Layer.CLOCK, _NOBODY_ANSWERS if servers else _NOBODY_IS_ASKED, remedy)
    offset = status.offset or 0.0
    values = {"offset": f"{offset:+.3f}"}
    if abs(offset) > _FAR_OFF:
        return warn(
            Layer.CLOCK, Text("the clock is {offset} s off", "die Uhr geht um {offset} s falsch"), remedy, **values
        )
    if status.source == "kernel":
        return ok(Layer.CLOCK, Text("the kernel says that it is right", "der Kern sagt, dass sie stimmt"))
    return ok(Layer.CLOCK, Text("right, {offset} s by time servers", "richtig, {offset} s laut Zeitservern"), **values)
