"""Where TSEs come from: simulators, the disks and mounts of this host, other connectors; all meet in the registry."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from itertools import chain
from pathlib import Path

from gateway.config.settings import Settings
from gateway.driver.lan.driver import LanDriver
from gateway.driver.lan.sessions import SESSIONS, OpenSessions
from gateway.driver.lan.upstream import Upstream
from gateway.driver.protocols import BlockTransport, TseDriver
from gateway.driver.usb.block import BlockDriver, Deadlines
from gateway.driver.usb.block_devices import Roots
from gateway.driver.usb.discovery import Discovery
from gateway.driver.usb.transport import open_transport
from gateway.fleet import hotplug
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.registry import Attachment, Registry
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.tasks import beside

log = logging.getLogger(__name__)

Simulated = tuple[SimulatedTse, MaintenanceOptions | None]

_FIRST_SCAN = 5.0  # seconds after which the gateway serves even if a disk has not been probed yet


class Attachments:
    """What each source has now; the registry gets all of it together."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._by_source: dict[str, list[Attachment]] = {}

    def update(self, source: str, attachments: Sequence[Attachment]) -> None:
        """Set what `source` has from now on."""
        self._by_source[source] = list(attachments)
        self._registry.apply(chain.from_iterable(self._by_source.values()))


@asynccontextmanager
async def attached(
    settings: Settings, registry: Registry, simulators: Sequence[Simulated], roots: Roots
) -> AsyncIterator[None]:
    """Let the TSEs of all sources come and go in `registry`; begins when each that is there was tried once.

    `roots`: where this machine's disks are looked for.
    """
    deadlines = Deadlines(command=settings.command_timeout, slow=settings.self_test_timeout)
    found = Attachments(registry)
    found.update("simulator", [_simulated(number, *own, deadlines) for number, own in enumerate(simulators, start=1)])
    async with Discovery(roots, settings.devices, everywhere=settings.discovers) as discovery:
        scanned = asyncio.Event()
        discovering = _discover(found, discovery, settings, deadlines, scanned)
        following = {upstream.place: _follow(found, upstream, deadlines) for upstream in _upstreams(settings)}
        async with beside(discovery=discovering, **following):
            try:
                async with asyncio.timeout(_FIRST_SCAN):
                    await scanned.wait()
                    await registry.tried()
            except TimeoutError:
                log.warning("not everything was looked at within %g s: TSEs may follow", _FIRST_SCAN)
            yield


async def _discover(
    found: Attachments, discovery: Discovery, settings: Settings, deadlines: Deadlines, scanned: asyncio.Event
) -> None:
    def opener(path: Path) -> Callable[[], Awaitable[TseDriver]]:
        return _opener(partial(open_transport, path), str(path), deadlines)

    async with aclosing(hotplug.sightings(discovery, every=settings.rescan)) as changes:
        async for seen in changes:
            found.update("sockets", hotplug.attachments(seen, opener))
            scanned.set()


async def _follow(found: Attachments, upstream: Upstream, deadlines: Deadlines) -> None:
    async def opened(serial: str) -> TseDriver:
        return LanDriver(upstream, serial, deadlines=deadlines)

    async with aclosing(upstream.discover()) as changes:
        async for serials in changes:
            tses = [
                Attachment(upstream.place, partial(opened, serial), plug=serial, shared=True)
                for serial in sorted(serials)
            ]
            found.update(upstream.place, tses)


def _simulated(number: int, tse: SimulatedTse, options: MaintenanceOptions | None, deadlines: Deadlines) -> Attachment:
    place = f"simulator-{number}"
    return Attachment(place, _opener(partial(SimulatedTransport, tse), place, deadlines), options=options)


def _opener(
    transport: Callable[[], BlockTransport], name: str, deadlines: Deadlines
) -> Callable[[], Awaitable[TseDriver]]:
    return partial(BlockDriver.open, transport, name=name, deadlines=deadlines)


def _upstreams(settings: Settings) -> list[Upstream]:
    sessions = OpenSessions(settings.state_dir / SESSIONS)
    return [
        Upstream(given.url, given.token, ca_file=given.ca_file, fingerprint=given.fingerprint, sessions=sessions)
        for given in settings.upstreams
    ]
