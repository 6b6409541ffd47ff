"""The socket for programs of this machine: the same API, no token, and nobody else's business."""

import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest

from gateway.app.gateway import running
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.server.http import unix_socket
from tests.server.api.client import RECEIPT, make_ready
from tests.server.shop import Served, serve, settings_for


async def ask(path: Path, url: str, method: str = "GET", **options: object) -> tuple[int, object]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.request(method, f"http://gateway{url}", **options) as answer,  # type: ignore[arg-type]
    ):
        return answer.status, await answer.json(content_type=None)


def path_of(served: Served) -> Path:
    return unix_socket.socket_path(served.settings)


async def test_the_owner_signs_without_a_token(served: Served) -> None:
    await make_ready(served)
    assert stat.S_IMODE(path_of(served).stat().st_mode) == 0o600
    status, listed = await ask(path_of(served), "/api/v1/tses")
    assert (status, listed[0]["serial"]) == (200, served.serial)  # type: ignore[index]
    status, signed = await ask(path_of(served), f"/api/v1/tses/{served.serial}/sign", "POST", json=RECEIPT)
    assert (status, signed["transaction_number"]) == (200, 1)  # type: ignore[index]
    assert (await ask(path_of(served), "/healthz"))[0] == 200


async def test_another_user_is_refused_even_if_the_file_lets_him_in(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_socket, "_user_of", lambda _: os.geteuid() + 1)
    status, problem = await ask(path_of(served), "/api/v1/tses")
    assert (status, problem["code"]) == (401, "unauthorized")  # type: ignore[index]


async def test_the_kernel_tells_who_asks() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert unix_socket._user_of(here) == os.geteuid()


async def test_what_a_killed_gateway_left_is_replaced_and_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.state_dir.mkdir(parents=True)
    path = unix_socket.socket_path(settings)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with serve(settings):
        assert (await ask(path, "/api/v1/tses"))[0] == 200
    assert not path.exists()


async def test_a_second_gateway_in_the_same_state_directory_is_refused(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path)) as served:
        with pytest.raises(ConfigurationError, match="in use by another gateway"):
            async with running(settings_for(tmp_path, simulators=0)):
                pass
        assert (await ask(path_of(served), "/healthz"))[0] == 200


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, local_socket=False)) as served:
        assert not path_of(served).exists()


async def _long(tmp_path: Path) -> Settings:
    return settings_for(tmp_path, state_dir=tmp_path / ("x" * 120))


async def _taken(tmp_path: Path) -> Settings:
    settings = settings_for(tmp_path)
    settings.state_dir.mkdir(parents=True)
    unix_socket.socket_path(settings).write_text("somebody's file")
    return settings


@pytest.mark.parametrize("made", [_long, _taken])
async def test_without_its_socket_the_gateway_serves_the_tills(
    tmp_path: Path, made: object, caplog: pytest.LogCaptureFixture
) -> None:
    settings = await made(tmp_path)  # type: ignore[operator]
    async with serve(settings) as served:
        assert served.port
    assert "cannot be made" in caplog.text
    assert made is _long or unix_socket.socket_path(settings).read_text() == "somebody's file"
