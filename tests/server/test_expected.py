"""A TSE that the gateway had before its restart and that is not back yet: ask again, and do not change the request."""

from pathlib import Path

from gateway.app.gateway import running
from tests.server.api.client import RECEIPT, api_of, make_ready
from tests.server.shop import BASE, Served, serve, settings_for, till_of, until


async def test_a_known_tse_that_is_not_back_yet_is_answered_with_503(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path)) as before:
        await make_ready(before)
        await before.registry.devices()[0].read_info()
        before.registry.changed.set()
        await until((tmp_path / "state" / "outages.jsonl").exists)
    async with running(settings_for(tmp_path, simulators=0)) as after:
        away = Served(after.settings, after.registry, after.metrics, before.tse, after.port)
        async with till_of(away) as till, api_of(away) as api:
            locked = await till.ask(f"{BASE}/tse/{away.serial}/lock")
            assert (locked.status, locked.json["error"], locked.headers["Retry-After"]) == (503, 3, "1")
            assert (await till.ask(away.path(4711, "unlock"))).status == 200
            for answer in (await api.get(), await api.post("/sign", RECEIPT, key="k")):
                assert (answer.status, answer.json["code"]) == (503, "device_gone")
                assert answer.headers["Retry-After"] == "1"
            unknown = await till.ask(f"{BASE}/tse/{'00' * 32}/lock")
            assert (unknown.status, unknown.json["error"]) == (400, 24)
