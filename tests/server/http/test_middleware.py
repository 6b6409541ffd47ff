import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.access.lan_token import Token
from gateway.access.tokens import Tokens
from gateway.errors import DeviceGone
from gateway.server.http import middleware
from gateway.server.http.auth import Gatekeeper
from gateway.telemetry import log as logs
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import Login, User
from tests.server.shop import BASE, TOKEN, Served, Till, serve, settings_for, till_of
from tests.texts import said

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the gateway logs, at its most talkative."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_secrets", set())
    logs.configure("json", "TRACE", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


async def _break(_: web.Request) -> web.Response:
    raise RuntimeError("the inside of the gateway")


async def _gone(_: web.Request) -> web.Response:
    raise DeviceGone(said("unplugged"))


@asynccontextmanager
async def site(metrics: Metrics) -> AsyncIterator[str]:
    """The middlewares around handlers that fail in every way."""
    app = web.Application(
        middlewares=middleware.middlewares(metrics, Gatekeeper(Tokens(Token(TOKEN)), metrics, delay=0))
    )
    app.add_routes([web.get("/break", _break), web.get("/api/break", _break), web.get("/gone", _gone)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _got(path: str) -> tuple[str, int]:
    async with (
        site(Metrics()) as url,
        aiohttp.ClientSession(headers=BEARER) as session,
        session.get(url + path) as answer,
    ):
        return await answer.text(), answer.status


async def test_each_answer_has_a_request_id_and_a_sane_given_one_is_kept(till: Till) -> None:
    first, second = await till.ask("/healthz"), await till.ask("/healthz")
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    kept = await till.ask(f"{BASE}/tse//lock", headers={"X-Request-ID": "till-1.2_3"})
    assert kept.headers["X-Request-ID"] == kept.json["request_id"] == "till-1.2_3"
    for senseless in ("a b", "x" * 65, "<script>", ""):
        answer = await till.ask("/healthz", headers={"X-Request-ID": senseless})
        assert answer.headers["X-Request-ID"] != senseless


async def test_an_unexpected_error_is_logged_whole_and_told_without_its_inside(lines: io.StringIO) -> None:
    text, status = await _got("/break")
    body = json.loads(text)
    assert (status, body["error"], body["error_name"]) == (500, 23, "internal_error")
    assert "inside" not in text
    assert "Traceback" not in text
    found = [json.loads(line) for line in lines.getvalue().splitlines() if "the inside of the gateway" in line]
    assert [line["request_id"] for line in found] == [body["request_id"]]


async def test_an_error_of_a_tse_is_told_with_its_number_and_status() -> None:
    text, status = await _got("/gone")
    body = json.loads(text)
    assert (status, body["error"], body["error_name"]) == (503, 3, "device_gone")
    assert body["error_message"] == "unplugged"


async def test_errors_of_the_http_library_are_json_too(till: Till) -> None:
    answer = await till.ask("/nothing")
    assert (answer.status, answer.json["error"], answer.json["error_name"]) == (404, 1, "not_found")
    answer = await till.ask("/healthz", "DELETE")
    assert (answer.status, answer.json["error_name"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET,HEAD"


async def test_under_api_an_unexpected_error_is_a_problem_without_its_inside(lines: io.StringIO) -> None:
    text, status = await _got("/api/break")
    assert (status, json.loads(text)["code"]) == (500, "internal_error")
    assert "inside" not in text
    assert "the inside of the gateway" in lines.getvalue()


async def test_answered_requests_are_counted_by_the_pattern_of_their_path(served: Served, till: Till) -> None:
    await till.ask(f"{BASE}/tse/secret-in-a-path/lock")
    await till.ask("/secret/path")
    text = (await till.ask("/metrics")).text
    assert 'route="/lantse/api/v1/tse/{serial}/lock",status="400"} 1.0' in text
    assert 'route="unmatched",status="404"} 1.0' in text
    assert "secret" not in text


async def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, metrics=False)) as served, till_of(served) as till:
        assert (await till.ask("/metrics")).status == 404


async def test_the_status_of_all_tses_is_told(served: Served, till: Till) -> None:
    (tse,) = (await till.ask("/api/v1/tses")).json
    assert tse["serial"] == served.serial
    assert (tse["state"], tse["code"]) == ("not_ready", "not_set_up")


async def test_no_secret_is_ever_logged(lines: io.StringIO, tmp_path: Path) -> None:
    wrong = aiohttp.encode_basic_auth("lantse", "wr0ng-token")
    async with serve(settings_for(tmp_path)) as served, till_of(served) as till:
        session = await till.lock()
        await till.command(session, Login(User.ADMIN, b"31337").encode())
        await till.ask(served.path(session, "readInfo", f"?apiToken={TOKEN}"))
        await till.ask(f"/nothing/{TOKEN}")
        async with till_of(served, headers={"Authorization": wrong}) as other:
            assert (await other.ask(f"{BASE}/tses")).status == 401
    logged = lines.getvalue()
    assert logged.count("/readInfo") == 1
    key = (served.settings.state_dir / "tls" / "ca-key.pem").read_text().splitlines()[1]
    right = aiohttp.encode_basic_auth("lantse", TOKEN).split()[1]
    for secret in (TOKEN, right, "wr0ng-token", wrong.split()[1], "31337", "3331333337", str(session), key):
        assert secret not in logged


async def test_log_lines_tell_the_tse_and_no_invention_of_a_client(lines: io.StringIO, tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path)) as served, till_of(served) as till:
        await till.ask(f"{BASE}/tse/{served.serial.lower()}/lock", headers={"X-Request-ID": "one"})
        await till.ask(f"{BASE}/tse/x%0Ainvented/lock", headers={"X-Request-ID": "two"})
    told = {line.get("request_id"): line.get("serial") for line in map(json.loads, lines.getvalue().splitlines())}
    assert (told["one"], told["two"]) == (served.serial, None)
