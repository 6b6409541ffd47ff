"""The web application and its life: listen, serve, stop without cutting anybody off."""

import asyncio
import logging
import resource
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.config.settings import STOP_REQUESTS, Settings
from gateway.errors import ConfigurationError
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.operations.lan import LanTse
from gateway.server.http import middleware, unix_socket
from gateway.server.http.auth import Gatekeeper, Token
from gateway.server.http.middleware import Refused
from gateway.server.http.tls import Renewal
from gateway.server.lan_protocol import LanProtocol
from gateway.server.monitoring.health import Status
from gateway.server.status_page.handlers import Pages
from gateway.server.status_page.snapshot import Snapshot
from gateway.tasks import beside
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_KEEP_ALIVE = 600.0  # seconds; a till keeps one connection, and a closed one costs it a second try
_CERTIFICATE_CHECK = 60.0
_BACKLOG = 1024
_MOST_FILES = 65_536


def build(
    settings: Settings,
    lan: LanTse,
    registry: Registry,
    metrics: Metrics,
    token: Token,
    *,
    refused: Refused = middleware.nobody_counts,
    api: Iterable[web.RouteDef] = (),
    snapshot: Callable[[int], Snapshot] | None = None,
    outages: OutageLog | None = None,
    auth_delay: float = 1.0,
) -> web.Application:
    """All that is served on the one port.

    `api` are the routes of the JSON API, `refused` hears of each error, `snapshot` is what the status page shows,
    `outages` knows which TSEs are missing.
    """
    protocol, status = LanProtocol(lan), Status(metrics, registry, outages)
    gatekeeper = Gatekeeper(token, metrics, delay=auth_delay)
    pages = None if snapshot is None else Pages(snapshot, gatekeeper, registry.changed)
    lets_in = middleware.nobody_enters if pages is None else pages.lets_in
    app = web.Application(
        middlewares=middleware.around(metrics, gatekeeper, refused, lets_in), client_max_size=settings.max_body_bytes
    )
    app.add_routes([*protocol.routes(), *status.routes(with_metrics=settings.metrics), *api])
    if pages is not None:
        pages.install(app)
    return app


@asynccontextmanager
async def serving(app: web.Application, settings: Settings, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Listen on all addresses and give the port; at the end running requests get time to finish.

    Raises:
        ConfigurationError: an address or the port is not free.
    """
    runner = web.AppRunner(
        app,
        access_log=None,  # the middleware tells more, and knows what must not be told
        keepalive_timeout=_KEEP_ALIVE,
        shutdown_timeout=STOP_REQUESTS * settings.stop_timeout,
    )
    renewal = Renewal(settings, context)
    await runner.setup()
    try:
        async with beside(renewal=_renew(renewal)):
            port = await _listen(runner, settings, context)
            async with unix_socket.listening(runner, settings):
                yield port
    finally:
        await runner.cleanup()


def allow_many_connections() -> None:
    """As many open files as the system grants: silent connections of somebody must not keep tills out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _listen(runner: web.AppRunner, settings: Settings, context: ssl.SSLContext) -> int:
    port = settings.port
    for address in settings.bind:
        site = web.TCPSite(runner, str(address), port, ssl_context=context, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(f"cannot listen on {address}, port {port}: {reason}") from None
        port = port or int(runner.addresses[0][1])  # all addresses share the port that the first one got
    return port


async def _renew(renewal: Renewal) -> None:
    while True:
        await asyncio.sleep(_CERTIFICATE_CHECK)
        try:
            await asyncio.to_thread(renewal.check)
        except Exception:
            log.exception("the certificate could not be checked", extra=event(Event.DEFECT))
