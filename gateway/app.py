"""The composition root: settings in, a running gateway out, and an orderly stop."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway import __version__
from gateway.driver.base import BlockTransport, TseDriver
from gateway.driver.block import BlockDriver, Deadlines
from gateway.driver.transport import open_transport
from gateway.errors import ConfigurationError
from gateway.fleet.registry import Attachment, Registry, Rules
from gateway.metrics import Metrics
from gateway.operations.lan import LanTse
from gateway.server import application, auth, session_file, tls
from gateway.settings import Settings
from gateway.simulator.device import SimulatedTse
from gateway.simulator.profiles import profile_named
from gateway.simulator.socket import Socket

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, as tests and the command line see it."""

    settings: Settings
    registry: Registry
    metrics: Metrics
    token: auth.Token
    port: int
    simulators: tuple[SimulatedTse, ...]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that serves; at the end it finishes what was begun and lets go of the TSEs.

    Raises:
        ConfigurationError: it cannot start like this.
    """
    _prepare(settings.state_dir)
    token = auth.load_or_create_token(settings)
    context = tls.server_context(settings)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        simulators = tuple(_simulator(settings, number + 1) for number in range(settings.simulators))
        for tse in simulators:
            stack.callback(tse.close)
        registry = Registry(metrics, _rules(settings))
        stack.push_async_callback(registry.close)
        await registry.reconcile(_attachments(settings, simulators))
        lan = LanTse(registry, metrics, lock_wait=settings.lock_wait)
        web = application.build(settings, lan, registry, metrics, token)
        port = await stack.enter_async_context(application.serving(web, settings, context))
        announcer = asyncio.create_task(_announce(registry, settings, token, port))
        stack.callback(announcer.cancel)
        if not registry.devices():
            log.warning("no TSE found: the gateway waits for one and signs nothing until then")
        yield Gateway(settings, registry, metrics, token, port, simulators)
        log.info("the gateway stops")


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT, or `quit` on the terminal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as gateway:
        log.info(
            "TSE gateway %s serves on port %d with %d TSE", __version__, gateway.port, len(gateway.registry.devices())
        )
        _greet(gateway)
        with _quit_on_terminal(loop, stop.set):
            await stop.wait()


def _prepare(state_dir: Path) -> None:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"state directory {state_dir} cannot be made: {error.strerror}") from None


def _simulator(settings: Settings, number: int) -> SimulatedTse:
    directory = settings.state_dir / f"simulator-{number}"
    return SimulatedTse.open_or_create(directory, profile=profile_named(settings.simulator_profile))


def _attachments(settings: Settings, simulators: tuple[SimulatedTse, ...]) -> list[Attachment]:
    deadlines = Deadlines(command=settings.command_timeout, slow=settings.self_test_timeout)
    simulated = [
        Attachment(f"simulator-{number}", _opener(partial(Socket, tse), f"simulator-{number}", deadlines))
        for number, tse in enumerate(simulators, start=1)
    ]
    real = [
        Attachment(str(path), _opener(partial(open_transport, path), str(path), deadlines)) for path in settings.devices
    ]
    return simulated + real


def _opener(
    transport: Callable[[], BlockTransport], name: str, deadlines: Deadlines
) -> Callable[[], Awaitable[TseDriver]]:
    return partial(BlockDriver.open, transport, name=name, deadlines=deadlines)


def _rules(settings: Settings) -> Rules:
    return Rules(lock_idle=settings.lock_idle, lock_orphaned=settings.lock_orphaned)


async def _announce(registry: Registry, settings: Settings, token: auth.Token, port: int) -> None:
    while True:
        registry.changed.clear()
        tses = [device for device in registry.devices() if not device.failed.is_set()]
        try:
            session_file.write(settings, tses, token, port)
        except ConfigurationError as error:  # a full disk must not cost the next announcement
            log.warning("session.txt is out of date: %s", error)
        await registry.changed.wait()


def _greet(gateway: Gateway) -> None:
    if not sys.stdout.isatty():
        return
    settings = gateway.settings
    print(f"\n  Address   {settings.address}\n  Port      {gateway.port}\n  apiToken  {gateway.token.value}\n")  # noqa: T201
    print(f"  These three values go into the POS; they also stand in {settings.state_dir / 'session.txt'}")  # noqa: T201
    print("  Type quit to stop.\n")  # noqa: T201


@contextlib.contextmanager
def _quit_on_terminal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return

    def read() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin)
        elif line.strip().lower() == "quit":
            stop()

    loop.add_reader(sys.stdin, read)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
