"""Tills of the LAN protocol, clients of the JSON API and exports share a TSE, and none starves another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.fleet.maintenance.flash_health import FlashHealthMonitor
from gateway.operations.store import PatientReader
from gateway.tse.commands import AcknowledgeExport, DeleteStoredData, Login, TransactionStep, User
from gateway.tse.info import TseInfo
from gateway.tse.results import Result
from tests.lan_client import LanClient, LanError
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import TOKEN, Served, serve, settings_for, until
from tests.support import ADMIN_PIN, CLIENT, export, receipt


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served)
    async with api_of(served) as made:
        yield made


@pytest.fixture
async def lan(api: Api) -> AsyncIterator[LanClient]:
    client = LanClient(api.served.port, TOKEN)
    await client.select()
    yield client
    await client.close()


async def test_a_client_of_the_api_waits_for_the_lock_of_a_till(api: Api, lan: LanClient) -> None:
    device = api.served.registry.devices()[0]
    async with lan.locked():
        waiting = asyncio.create_task(api.post("/sign", RECEIPT))
        await until(lambda: device.lock.waiting_clients == 1)
        first = await lan.sign(TransactionStep.START, CLIENT, 0, b"", b"")
    answer = (await waiting).json
    assert answer["signature_counter"] == first.signature_counter + 2


async def test_after_its_patience_a_client_is_told_that_others_hold_the_tse(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, lock_wait=0.2)) as served, api_of(served) as api:
        await make_ready(served)
        lan = LanClient(served.port, TOKEN)
        await lan.select()
        async with lan.locked():
            answer = await api.post("/sign", RECEIPT, key="k")
        await lan.close()
        assert (answer.status, answer.json["code"]) == (503, "lock_refused")
        assert (await api.post("/sign", RECEIPT, key="k")).json["transaction_number"] == 1


async def test_tills_of_both_kinds_take_turns(api: Api, lan: LanClient) -> None:
    mine: list[int] = []
    theirs: list[int] = []

    async def sell_by_api() -> None:
        mine.extend([(await api.post("/sign", RECEIPT)).json["signature_counter"] for _ in range(10)])

    async def sell_by_lan() -> None:
        for _ in range(10):
            async with lan.locked():
                started = await lan.sign(TransactionStep.START, CLIENT, 0, b"", b"")
                finished = await lan.sign(TransactionStep.FINISH, CLIENT, started.transaction_number, b"", b"x")
            theirs.append(finished.signature_counter)

    await asyncio.gather(sell_by_api(), sell_by_lan())
    assert len(set(mine + theirs)) == 20
    assert min(theirs) < mine[5]
    assert min(mine) < theirs[5]


async def test_while_an_export_runs_tills_sell(api: Api) -> None:
    device = api.served.registry.devices()[0]
    more_than_sockets_buffer = b"x" * 16_000_000
    await receipt(device.command, device, data=more_than_sockets_buffer)
    whole = await export(device)
    async with api.opened("/export") as answer:
        begin = await answer.content.readexactly(512)
        assert (await api.post("/sign", RECEIPT)).status == 200
        assert begin + await answer.read() == whole


async def test_while_a_client_of_the_lan_exports_under_its_lock_tills_of_both_kinds_sell(
    api: Api, lan: LanClient
) -> None:
    """As the vendor's library exports: under one lock, by a length that it was told at the beginning."""
    device = api.served.registry.devices()[0]
    for _ in range(40):
        await receipt(device.command, device, data=b"x" * 3000)
    before = await export(device)
    other = LanClient(api.served.port, TOKEN)
    await other.select()
    exported = b""
    async with lan.locked():
        await lan.read_info()
        blocks = TseInfo.decode(await lan.read_info()).used_blocks + 2
        for number, first in enumerate(range(0, blocks, 32)):
            exported += await lan.read_store(first, min(32, blocks - first))
            if number == 2:
                assert (await api.post("/sign", RECEIPT)).status == 200
            if number == 3:
                async with other.locked():
                    started = await other.sign(TransactionStep.START, CLIENT, 0, b"", b"")
                    exported += await lan.read_store(first + 32, 32)
                    await other.sign(TransactionStep.FINISH, CLIENT, started.transaction_number, b"", b"x")
                exported = exported[: -32 * 512]
        await lan.send_command(AcknowledgeExport(blocks * 512).encode())
    await other.close()
    assert exported == before
    async with lan.locked():
        await lan.send_command(Login(User.ADMIN, ADMIN_PIN).encode())
        with pytest.raises(LanError) as refused:  # what was sold meanwhile is not exported yet
            await lan.send_command(DeleteStoredData().encode())
        assert refused.value.number in {Result.UNACKNOWLEDGED_DATA, Result.TSE_HAS_OPEN_TRANSACTIONS}


