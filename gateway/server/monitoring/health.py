"""What monitoring reads: health and metrics."""

import asyncio
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import ABSENT, TEXTS, lack
from gateway.server.http import responses
from gateway.telemetry.metrics import Metrics

_COMPRESSED_ELSEWHERE = 4096  # bytes; a longer body is compressed in a thread of its own


class Status:
    """Handlers that never touch a TSE, so that looking often costs no till any time."""

    def __init__(self, metrics: Metrics, registry: Registry, outages: OutageLog | None = None) -> None:
        self._metrics = metrics
        self._registry = registry
        self._outages = outages

    def routes(self, *, with_metrics: bool) -> list[web.RouteDef]:
        """All of them; what only tells of health is open to everybody."""
        found = [web.get("/healthz", self.health), web.get("/readyz", self.ready)]
        return [*found, web.get("/metrics", self.metrics)] if with_metrics else found

    async def health(self, _: web.Request) -> web.Response:
        """The gateway is alive, whatever its TSEs are."""
        return responses.ok_json({"status": "ok"})

    async def ready(self, _: web.Request) -> web.Response:
        """Can a TSE sign now? If not, 503 and why; restarting the gateway would not help."""
        lacks = {device.serial: lack(device) for device in self._registry.devices()}
        if self._outages is not None:
            lacks |= dict.fromkeys(self._outages.missing(lacks), ABSENT)
        tses = [{"serial": serial, **_state(reason)} for serial, reason in lacks.items()]
        ready = not self._registry.draining and any(tse["ready"] for tse in tses)
        reason = "the gateway stops" if self._registry.draining else "" if tses else "no TSE was found"
        answer = responses.ok_json({"ready": ready, "reason": reason, "tses": tses})
        if not ready:
            answer.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
        return answer

    async def metrics(self, request: web.Request) -> web.Response:
        """For Prometheus, which asks with `Accept`."""
        scrape = self._metrics.collected()
        body, content_type = await asyncio.to_thread(scrape.encoded, request.headers.get(hdrs.ACCEPT, ""))
        answer = web.Response(
            body=body, headers={hdrs.CONTENT_TYPE: content_type}, zlib_executor_size=_COMPRESSED_ELSEWHERE
        )
        answer.enable_compression()  # if the scraper takes it; a twentieth of the bytes goes over the line then
        return answer


def _state(reason: str) -> dict[str, object]:
    return {"ready": not reason, "code": reason, "reason": TEXTS.get(reason, "")}
