"""What a restart of the gateway is for those who ask again: an answer, or a while to wait."""

import asyncio
from pathlib import Path

from gateway.app.gateway import running
from gateway.tse.commands import CloseImport, OpenImport, TransactionStep
from tests.server.api.client import RECEIPT, api_of, make_ready
from tests.server.shop import BASE, Served, serve, settings_for, till_of, until
from tests.support import CLIENT


async def test_a_known_tse_that_is_not_back_yet_is_answered_with_503(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path)) as before:
        await make_ready(before)
        await before.registry.devices()[0].read_info()
        before.registry.changed.set()
        await until((tmp_path / "state" / "outages.jsonl").exists)
    async with running(settings_for(tmp_path, simulators=0)) as after:
        away = Served(after.settings, after.registry, after.metrics, after.tokens, before.tse, after.port)
        async with till_of(away) as till, api_of(away) as api:
            locked = await till.ask(f"{BASE}/tse/{away.serial}/lock")
            assert (locked.status, locked.json["error"], locked.headers["Retry-After"]) == (503, 3, "1")
            assert (await till.ask(away.path(4711, "unlock"))).status == 200
            for answer in (await api.get(), await api.post("/sign", RECEIPT, key="k")):
                assert (answer.status, answer.json["code"]) == (503, "device_gone")
                assert answer.headers["Retry-After"] == "1"
            unknown = await till.ask(f"{BASE}/tse/{'00' * 32}/lock")
            assert (unknown.status, unknown.json["error"]) == (400, 24)


async def test_a_signature_of_the_process_before_is_answered_over_the_wire(tmp_path: Path) -> None:
    start = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
    async with serve(settings_for(tmp_path)) as before, till_of(before) as till:
        await make_ready(before)
        session = await till.lock()
        assert (await till.command(session, start)).status == 200
        signed = await till.command(session, CloseImport().encode())
        assert signed.status == 200
    async with serve(settings_for(tmp_path)) as after, till_of(after) as till, api_of(after) as api:
        again = asyncio.create_task(till.command(session, CloseImport().encode()))
        assert (await api.post("/self-test", {"client_id": "POS-1"})).status == 200  # its start is a power-up
        answer = await again
        assert (answer.status, answer.json) == (200, signed.json)
        assert (await till.ask(after.path(session, "unlock"))).status == 200
