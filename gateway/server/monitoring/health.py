"""Handlers of /healthz, /readyz and /metrics."""

import asyncio
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.access.caller import MONITORS
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import ABSENT, TEXTS, lack
from gateway.server.http.callers import only
from gateway.server.http.responses import ok_json
from gateway.telemetry.metrics import Metrics

_COMPRESSED_ELSEWHERE = 4096  # bytes; a longer body is compressed in a thread of its own


class HealthHandlers:
    """Handlers that never touch a TSE, so that frequent requests cost no till any time."""

    def __init__(self, metrics: Metrics, registry: Registry, outages: OutageLog | None = None) -> None:
        self._metrics = metrics
        self._registry = registry
        self._outages = outages

    def routes(self, *, with_metrics: bool, open_metrics: bool = False) -> list[web.RouteDef]:
        """Return the routes; health and readiness need no token, and neither do `open_metrics`."""
        found = [web.get("/healthz", self.health), web.get("/readyz", self.ready)]
        metrics = self.metrics if open_metrics else only(MONITORS, self.metrics)
        return [*found, web.get("/metrics", metrics)] if with_metrics else found

    async def health(self, _: web.Request) -> web.Response:
        """Return 200: the gateway is alive, whatever state its TSEs are in."""
        return ok_json({"status": "ok"})

    async def ready(self, _: web.Request) -> web.Response:
        """Return 200 if a TSE can sign now, else 503 with the reasons; restarting the gateway would not help."""
        lacks = {device.serial: lack(device) for device in self._registry.devices()}
        if self._outages is not None:
            lacks |= dict.fromkeys(self._outages.missing(lacks), ABSENT)
        tses = [{"serial": serial, **_state(reason)} for serial, reason in lacks.items()]
        ready = not self._registry.draining and any(tse["ready"] for tse in tses)
        reason = "the gateway stops" if self._registry.draining else "" if tses else "no TSE was found"
        response = ok_json({"ready": ready, "reason": reason, "tses": tses})
        if not ready:
            response.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
        return response

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics in the format that `Accept` asks for."""
        scrape = self._metrics.collected()
        body, content_type = await asyncio.to_thread(scrape.encoded, request.headers.get(hdrs.ACCEPT, ""))
        response = web.Response(
            body=body, headers={hdrs.CONTENT_TYPE: content_type}, zlib_executor_size=_COMPRESSED_ELSEWHERE
        )
        response.enable_compression()  # if the scraper takes it; a twentieth of the bytes goes over the line then
        return response


def _state(reason: str) -> dict[str, object]:
    return {"ready": not reason, "code": reason, "reason": TEXTS.get(reason, "")}
