"""The layers disk and clock: where the gateway writes, and whether its time is right."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import limits
from gateway.checks import NOT_STARTED, CheckResult, Layer, decimal, fail, graded, measured, ok, unknown, warn
from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock, KernelClock
from gateway.config.settings import Settings
from gateway.i18n import remedies
from gateway.i18n.text import Text, reason_of

_TRIAL = 2**16  # bytes


def disk(directory: Path) -> CheckResult:
    """Return whether a directory can be written to, and whether there is room."""
    try:
        _try_to_write(directory)
        state = os.statvfs(directory)
    except FileNotFoundError:
        return unknown(Layer.DISK, NOT_STARTED)
    except OSError as error:
        return fail(Layer.DISK, *remedies.NOT_WRITABLE, directory=directory, reason=reason_of(error))
    free = state.f_bavail * state.f_frsize
    values: dict[str, Any] = {"directory": directory, "free": free // 2**20}
    return measured(Layer.DISK, graded(free, limits.DISK_FREE), *remedies.DISK_FREE, **values)


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
    if not status.fit:
        return fail(Layer.CLOCK, *(remedies.CLOCK_NOT_ANSWERED if servers else remedies.CLOCK_NOT_ASKED))
    offset = status.offset or 0.0
    values: dict[str, Any] = {"offset": decimal(f"{offset:+.3f}")}
    if limits.CLOCK_OFFSET.warns(abs(offset)):
        return warn(Layer.CLOCK, *remedies.CLOCK_OFF, **values)
    if status.source == "kernel":
        return ok(Layer.CLOCK, Text("the kernel says that it is right", "der Kern sagt, dass sie stimmt"))
    return ok(Layer.CLOCK, Text("right, {offset} s by time servers", "richtig, {offset} s laut Zeitservern"), **values)
