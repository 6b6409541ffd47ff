"""A gateway that runs in a thread of its own, as commands find one that runs already; and a way to call commands."""

import asyncio
import shlex
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from typer.testing import CliRunner

from gateway.app import gateway as app
from gateway.app.gateway import Gateway
from gateway.cli.commands import app as commands
from gateway.config.settings import Settings, load
from gateway.errors import GatewayError
from tests.clock.time_server import answer_to, time_server
from tests.support import receipt, set_up

T = TypeVar("T")

SECRETS = {
    "admin_pin": "12345",
    "time_admin_pin": "98765",
    "puk": "123456",
    "new_pin": "54321",
    "new_puk": "654321",
    "seed": "SwissbitSwissbit",
}


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str


def call(line: str, environment: dict[str, str], typed: str = "") -> Said:
    """Run a command line (the part behind `tse-gateway`) in this process."""
    result = CliRunner().invoke(commands, shlex.split(line), env={"COLUMNS": "200", **environment}, input=typed)
    if isinstance(result.exception, GatewayError):  # as `main` tells it
        return Said(1, result.stdout, f"{result.stderr}tse-gateway: {result.exception}\n")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


@dataclass
class Running:
    """A running gateway."""

    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def serial(self) -> str:
        return self.gateway.simulators[0].serial.hex().upper()

    def call(self, line: str, typed: str = "", **environment: str) -> Said:
        return call(line, self.environment | environment, typed)

    def do(self, work: Callable[[Gateway], Awaitable[T]]) -> T:
        """Something in the gateway's own loop."""

        async def done() -> T:
            return await work(self.gateway)

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(30)


def settings_of(state_dir: Path, **given: Any) -> Settings:
    values: dict[str, Any] = {
        "port": 0,
        "bind": "127.0.0.1",
        "address": "127.0.0.1",
        "simulators": 1,
        "simulator_fresh": True,
        "ntp_servers": "none",
    }
    return load({}, None, **{**values, **given, "state_dir": state_dir})


@contextmanager
def running(settings: Settings, *, knows_time: bool = True) -> Iterator[Running]:
    """From here to the end of the block; `knows_time`: a time server vouches for the gateway's clock."""
    up, end = threading.Event(), asyncio.Event()
    made: list[Running] = []
    trouble: list[BaseException] = []

    async def live() -> None:
        try:
            async with time_server(right_time) as server:
                asked = (f"{server.host}:{server.port}",) if knows_time else ()
                async with app.running(settings.model_copy(update={"ntp_servers": asked})) as gateway:
                    environment = environment_of(settings, gateway.port)
                    made.append(Running(gateway, asyncio.get_running_loop(), environment))
                    up.set()
                    await end.wait()
        except BaseException as error:
            trouble.append(error)
            raise
        finally:
            up.set()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    try:
        assert up.wait(30)
        assert made, trouble
        yield made[0]
    finally:
        if made:
            made[0].loop.call_soon_threadsafe(end.set)
        thread.join(30)


def right_time(question: bytes) -> bytes:
    """A time server that knows it."""
    return answer_to(question, received=time.time(), sent=time.time())


def environment_of(settings: Settings, port: int) -> dict[str, str]:
    """By which commands find this gateway."""
    return {
        "GATEWAY_STATE_DIR": str(settings.state_dir),
        "GATEWAY_PORT": str(port),
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_ADDRESS": "127.0.0.1",
        "GATEWAY_SIMULATORS": str(settings.simulators),
        "GATEWAY_SIMULATOR_FRESH": str(settings.simulator_fresh),
        "GATEWAY_NTP_SERVERS": "none",
    }


async def make_ready(gateway: Gateway, number: int = 0) -> None:
    """Set a TSE up with the PINs of SECRETS, and sign one receipt."""
    device = next(
        device for device in gateway.registry.devices() if device.info.serial == gateway.simulators[number].serial
    )
    await set_up(device.command, gateway.simulators[number].serial, now=int(time.time()))
    await receipt(device.command, device)
    await device.read_info()


async def pull(gateway: Gateway, number: int = 0) -> None:
    """A TSE is pulled, and somebody asks it."""
    tse = gateway.simulators[number]
    device = gateway.registry.find(tse.serial.hex())
    tse.faults.set("unplugged")
    with suppress(GatewayError):
        await device.read_info()
    await device.failed.wait()


def write_secrets(directory: Path) -> None:
    for name, value in SECRETS.items():
        (directory / name).write_text(f"{value}\n")
