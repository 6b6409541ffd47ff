"""What operators and scrapers read: the TSEs as known without asking them, health, metrics."""

from aiohttp import web

from gateway.fleet.registry import Registry
from gateway.fleet.summary import summary
from gateway.metrics import Metrics
from gateway.server import answers


class Status:
    """Handlers that never touch a TSE, so that looking often costs no till any time."""

    def __init__(self, registry: Registry, metrics: Metrics) -> None:
        self._registry = registry
        self._metrics = metrics

    def routes(self, *, with_metrics: bool) -> list[web.RouteDef]:
        """All of them; /healthz is open to everybody."""
        found = [web.get("/healthz", self.health), web.get("/api/v1/tses", self.tses)]
        return [*found, web.get("/metrics", self.metrics)] if with_metrics else found

    async def health(self, _: web.Request) -> web.Response:
        return answers.ok_json({"status": "ok"})

    async def tses(self, _: web.Request) -> web.Response:
        return answers.ok_json([summary(device) for device in self._registry.devices()])

    async def metrics(self, _: web.Request) -> web.Response:
        body, content_type = self._metrics.exposition()
        return web.Response(body=body, headers={"Content-Type": content_type})