async def test_a_reader_that_wants_to_sign_waits_until_the_till_before_it_is_done(api: Api, lan: LanClient) -> None:
    other = LanClient(api.served.port, TOKEN)
    await other.select()
    async with lan.locked():
        await lan.read_info()
        for block in range(2):
            await lan.read_store(block, 1)
        async with other.locked():
            signing = asyncio.create_task(lan.sign(TransactionStep.START, CLIENT, 0, b"", b""))
            first = await other.sign(TransactionStep.START, CLIENT, 0, b"", b"")
            assert not signing.done()
        assert (await signing).transaction_number == first.transaction_number + 1
    await other.close()


async def test_who_reads_what_is_deleted_is_told(api: Api, lan: LanClient) -> None:
    device = api.served.registry.devices()[0]
    async with lan.locked():
        await lan.read_info()
        for block in range(2):
            await lan.read_store(block, 1)
        other = LanClient(api.served.port, TOKEN)
        await other.select()
        async with other.locked():
            await other.send_command(Login(User.ADMIN, ADMIN_PIN).encode())
            await other.send_command(AcknowledgeExport((await _used(other)) * 512 + 1024).encode())
            await other.send_command(DeleteStoredData().encode())
        with pytest.raises(LanError) as over:
            await lan.read_store(2, 1)
        assert over.value.number == 22
    await other.close()
    assert device.lock.lease is None


async def _used(lan: LanClient) -> int:
    return TseInfo.decode(await lan.read_info()).used_blocks


async def test_a_chunk_of_an_export_waits_for_the_sale_under_way(api: Api) -> None:
    device = api.served.registry.devices()[0]
    source, till = PatientReader(device), FlashHealthMonitor(api.served.registry)
    lease = await device.lock.acquire(till, 1)
    with device.lock.use(lease.session, till):
        chunk = asyncio.create_task(source.read_store(0, 1))
        await device.read_info()  # has its turn; the chunk asked first
        assert not chunk.done()
    device.lock.release(lease.session)
    assert len(await chunk) == 512


async def test_it_does_not_wait_for_who_only_holds_the_lock_or_for_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = api.served.registry.devices()[0]
    till = FlashHealthMonitor(api.served.registry)
    lease = await device.lock.acquire(till, 1)
    lease.touched -= 60
    monkeypatch.setattr("gateway.fleet.lock.lock._COURTESY", 600)
    async with asyncio.timeout(20):
        await PatientReader(device).read_store(0, 1)
        with device.lock.use(lease.session, till):
            await PatientReader(device, lease).read_store(0, 1)
    monkeypatch.setattr("gateway.fleet.lock.lock._COURTESY", 0.01)
    with device.lock.use(lease.session, till):  # something that takes long: the export goes on all the same
        assert len(await PatientReader(device).read_store(0, 1)) == 512
    device.lock.release(lease.session)


async def test_while_the_tse_is_away_everybody_is_told_at_once_and_nothing_is_signed_later(
    api: Api, lan: LanClient
) -> None:
    device = api.served.registry.devices()[0]
    await api.post("/sign", RECEIPT)
    signed = api.served.tse._core.state.signature_counter
    api.served.tse.faults.set("unplugged")
    async with asyncio.timeout(10):
        for path, body in (
            ("/sign", RECEIPT),
            ("/transactions/1/update", RECEIPT),
            ("/self-test", {"client_id": "POS-1"}),
        ):
            refused = await api.post(path, body, key="k" if path == "/sign" else None)
            assert (refused.status, refused.json["code"]) == (503, "device_gone")
            assert refused.json["detail"]
        for path in ("/export", "/health", "/certificates"):
            assert (await api.get(path)).status == 503
        with pytest.raises(LanError) as gone:
            async with lan.locked():
                pytest.fail("nobody gets the lock of a TSE that is away")
        assert gone.value.number == 3
        assert (await api.get()).json["state"] == "failed"
    api.served.tse.faults.clear()
    await until(lambda: not device.failed.is_set())
    await device.read_info()
    assert api.served.tse._core.state.signature_counter == signed
