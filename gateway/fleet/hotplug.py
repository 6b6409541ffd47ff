"""Follow what is plugged in: signs from the kernel only say that it is time to scan again.

Signs are block events (netlink), changes of the table of mounts, other names in /sys/block,
a disk that stopped hanging or settled, and the time. Where a sign is not to be had, as in
some containers, the others remain.
"""

import asyncio
import contextlib
import logging
import os
import select
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from gateway.driver.protocols import TseDriver
from gateway.driver.usb.discovery import Discovery, Sighting
from gateway.driver.usb.probe import ProbeVerdict
from gateway.fleet.registry import Attachment
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

_BURST = 0.02  # seconds in which many signs count as one: a stick with partitions, a host that starts containers

Opener = Callable[[Path], Callable[[], Awaitable[TseDriver]]]


class Source(Protocol):
    """A source of signs that something may have changed: its handle becomes readable, until `take`."""

    def fileno(self) -> int: ...
    def take(self) -> None: ...
    def close(self) -> None: ...


class BlockEvents:
    """The kernel's own block events, since udev's do not reach a container.

    Raises:
        ImportError: there is no libudev.
        OSError: there is no netlink.
    """

    def __init__(self) -> None:
        import pyudev

        self._monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="kernel")
        self._monitor.filter_by("block")
        self._monitor.start()
        self._socket = socket.socket(fileno=os.dup(self._monitor.fileno()))

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> None:
        try:
            while self._monitor.poll(timeout=0) is not None:
                pass
        except OSError:  # more events than the socket could hold: asking for the error clears it
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def close(self) -> None:
        self._socket.close()
        del self._monitor  # libudev closes its handle with the last reference


class MountChanges:
    """Changes of the table of mounts, which has priority data (EPOLLPRI) once it has changed.

    Raises:
        OSError: it cannot be watched.
    """

    def __init__(self, table: Path = Path("/proc/self/mountinfo")) -> None:
        self._table = table.open("rb", buffering=0)
        self._poll = select.epoll()
        try:
            self._poll.register(self._table, select.EPOLLPRI)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._poll.fileno()

    def take(self) -> None:
        self._poll.poll(0)

    def close(self) -> None:
        self._poll.close()
        self._table.close()


Sources = Mapping[str, Callable[[], Source]]
SOURCES: Sources = {"block events": BlockEvents, "changes of mounts": MountChanges}


async def sightings(
    discovery: Discovery, *, every: float = 30.0, glance: float = 1.0, sources: Sources = SOURCES
) -> AsyncGenerator[tuple[Sighting, ...], None]:
    """Yield what is plugged in, first at once and then whenever it differs; log each change.

    A full look at least `every` seconds, one at the names of the disks each `glance` seconds.
    To be closed when no longer wanted (`contextlib.aclosing`).
    """
    now = asyncio.get_running_loop().time
    with _listening(sources, discovery.invalidate):
        before: tuple[Sighting, ...] | None = None
        names, due = discovery.disk_names(), now()
        while True:
            discovery.changed.clear()
            if discovery.stale or now() >= due:
                names, due = discovery.disk_names(), now() + every
                seen = await discovery.scan()
            else:
                seen = discovery.sightings()
            if seen != before:
                _log_changes(before or (), seen)
                before = seen
                yield seen
            await _sign(discovery, names, due, glance)


def attachments(seen: Iterable[Sighting], opener: Opener) -> list[Attachment]:
    """Return the sightings that can be opened, for `Registry.reconcile`."""
    return [Attachment(item.place, opener(item.path), item.key) for item in seen if item.verdict is ProbeVerdict.TSE]


async def _sign(discovery: Discovery, names: frozenset[str], due: float, glance: float) -> None:
    """Return when something may have changed, or when it is time to scan again."""
    now = asyncio.get_running_loop().time
    while now() < due and not discovery.changed.is_set():
        if discovery.disk_names() != names:
            discovery.invalidate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(glance, due - now())):
                await discovery.changed.wait()
    if discovery.stale:
        await asyncio.sleep(_BURST)


@contextmanager
def _listening(sources: Sources, sign: Callable[[], None]) -> Iterator[None]:
    with ExitStack() as stack:
        for name, make in sources.items():
            try:
                source = make()
            except (ImportError, OSError) as error:
                log.info("no %s to be had here (%s): TSEs may be seen later", name, error)
                continue
            _listen(source, sign, stack)
        yield


def _listen(source: Source, sign: Callable[[], None], stack: ExitStack) -> None:
    stack.callback(source.close)
    loop = asyncio.get_running_loop()

    def take() -> None:
        source.take()
        sign()

    loop.add_reader(source.fileno(), take)
    stack.callback(loop.remove_reader, source.fileno())


# --- the log ---


def _log_changes(before: Sequence[Sighting], now: Sequence[Sighting]) -> None:
    for item in before:
        if item.verdict is ProbeVerdict.TSE and item not in now:
            gone = event(Event.DETACHED, item.serial, place=item.place)
            log.info("TSE %s is gone from %s", item.serial, item.place, extra=gone)
    for item in now:
        if item not in before:
            _log_sighting(item)


def _log_sighting(item: Sighting) -> None:
    if item.verdict is ProbeVerdict.TSE:
        there = event(Event.ATTACHED, item.serial, place=item.place)
        log.info("TSE %s is attached at %s", item.serial, item.place, extra=there)
        return
    level = logging.WARNING if item.notable else logging.DEBUG
    what = f"TSE {item.serial}" if item.serial else "no TSE that can be used"
    told = event(Event.NOT_OPENED, item.serial, place=item.place) if item.notable else {}
    log.log(level, "%s at %s (%s): %s", what, item.place, item.verdict.value, item.way_out, extra=told)
