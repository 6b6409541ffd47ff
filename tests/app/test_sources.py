"""Where TSEs come from, end to end: a volume that is mounted while the gateway runs, and a gateway behind another."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app.gateway import running
from gateway.config.settings import load
from gateway.errors import ConfigurationError
from gateway.fleet.registry import Registry
from gateway.simulator.device import SimulatedTse
from gateway.volume.mount import mounted
from tests.lan_client import LanClient
from tests.needs import FUSE
from tests.support import receipt, set_up

HERE: dict[str, Any] = {"port": 0, "bind": "127.0.0.1", "address": "127.0.0.1"}


async def until_ready(registry: Registry, serial: str) -> None:
    async with asyncio.timeout(20):
        while not any(device.serial == serial and not device.failed.is_set() for device in registry.devices()):
            registry.changed.clear()
            await registry.changed.wait()


async def test_a_tse_behind_another_gateway_signs(tmp_path: Path) -> None:
    behind = load({}, state_dir=tmp_path / "behind", simulators=1, simulator_fresh=True, **HERE)
    async with running(behind) as far:
        token_file = tmp_path / "token"
        token_file.write_text(far.token.value)
        upstream = {
            "url": f"https://127.0.0.1:{far.port}",
            "token_file": str(token_file),
            "ca_file": str(tmp_path / "behind" / "tls" / "ca.pem"),
        }
        config = tmp_path / "gateway.toml"
        lines = [f'{name} = "{value}"' for name, value in upstream.items()]
        config.write_text("\n".join(["discover = false", "[[upstreams]]", *lines]))
        front = load({}, config, state_dir=tmp_path / "front", **HERE)
        async with running(front) as near:
            serial = far.simulators[0].serial
            await until_ready(near.registry, serial.hex().upper())
            client = LanClient(near.port, near.token.value)
            await client.select()
            async with client.locked():
                await set_up(client.send_command, serial)
            async with client.locked():
                signed = await receipt(client.send_command, client)
            await client.close()
            assert near.registry.devices()[0].place == f"127.0.0.1:{far.port}"
        assert far.registry.devices()[0].info.serial == signed.serial


@FUSE
async def test_a_volume_that_is_mounted_later_is_found_by_its_content(tmp_path: Path) -> None:
    tse = SimulatedTse.create(tmp_path / "tse", durable=False)
    place = tmp_path / "volume"
    place.mkdir()
    settings = load({}, state_dir=tmp_path / "state", devices=str(place), rescan=1, **HERE)
    async with running(settings) as gateway:
        assert gateway.registry.devices() == []
        with mounted(tse, place):
            await until_ready(gateway.registry, tse.serial.hex().upper())
            client = LanClient(gateway.port, gateway.token.value)
            await client.select()
            async with client.locked():
                await set_up(client.send_command, tse.serial)
                await receipt(client.send_command, client)
            await client.close()
        async with asyncio.timeout(20):
            await gateway.registry.devices()[0].failed.wait()
    tse.close()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("[[upstreams]]\nurl = 'https://x'", "token"),
        ("[[upstreams]]\nurl = 'https://x'\ntoken = 't'\ntokn = 't'", "tokn"),
        ("[[upstreams]]\nurl = 'https://x'\ntoken_file = '/nowhere'", "cannot be read"),
        ("upstreams = 'x'", "JSON"),
    ],
)
def test_a_wrong_upstream_is_told(tmp_path: Path, given: str, says: str) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(given)
    with pytest.raises(ConfigurationError, match=says):
        load({}, config)
