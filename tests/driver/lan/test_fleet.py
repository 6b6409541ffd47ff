"""TSEs of an upstream in the fleet: they appear, are served, and come back by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.driver.lan.driver import LanDriver
from gateway.driver.lan.upstream import Upstream
from gateway.driver.protocols import TseDriver
from gateway.fleet.device import Device
from gateway.fleet.registry import Attachment, DeviceTimes, Registry
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import LastTransaction, TransactionReply, TransactionStep
from gateway.tse.tar import members
from tests.driver.lan.upstreams import TOKEN, Served, gateway_over, gateway_with
from tests.lan_client import LanClient, LanError
from tests.support import CLIENT, export, set_up


def attachment(upstream: Upstream, serial: str) -> Attachment:
    async def opened() -> TseDriver:
        return LanDriver(upstream, serial)

    return Attachment(upstream.place, opened, plug=serial)


@pytest.fixture
async def upstream_gateway(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[Served]:
    async with gateway_over(tse, tmp_path / "upstream") as running:
        device = running.registry.devices()[0]
        await set_up(device.command, tse.serial)
        yield running


@pytest.fixture
async def served(upstream_gateway: Served, tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway whose only TSE is that of the other gateway."""
    upstream = upstream_gateway.upstream()
    attachments = [attachment(upstream, serial) for serial in await upstream.serials()]
    async with gateway_with(attachments, tmp_path / "downstream") as running:
        yield running


@asynccontextmanager
async def client_of(served: Served) -> AsyncIterator[LanClient]:
    client = LanClient(served.port, TOKEN)
    await client.select()
    yield client
    await client.close()


async def receipt(client: LanClient) -> TransactionReply:
    async with client.locked():
        started = await client.sign(TransactionStep.START, CLIENT, 0, b"", b"")
    async with client.locked():
        return await client.sign(
            TransactionStep.FINISH, CLIENT, started.transaction_number, b"Beleg^1.00", b"Kassenbeleg-V1"
        )


async def ready_again(registry: Registry, device: Device) -> None:
    """Wait until the fleet has opened the TSE again."""
    async with asyncio.timeout(15):
        while device.failed.is_set():
            registry.changed.clear()
            await registry.changed.wait()


async def test_tills_at_both_gateways_sign_with_one_tse(served: Served, upstream_gateway: Served) -> None:
    async with client_of(served) as near, client_of(upstream_gateway) as far:
        assert near.serial == far.serial

        async def sell(client: LanClient) -> list[int]:
            return [(await receipt(client)).signature_counter for _ in range(8)]

        first, second = await asyncio.gather(sell(near), sell(far))
        assert len(set(first) | set(second)) == 16
        async with near.locked():
            names = [item.name for item in members(await export(near))]
        assert sum("_Log-Tra_" in name for name in names) == 32


async def test_an_upstream_that_restarts_is_reached_again(tse: SimulatedTse, tmp_path: Path) -> None:
    async with AsyncExitStack() as first_life, AsyncExitStack() as stack:
        first = await first_life.enter_async_context(gateway_over(tse, tmp_path / "upstream"))
        await set_up(first.registry.devices()[0].command, tse.serial)
        attachments = [attachment(first.upstream(), tse.serial.hex())]
        downstream = gateway_with(attachments, tmp_path / "downstream", DeviceTimes(refresh=0.05))
        served = await stack.enter_async_context(downstream)
        client = await stack.enter_async_context(client_of(served))
        signed = await receipt(client)
        await first_life.aclose()
        device = served.registry.devices()[0]
        async with asyncio.timeout(10):
            await device.failed.wait()
        with pytest.raises(LanError) as refused:
            await receipt(client)
        assert refused.value.number == 3
        await stack.enter_async_context(gateway_over(tse, tmp_path / "upstream", port=first.port))
        await ready_again(served.registry, device)
        async with client.locked():
            last = TransactionReply.decode(await client.send_command(LastTransaction(CLIENT).encode()))
        assert last == signed
        assert (await receipt(client)).signature_counter == signed.signature_counter + 2


async def test_a_wrong_token_is_told(
    upstream_gateway: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serial = upstream_gateway.registry.devices()[0].serial
    wrong = Upstream(upstream_gateway.url, SecretStr("wrong-token"), ca_file=upstream_gateway.ca_file)
    attachments = [attachment(wrong, serial)]
    async with gateway_with(attachments, tmp_path / "downstream") as served:
        assert served.registry.devices() == []
    assert "refused our token: set its token" in caplog.text


async def test_tses_arrive_and_stay(tmp_path: Path, upstream_gateway: Served, tse: SimulatedTse) -> None:
    upstream = upstream_gateway.upstream()
    arrivals = upstream.discover(every=0.01)
    async with asyncio.timeout(10):
        assert await anext(arrivals) == {tse.serial.hex().upper()}
        await upstream_gateway.registry.reconcile([])
        nothing_new = asyncio.ensure_future(anext(arrivals))
        done, _ = await asyncio.wait({nothing_new}, timeout=0.2)
        assert not done
    nothing_new.cancel()
    await asyncio.gather(nothing_new, return_exceptions=True)
    await arrivals.aclose()


async def test_an_upstream_that_comes_later_is_found(
    tse: SimulatedTse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway_over(tse, tmp_path / "upstream") as first:
        upstream, port = first.upstream(), first.port
    arrivals = upstream.discover(every=0.05)
    waiting = asyncio.ensure_future(anext(arrivals))
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    async with asyncio.timeout(10), gateway_over(tse, tmp_path / "upstream", port=port):
        assert await waiting == {tse.serial.hex().upper()}
    await arrivals.aclose()
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
