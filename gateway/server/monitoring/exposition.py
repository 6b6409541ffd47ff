"""Metrics of the gateway itself, and the port that serves nothing but monitoring."""

import hashlib
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.access.lan_token import Token
from gateway.access.tokens import Tokens
from gateway.clock.trusted import kernel_state
from gateway.config.secret import dated_tokens
from gateway.config.settings import Settings, effective
from gateway.driver.usb.thread import HUNG
from gateway.errors import ConfigurationError, Forbidden, Unauthorized
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.server import lan_errors
from gateway.server.http import callers, tls
from gateway.server.http.admission import Admission
from gateway.server.http.auth import Gatekeeper
from gateway.server.http.listener import Listener, running
from gateway.server.http.middleware import OPEN_PATHS
from gateway.server.monitoring.health import HealthHandlers
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_HASH_DIGITS = 12
_REALM = 'Bearer realm="TSE gateway"'


class GatewayCollector(Collector):
    """Certificate, configuration, clock, threads, and whether simulated TSEs are served."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hash = configuration_hash(settings)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; reads one small file, and no TSE."""
        family = GaugeMetricFamily("tse_gateway_config_info", "1; equal hashes mean equal settings", labels=["hash"])
        family.add_metric([self._hash], 1)
        yield family
        yield GaugeMetricFamily(
            "tse_gateway_host_clock_synchronized",
            "1 while the kernel says that the clock of the host is kept right",
            kernel_state().synchronised,
        )
        yield GaugeMetricFamily(
            "tse_gateway_hung_threads",
            "Threads that wait in the kernel for a TSE that was given up",
            sum(thread.name.endswith(HUNG) for thread in threading.enumerate()),
        )
        yield GaugeMetricFamily(
            "tse_gateway_simulators", "Simulated TSEs that are served; 0 in a shop", self._settings.simulators
        )
        expiry = GaugeMetricFamily(
            "tse_gateway_tls_certificate_expiry_timestamp_seconds", "When the server's certificate ends", labels=[]
        )
        moment = tls.expiry(self._settings)
        if moment is not None:
            expiry.add_metric([], moment)
        yield expiry


class TokenCollector(Collector):
    """Who still uses a token that was replaced; the names are those of the tokens, 200 at most."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def collect(self) -> Iterator[Metric]:
        """Yield the metric."""
        family = GaugeMetricFamily(
            "tse_gateway_token_laggards",
            "Tills and addresses that came with a replaced token last, since the start",
            labels=["token"],
        )
        for name in sorted({token.name for token in self._tokens.all() if token.old}):
            family.add_metric([name], len(self._tokens.uses.laggards(name)))
        yield family


def register(registry: CollectorRegistry, settings: Settings, tokens: Tokens) -> None:
    """Add the metrics of the gateway, its tokens and its process to `registry`."""
    registry.register(GatewayCollector(settings))
    registry.register(TokenCollector(tokens))
    ProcessCollector(registry=registry)


def configuration_hash(settings: Settings) -> str:
    """Return 12 hex digits over the effective settings, without secrets and without what differs on each host."""
    shown = [f"{item.name}={item.value}" for item in effective(settings) if item.name not in {"address", "site"}]
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:_HASH_DIGITS]


@asynccontextmanager
async def monitoring(
    settings: Settings,
    context: ssl.SSLContext,
    metrics: Metrics,
    registry: Registry,
    tokens: Tokens,
    *,
    outages: OutageLog,
    admission: Admission | None = None,
) -> AsyncIterator[int | None]:
    """Serve /metrics, /healthz and /readyz on a port of their own; yield the port, `None` if there is none.

    A port that is not free is logged: it is no reason to stop the tills.
    """
    if settings.metrics_listen == "off":
        yield None
        return
    plain = settings.metrics_listen == "plain"
    required = settings.tls_client_required if settings.metrics_token is None else ()
    gatekeeper = Gatekeeper(_tokens(settings, tokens), metrics, rate=settings.guess_rate, need_certificates=required)
    app = web.Application(middlewares=[] if plain else [_guarded(gatekeeper)])
    app.add_routes(HealthHandlers(metrics, registry, outages).routes(with_metrics=True, open_metrics=plain))
    async with running(app, shutdown_timeout=1.0, admission=admission) as listener:
        yield _listen(listener, settings, None if plain else context)


def _listen(listener: Listener, settings: Settings, context: ssl.SSLContext | None) -> int | None:
    addresses = settings.metrics_bind or settings.bind
    try:
        port = listener.listen(addresses, settings.metrics_port, context)
    except ConfigurationError as error:
        log.error("metrics are not served: %s", error)  # noqa: TRY400 (the reason says all)
        return None
    log.info("metrics are served on port %d", port)
    return port


def _tokens(settings: Settings, tokens: Tokens) -> Tokens:
    if settings.metrics_token is None:
        return tokens
    present, *older = dated_tokens(settings.metrics_token.get_secret_value())
    return Tokens(Token(present.value, configured=True, older=tuple(older)))


def _guarded(gatekeeper: Gatekeeper) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path not in OPEN_PATHS:
                header = request.headers.get(hdrs.AUTHORIZATION)
                callers.identify(request, await gatekeeper.admit_request(request, header))
            return await handler(request)
        except Forbidden as error:
            return lan_errors.of_error(error)
        except Unauthorized as error:
            response = lan_errors.of_error(error)
            response.headers[hdrs.WWW_AUTHENTICATE] = _REALM
            response.force_close()  # one try a connection
            return response

    return guarded
