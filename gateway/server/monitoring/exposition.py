"""What Prometheus is told of the gateway itself, and the port that serves nothing but monitoring."""

import asyncio
import hashlib
import hmac
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

from gateway.clock.trusted import kernel_state
from gateway.config.settings import Settings, effective
from gateway.driver.usb.thread import HUNG
from gateway.errors import GatewayError, Unauthorized
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.server.http import responses, tls
from gateway.server.http.auth import Token
from gateway.server.http.middleware import OPEN_PATHS
from gateway.server.monitoring.health import Status
from gateway.telemetry.log import register_secret
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_WRONG_TOKEN_WAIT = 1.0
_HASH_DIGITS = 12


class GatewayMeasures(Collector):
    """Certificate, configuration, host, and whether this is a toy."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hash = configuration_hash(settings)

    def collect(self) -> Iterator[Metric]:
        """Reads one small file, and no TSE."""
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


def register(registry: CollectorRegistry, settings: Settings) -> None:
    """Let a scrape tell of the gateway and its process, too."""
    registry.register(GatewayMeasures(settings))
    ProcessCollector(registry=registry)


def configuration_hash(settings: Settings) -> str:
    """Of all settings as they work, secrets and what is different on each host left out."""
    shown = [f"{item.name}={item.value}" for item in effective(settings) if item.name not in {"address", "site"}]
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:_HASH_DIGITS]


@asynccontextmanager
async def monitoring(
    settings: Settings,
    context: ssl.SSLContext,
    metrics: Metrics,
    registry: Registry,
    token: Token,
    *,
    outages: OutageLog,
) -> AsyncIterator[int | None]:
    """Serve /metrics, /healthz and /readyz on a port of their own; gives the port, None when there is none.

    A port that is not free is told and no reason to stop a shop's tills.
    """
    if settings.metrics_listen == "off":
        yield None
        return
    plain = settings.metrics_listen == "plain"
    app = web.Application(middlewares=[] if plain else [_guarded(_token(settings, token), metrics)])
    app.add_routes(Status(metrics, registry, outages).routes(with_metrics=True))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield await _listen(runner, settings, None if plain else context)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: Settings, context: ssl.SSLContext | None) -> int | None:
    port = settings.metrics_port
    try:
        for address in settings.metrics_bind or settings.bind:
            await web.TCPSite(runner, str(address), port, ssl_context=context).start()
            port = port or int(runner.addresses[0][1])
    except OSError as error:
        reason = error.strerror or str(error)
        log.error("nobody can scrape port %d, it cannot be opened: %s", port, reason)  # noqa: TRY400 (the reason says all)
        return None
    log.info("metrics are served on port %d", port)
    return port


def _token(settings: Settings, token: Token) -> bytes:
    if settings.metrics_token is None:
        return token.value.encode()
    value = settings.metrics_token.get_secret_value()
    register_secret(value)
    return value.encode()


def _guarded(token: bytes, metrics: Metrics) -> Middleware:
    turn = asyncio.Semaphore(4)  # wrong tokens are answered late, and only few at once

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS or hmac.compare_digest(_bearer(request), token):
            return await handler(request)
        metrics.requests.unauthorized("wrong" if hdrs.AUTHORIZATION in request.headers else "missing")
        async with turn:
            await asyncio.sleep(_WRONG_TOKEN_WAIT)
        return _refusal(Unauthorized("this port wants its bearer token"))

    return guarded


def _bearer(request: web.Request) -> bytes:
    scheme, _, rest = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return rest.strip().encode("utf-8", errors="replace") if scheme.lower() == "bearer" else b""


def _refusal(error: GatewayError) -> web.Response:
    answer = responses.refusal(error.status, error.worm_error, error.code, str(error), "")
    answer.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="TSE gateway"'
    return answer
