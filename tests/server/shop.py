"""A gateway as shops run it: real TLS, real sockets, a simulated TSE; and a till to talk to it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr
from yarl import URL

from gateway.access.tokens import Tokens
from gateway.app.gateway import running
from gateway.config.settings import Settings
from gateway.fleet.registry import Registry
from gateway.server.http import tls
from gateway.simulator.device import SimulatedTse
from gateway.telemetry.metrics import Metrics

TOKEN = "test-token-0815"
BASE = "/lantse/api/v1"


@dataclass(frozen=True)
class Served:
    settings: Settings
    registry: Registry
    metrics: Metrics
    tokens: Tokens
    tse: SimulatedTse
    port: int

    @property
    def serial(self) -> str:
        return self.tse.serial.hex().upper()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def path(self, session: object, verb: str, query: str = "") -> str:
        return f"{BASE}/tse/{self.serial}/{session}/{verb}{query}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str
    json: Any


class Till:
    """One client with one kept connection."""

    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self._served = served
        self._session = session

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Answer:
        # The path goes out as it is: `//` and spelling are part of what is tested.
        async with self._session.request(method, URL(self._served.url + path, encoded=True), **options) as answer:
            text = await answer.text()
            is_json = answer.content_type in ("application/json", "application/problem+json")
            assert is_json or (path == "/metrics" and answer.status == 200)
            return Answer(answer.status, answer.headers, text, json.loads(text) if is_json else None)

    async def lock(self) -> int:
        answer = await self.ask(f"{BASE}/tse/{self._served.serial}/lock")
        assert answer.status == 200
        return int(answer.json["data"])

    async def command(self, session: int, command: bytes) -> Answer:
        body = {"data": base64.b64encode(command).decode()}
        return await self.ask(self._served.path(session, "sendCommand"), "POST", json=body)


def settings_for(tmp_path: Path, **given: Any) -> Settings:
    values: dict[str, Any] = {
        "state_dir": tmp_path / "state",
        "port": 0,
        "bind": "127.0.0.1",
        "address": "127.0.0.1",
        "api_token": SecretStr(TOKEN),
        "stop_timeout": 5,
        "ntp_servers": "none",
        "simulators": 1,
        "simulator_fresh": True,
    }
    return Settings.model_validate(values | given)


@asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Served]:
    """The whole gateway with one simulated TSE."""
    async with running(settings) as gateway:
        yield Served(settings, gateway.registry, gateway.metrics, gateway.tokens, gateway.simulators[0], gateway.port)


@asynccontextmanager
async def till_of(served: Served, **options: Any) -> AsyncIterator[Till]:
    options = {"headers": {"Authorization": aiohttp.encode_basic_auth("lantse", TOKEN)}} | options
    connector = aiohttp.TCPConnector(ssl=tls.client_context(served.settings))
    async with aiohttp.ClientSession(connector=connector, **options) as session:
        yield Till(served, session)


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something that is on its way has arrived."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 (what is waited for comes from a socket and has no event)
            await asyncio.sleep(0.005)
