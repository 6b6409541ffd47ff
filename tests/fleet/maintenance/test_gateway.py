"""The whole gateway looks after its TSE: from settings to a TSE that signs."""

import asyncio
import time
from pathlib import Path

from pydantic import SecretStr

from gateway.app.gateway import Gateway, running
from gateway.config.settings import Settings
from gateway.i18n.text import NOTHING
from gateway.tse.commands import SelfTest
from tests.clock.time_server import answer_to, time_server
from tests.server.shop import settings_for
from tests.support import CLIENT, TIME_ADMIN_PIN, receipt, set_up


async def first_day(settings: Settings) -> None:
    """The TSE is set up, and a till is seen by the gateway."""
    async with running(settings) as gateway:
        device = gateway.registry.devices()[0]
        await set_up(device.command, gateway.simulators[0].serial)
        await device.command(SelfTest(CLIENT).encode())


async def ready(gateway: Gateway) -> None:
    device = gateway.registry.devices()[0]
    async with asyncio.timeout(20):
        while not device.info.valid_time:  # noqa: ASYNC110 (the upkeep has no event of its own)
            await asyncio.sleep(0.02)


async def test_a_gateway_that_starts_makes_its_tse_ready(tmp_path: Path) -> None:
    lacks = 1000.0

    def answer(packet: bytes) -> bytes:
        now = time.time() + lacks
        return answer_to(packet, received=now, sent=now)

    await first_day(settings_for(tmp_path, ntp_servers=("none",)))
    async with time_server(answer) as server:
        settings = settings_for(
            tmp_path,
            time_admin_pin=SecretStr(TIME_ADMIN_PIN.decode()),
            ntp_servers=(f"{server.host}:{server.port}",),
            keep_alive=0.05,
        )
        async with running(settings) as gateway:
            await ready(gateway)
            device = gateway.registry.devices()[0]
            signed = await receipt(device.command, device)
    synchronised = abs(signed.log_time - time.time()) < 60  # the kernel of this machine may know the time
    assert synchronised or abs(signed.log_time - time.time() - lacks) < 60
    note = (settings.state_dir / "tses" / f"{device.serial}.json").read_text()
    assert "POS-1" in note
    assert TIME_ADMIN_PIN.decode() not in note


async def test_without_a_pin_no_time_server_is_asked(tmp_path: Path) -> None:
    asked: list[bytes] = []
    async with time_server(asked.append) as server:
        settings = settings_for(tmp_path, ntp_servers=(f"{server.host}:{server.port}",), keep_alive=0.01)
        async with running(settings) as gateway:
            before = gateway.registry.devices()[0].info_read_at
            async with asyncio.timeout(5):
                while gateway.registry.devices()[0].info_read_at == before:  # noqa: ASYNC110 (the same)
                    await asyncio.sleep(0.01)
    assert asked == []


async def test_a_pin_that_was_given_before_the_set_up_is_used_after_it(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, time_admin_pin=SecretStr(TIME_ADMIN_PIN.decode()))
    async with running(settings) as gateway:
        device = gateway.registry.devices()[0]
        await set_up(device.command, gateway.simulators[0].serial)  # which logs in with the initial PIN first
        assert device.login_objection() == NOTHING
