"""The health check of containers: alive or not, in one line, whatever the gateway does."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app.gateway import running
from gateway.client import healthcheck
from gateway.config.settings import load
from gateway.errors import ConfigurationError, DeviceError


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A gateway without any TSE."""
    settings = load({}, state_dir=tmp_path, port=0, bind="127.0.0.1", address="127.0.0.1", discover=False)
    async with running(settings) as gateway:
        yield gateway.port


async def ask(*arguments: str, **environment: str) -> tuple[int, str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", "healthcheck", *arguments],
        env=plain | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_without_a_tse_the_gateway_is_alive_but_not_ready(port: int) -> None:
    assert await ask(GATEWAY_PORT=str(port)) == (0, '{"status": "ok"}\n', "")
    status, _, trouble = await ask("--ready", GATEWAY_PORT=str(port))
    assert status == 1
    assert "no TSE was found" in trouble


async def test_the_configuration_file_tells_where_it_listens(port: int, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'port = {port}\nbind = ["127.0.0.1"]\n')
    assert (await ask(GATEWAY_CONFIG=str(config)))[0] == 0
    assert (await ask("--config", str(config)))[0] == 0


async def test_no_gateway_is_one_line_and_status_1(unused_tcp_port: int) -> None:
    status, told, trouble = await ask(GATEWAY_PORT=str(unused_tcp_port))
    assert (status, told) == (1, "")
    assert f"no gateway answers at 127.0.0.1, port {unused_tcp_port}" in trouble
    assert trouble.count("\n") == 1


async def test_a_gateway_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "_TIMEOUT", 0.2)
    closed = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed.wait()
        writer.transport.abort()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConfigurationError, match="timed out"):
        await asyncio.to_thread(healthcheck.ask, {"GATEWAY_PORT": str(port)})
    closed.set()
    server.close()
    await server.wait_closed()


async def test_any_other_answer_than_200_is_trouble(port: int) -> None:
    with pytest.raises(DeviceError, match="HTTP status"):
        await asyncio.to_thread(healthcheck.ask, {"GATEWAY_PORT": str(port)}, path="/lantse/api/v1/tses")


@pytest.mark.parametrize(("bind", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.5,::", "10.0.0.5")])
def test_it_asks_where_the_gateway_listens(bind: str, host: str) -> None:
    assert healthcheck._place({"GATEWAY_BIND": bind}, None) == (host, 4433)


@pytest.mark.parametrize("port", ["0", "x", "65536", "-1"])
def test_a_port_that_tells_nothing_is_refused(port: str) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_PORT"):
        healthcheck.ask({"GATEWAY_PORT": port})


@pytest.mark.parametrize("content", ["port = ", "\xff"])
def test_a_broken_configuration_file_is_told(tmp_path: Path, content: str) -> None:
    config = tmp_path / "gateway.toml"
    config.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"gateway\.toml"):
        healthcheck.ask({}, config)


def test_it_needs_the_standard_library_only() -> None:
    heavy = "[m for m in ('typer', 'pydantic', 'aiohttp') if m in sys.modules]"
    loaded = f"import sys, gateway.client.healthcheck; print({heavy})"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
