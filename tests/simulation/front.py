"""A gateway below TLS and HTTP: made as `gateway.app` makes it, and asked as `gateway.server` asks it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

from gateway.app import services
from gateway.archive.run import ArchiveOptions
from gateway.archive.schedule import ArchiveSchedule
from gateway.archive.service import ArchiveService
from gateway.clock.trusted import Clock, KernelClock
from gateway.config.pins import Pins
from gateway.config.settings import Settings, load
from gateway.errors import GatewayError
from gateway.fleet.maintenance.schedule import Night
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.outages.monitor import OutageMonitor
from gateway.fleet.registry import Attachment, DeviceTimes, Registry
from gateway.operations import history
from gateway.operations.administration import Administration
from gateway.operations.journal import JOURNAL, Journal
from gateway.operations.lan import LanTse
from gateway.operations.lan_commands import LanCommands
from gateway.operations.lan_journal import LAN_JOURNAL, LanJournal
from gateway.operations.receipt import SigningRequest
from gateway.operations.transactions import SigningResult, Transactions
from gateway.storage import state_dir
from gateway.storage.writable import WritableCheck
from gateway.tasks import beside
from gateway.telemetry.metrics import Metrics
from gateway.tse.error_numbers import number_of
from gateway.tse.logmessage import LogMessage
from gateway.tse.results import ApiError
from tests.lan_client import BASE
from tests.simulation.clock import CLOCK
from tests.simulation.loop import Process
from tests.simulation.tses import Port
from tests.support import TIME_ADMIN_PIN

T = TypeVar("T")

_FIRST_SCAN = 5.0  # seconds, as in `app.sources`
_STOP = 10.0


@dataclass(eq=False)
class Connection:
    """A TCP connection, as the gateway sees it."""

    peer: str
    token: str = "tills"
    client_id: str = ""
    alive: bool = True
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Wishes:
    """The settings that differ from shop to shop; `keep_alive` in seconds."""

    pin: bool = True
    keep_alive: float = 5.0


class Gateway(Process):
    """One process of the gateway. `defects` are errors that it did not raise on purpose."""

    def __init__(self, state: Path, wishes: Wishes, ports: Iterable[Port], defects: list[str]) -> None:
        super().__init__()
        own: dict[str, Any] = {"time_admin_pin": TIME_ADMIN_PIN.decode()} if wishes.pin else {}
        self._settings = load({}, state_dir=state, keep_alive=wishes.keep_alive, old_tills=("all",), **own)
        self._ports = ports
        self._defects = defects
        self._stopping = asyncio.Event()
        self._attached: list[Port] = []
        self.registry: Registry
        self.connections: dict[str, Connection] = {}  # by peer
        self.lan: LanTse
        self.transactions: Transactions
        self.administration: Administration
        self.monitor: OutageMonitor

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, then end in an orderly way."""
        async with self._running():
            ready()
            await self._stopping.wait()
            try:
                async with asyncio.timeout(_STOP):
                    await self.registry.drain()
            except TimeoutError:
                pass
        self.alive = False

    def stop(self) -> None:
        """Ask it to stop, as SIGTERM does."""
        self._stopping.set()

    def look_at_ports(self) -> None:
        """Notice what is plugged in now."""
        self.registry.apply(
            [Attachment(port.name, port.open, plug=str(port.plug)) for port in self._ports if port.plug]
        )

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        settings = self._settings
        async with AsyncExitStack() as stack:
            start = stack.enter_async_context
            stack.enter_context(state_dir.opened(settings.state_dir))
            metrics = Metrics()
            writable = WritableCheck(settings.state_dir, metrics.host.state_writable)
            await start(beside(state_directory=writable.run()))
            maintenance = _maintenance(settings)
            self.registry = Registry(metrics, _times(settings), maintenance)
            stack.push_async_callback(self.registry.close)
            self.look_at_ports()
            try:
                async with asyncio.timeout(_FIRST_SCAN):
                    await self.registry.tried()
            except TimeoutError:
                pass
            self.monitor = await start(services.outage_monitor(settings, self.registry, metrics))
            archives = await self._archiving(stack, metrics)
            keys, wait = Journal(settings.state_dir / JOURNAL), settings.lock_wait
            self.transactions = Transactions(self.registry, keys, metrics, lock_wait=wait, now=CLOCK.unix)
            self.administration = Administration(self.registry, lock_wait=wait, clock=maintenance.clock)
            stack.push_async_callback(self.transactions.close)
            await start(beside(unclear=self.transactions.settlement.run()))
            journal = LanJournal(self.registry, settings.state_dir / LAN_JOURNAL)
            stack.callback(journal.close)
            commands = LanCommands(translates=settings.translates_old_tills, filters=settings.filter_exports)
            self.lan = LanTse(self.registry, metrics, journal, lock_wait=wait, commands=commands)
            stack.callback(self.registry.refuse_waiting)
            stack.push_async_callback(archives.close)
            yield

    async def _archiving(self, stack: AsyncExitStack, metrics: Metrics) -> ArchiveService:
        options = ArchiveOptions(now=CLOCK.local)
        archives = ArchiveService(self.registry, metrics, self._settings.state_dir / "archive", options)
        night = Night(self._settings.archive_at, self._settings.self_test_jitter)
        schedule = ArchiveSchedule(archives, self.registry, night, local_time=CLOCK.local)
        await stack.enter_async_context(beside(archive=schedule.run()))
        return archives

    # ---- requests -------------------------------------------------------------

    async def asked(self, path: str, body: bytes, connection: Connection) -> tuple[int, bytes]:
        """A request of the LAN protocol; status and body of the answer."""
        try:
            answer = await self._lan(path.removeprefix(BASE), body, connection)
        except GatewayError as error:
            serial = path.removeprefix(f"{BASE}/tse/").partition("/")[0]
            self.monitor.refused(serial, error, connection.peer)
            return 400, json.dumps({"error": number_of(error), "error_message": str(error)}).encode()
        except Exception as error:  # noqa: BLE001 (the gateway raises none on purpose)
            self._defects.append(f"{path}: {error!r}")
            return 500, json.dumps({"error": ApiError.INVALID_STATE}).encode()
        return 200, json.dumps(answer).encode()

    async def _lan(self, path: str, body: bytes, connection: Connection) -> Any:
        way, _, question = path.partition("?")
        match way.strip("/").split("/"):
            case ["tses"]:
                return self.lan.serials()
            case ["tse", serial, "lock"]:
                return {"data": await self.lan.lock(serial, connection)}
            case ["tse", serial, session, "unlock"]:
                await self.lan.unlock(serial, int(session))
            case ["tse", serial, session, "readInfo"]:
                return _data(await self.lan.read_info(serial, int(session), connection))
            case ["tse", serial, session, "readWormStore"]:
                block, many = (int(parse_qs(question)[name][0]) for name in ("offset", "numblocks"))
                return _data(await self.lan.read_store(serial, int(session), block, many, connection))
            case ["tse", serial, session, "sendCommand"]:
                self.lan.check_session(serial, int(session))
                return _data(await self.lan.send_command(serial, int(session), _sent(body), connection))
            case ["tse", serial, session, "writeWormStore"]:
                self.lan.check_session(serial, int(session))
                block = int(parse_qs(question)["offset"][0])
                await self.lan.write_store(serial, int(session), block, _sent(body), connection)
        return {}

    async def sign(self, request: SigningRequest, key: str | None) -> SigningResult:
        """A signature of the JSON API."""
        return await self._api(request.serial, self.transactions.sign(request, key))

    async def steps_of(self, serial: str, number: int) -> list[LogMessage]:
        """The steps of a transaction, newest first, as an export by its number has them."""
        return await self._api(serial, history.steps_of(self.registry.find(serial), number))

    async def _api(self, serial: str, work: Awaitable[T]) -> T:
        try:
            return await work
        except GatewayError as error:
            self.monitor.refused(serial, error, "api")
            raise
        except Exception as error:
            self._defects.append(repr(error))
            raise


def _sent(body: bytes) -> bytes:
    return base64.b64decode(json.loads(body)["data"])


def _data(data: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(data).decode()}


def _times(settings: Settings) -> DeviceTimes:
    return DeviceTimes(
        lock_idle=settings.lock_idle,
        lock_orphaned=settings.lock_orphaned,
        refresh=settings.keep_alive,
        settle_wait=settings.lost_answer_wait,
        late_after=settings.late_after,
    )


def _maintenance(settings: Settings) -> MaintenanceOptions:
    secret = settings.time_admin_pin
    return MaintenanceOptions(
        pins=Pins(secret.get_secret_value() if secret is not None else ""),
        clock=Clock(kernel=lambda: KernelClock(synchronised=True)),
        night=Night(settings.self_test_at, settings.self_test_jitter),
        directory=settings.state_dir / "tses",
        local_time=CLOCK.local,
    )
