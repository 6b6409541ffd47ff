"""The web application of the gateway's one port, and its life: listen, serve, stop without cutting anybody off."""

import asyncio
import logging
import resource
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.access.audit import AuditLog
from gateway.access.tokens import Tokens
from gateway.config.settings import STOP_REQUESTS, Settings
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.operations.lan import LanTse
from gateway.server.docs_page import handlers as docs_page
from gateway.server.http import middleware, unix_socket
from gateway.server.http.admission import Admission
from gateway.server.http.auth import Gatekeeper
from gateway.server.http.bodies import BUDGET, Budget
from gateway.server.http.listener import running
from gateway.server.http.middleware import OnRefusal
from gateway.server.http.tls import Renewal
from gateway.server.lan_protocol import LanProtocol
from gateway.server.monitoring.health import HealthHandlers
from gateway.server.pages.page import Site
from gateway.server.status_page.handlers import StatusPage
from gateway.tasks import beside
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_CERTIFICATE_CHECK = 60.0
_MOST_FILES = 65_536


def build(
    settings: Settings,
    lan: LanTse,
    registry: Registry,
    metrics: Metrics,
    tokens: Tokens,
    *,
    on_refusal: OnRefusal = middleware.ignore_refusal,
    api: Iterable[web.RouteDef] = (),
    site: Site | None = None,
    outages: OutageLog | None = None,
    audit: AuditLog | None = None,
    auth_delay: float = 1.0,
) -> web.Application:
    """Return the application of the gateway's one port.

    `api` are the routes of the JSON API, `on_refusal` is called with each error, `site` is what the status
    page works with (no page without it), `outages` knows which TSEs are missing, `audit` keeps acts of
    operators, `auth_delay` (seconds) slows wrong tokens.
    """
    audit = audit or AuditLog()
    protocol, health = LanProtocol(lan, tokens.uses, audit), HealthHandlers(metrics, registry, outages)
    gatekeeper = Gatekeeper(
        *(tokens, metrics),
        delay=auth_delay,
        rate=settings.guess_rate,
        need_certificates=settings.tls_client_required,
    )
    pages = None if site is None else StatusPage(site, gatekeeper, registry.changed)
    logged_in = middleware.never_logged_in if pages is None else pages.lets_in
    app = web.Application(
        middlewares=middleware.middlewares(metrics, gatekeeper, on_refusal, logged_in),
        client_max_size=settings.max_body_bytes,
    )
    app.on_response_prepare.append(middleware.name_request)
    app[BUDGET] = Budget()
    app.add_routes([*protocol.routes(), *health.routes(with_metrics=settings.metrics), *api, *docs_page.routes()])
    if pages is not None:
        pages.install(app)
    return app


@asynccontextmanager
async def serving(
    app: web.Application, settings: Settings, context: ssl.SSLContext, admission: Admission | None = None
) -> AsyncIterator[int]:
    """Listen on all addresses and yield the port; at the end running requests get time to finish.

    Raises:
        ConfigurationError: an address or the port is not free.
    """
    renewal = Renewal(settings, context)
    async with (
        running(app, shutdown_timeout=STOP_REQUESTS * settings.stop_timeout, admission=admission) as listener,
        beside(renewal=_renew(renewal)),
    ):
        port = listener.listen(settings.bind, settings.port, context)
        async with unix_socket.listening(listener, settings):
            yield port


def allow_many_connections() -> None:
    """Raise the limit of open files as far as the system grants it, so that idle connections keep no till out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _renew(renewal: Renewal) -> None:
    while True:
        await asyncio.sleep(_CERTIFICATE_CHECK)
        try:
            await asyncio.to_thread(renewal.check)
        except Exception:
            log.exception("the certificate could not be checked", extra=event(Event.DEFECT))
