"""The TSEs of the gateway: one task per attachment opens its TSE, maintains it, and opens it again."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field

from gateway.driver.protocols import TseDriver
from gateway.errors import DeviceGone, GatewayError, UnknownDevice
from gateway.fleet.device import UNPLUGGED, BeforeSigning, Device
from gateway.fleet.lock.queue import Lease
from gateway.fleet.maintenance import scheduler
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.i18n.remedies import NOT_SIGNING
from gateway.i18n.text import Text
from gateway.tasks import Backoff
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.tse.info import TseInfo

log = logging.getLogger(__name__)

_NO_SUCH = Text("no TSE with serial {serial!r} here", "hier gibt es keine TSE mit der Seriennummer {serial!r}")
_NONE_SELECTED = Text("no TSE selected", "keine TSE gewählt")

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
_SHORT_LIVED = 10.0  # seconds; a TSE that fails sooner after its opening is opened again with growing pauses


@dataclass(frozen=True, slots=True)
class Attachment:
    """A place where a TSE is or may come; `place` is its name for people, `open` opens the TSE.

    `plug` tells one plugging-in from the next at the same place. A `shared` TSE also signs past this gateway.
    `options`, if given, say how it is maintained, unlike the others.
    """

    place: str
    open: Callable[[], Awaitable[TseDriver]] = field(compare=False)
    plug: str = ""
    shared: bool = False
    options: MaintenanceOptions | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class DeviceTimes:
    """Times that apply to every TSE, in seconds; `refresh` passes between two readings of an idle one."""

    lock_idle: float = 90.0
    lock_orphaned: float = 10.0
    lock_longest: float = math.inf
    refresh: float = 5.0
    settle_wait: float = 20.0
    late_after: float = 5.0


@dataclass(frozen=True, slots=True)
class _Supervision:
    task: "asyncio.Task[None]"
    tried: asyncio.Event


class Registry:
    """All TSEs by serial; `changed` is set whenever another set of them can be used.

    While `draining`, the gateway is about to stop and only finishes what was begun. Each of
    `before_signing`, by name, is awaited by every `Device`, also if it is added after the opening. `expected` holds
    serials in upper case that were here before and should come back.
    """

    def __init__(
        self, metrics: Metrics, times: DeviceTimes | None = None, options: MaintenanceOptions | None = None
    ) -> None:
        self._metrics = metrics
        self._times = times or DeviceTimes()
        self._options = options or MaintenanceOptions()
        self._devices: dict[str, Device] = {}
        self._supervised: dict[Attachment, _Supervision] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closing = False
        self.draining = False
        self.before_signing: dict[str, BeforeSigning] = {}
        self.expected: Collection[str] = ()
        self.changed = asyncio.Event()

    def apply(self, attachments: Iterable[Attachment]) -> None:
        """Open and maintain exactly these from now on.

        A TSE whose attachment vanished is closed: its tills are told at once that it is gone.
        """
        wanted = dict.fromkeys(attachments)
        for attachment in [known for known in self._supervised if known not in wanted]:
            task = self._supervised.pop(attachment).task
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        for attachment in wanted:
            if attachment not in self._supervised:
                tried = asyncio.Event()
                task = asyncio.create_task(self._supervise(attachment, tried), name=f"tse {attachment.place}")
                self._supervised[attachment] = _Supervision(task, tried)

    async def tried(self) -> None:
        """Wait until each attachment was tried once, and each TSE that vanished is closed."""
        if self._ending:
            await asyncio.wait(self._ending)
        await asyncio.gather(*(supervision.tried.wait() for supervision in self._supervised.values()))

    async def reconcile(self, attachments: Iterable[Attachment]) -> None:
        """`apply`, and wait until it is done."""
        self.apply(attachments)
        await self.tried()

    async def drain(self) -> None:
        """Grant no lock to anybody new; return when all who had asked before are done."""
        self.draining = True
        await asyncio.gather(*(device.lock.drain() for device in self._devices.values()))

    def refuse_waiting(self) -> None:
        """Refuse all who wait for a TSE: the gateway stops."""
        self.draining = True
        for device in self._devices.values():
            device.lock.refuse_waiting()

    async def close(self) -> None:
        """Close every TSE; a running command is waited for."""
        self._closing = True
        await asyncio.gather(*(device.close() for device in self._devices.values()))
        await self.reconcile([])

    def devices(self) -> list[Device]:
        """Return all TSEs that were ever opened, failed ones too, in the order of their serials."""
        return [self._devices[serial] for serial in sorted(self._devices)]

    def forget(self, serial: str) -> bool:
        """Drop a TSE that cannot be used, until it comes back; return false, and keep it, if it can be used."""
        device = self._devices.get(serial)
        if device is not None and not device.failed.is_set():
            return False
        self._devices.pop(serial, None)
        self.changed.set()
        return True

    def find(self, serial: str) -> Device:
        """Return the TSE with this serial, in upper or lower case.

        Raises:
            DeviceGone: it was here before this process began, and is not back yet.
            UnknownDevice: there is none with this serial, or it is empty.
        """
        device = self._devices.get(serial.upper())
        if device is None and serial.upper() in self.expected:
            raise DeviceGone(
                Text(
                    "TSE {serial} was here before and is not back yet: ask again",
                    "TSE {serial} war schon da und ist noch nicht zurück: noch einmal fragen",
                ),
                serial=serial.upper(),
            )
        if device is None:
            raise UnknownDevice(_NO_SUCH if serial else _NONE_SELECTED, serial=serial[:64])
        return device

    async def _settle(self, device: Device, lease: Lease) -> None:
        for settle in self.before_signing.values():
            await settle(device, lease)

    async def _supervise(self, attachment: Attachment, tried: asyncio.Event) -> None:
        device: Device | None = None
        backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        try:
            while not self._closing:
                device = await self._opened(attachment, tried)
                try:
                    options = attachment.options or self._options
                    await scheduler.maintain(device, options, self._metrics, refresh=self._times.refresh)
                finally:
                    await device.let_go(NOT_SIGNING[UNPLUGGED].text)
                    self.changed.set()
                if device.open_seconds >= _SHORT_LIVED:
                    backoff.reset()
                else:
                    await asyncio.sleep(backoff.next())
        finally:
            if device is not None and device.failed.is_set():  # else it is in another socket by now
                device.attached = False

    async def _opened(self, attachment: Attachment, tried: asyncio.Event) -> Device:
        backoff, told = Backoff(_FIRST_WAIT, _LONGEST_WAIT), ""
        while True:
            try:
                return await self._open(attachment)
            except GatewayError as error:
                level = logging.DEBUG if str(error) == told else logging.WARNING
                told = str(error)
                told_as = event(Event.NOT_OPENED, place=attachment.place)
                log.log(level, "no TSE at %s: %s; trying again", attachment.place, error, extra=told_as)
            finally:
                tried.set()
            await asyncio.sleep(backoff.next())

    async def _open(self, attachment: Attachment) -> Device:
        driver = await attachment.open()
        try:
            info = TseInfo.decode(await driver.read_info())
            return await self._adopt(attachment, driver, info)
        except BaseException:
            await driver.close()
            raise

    async def _adopt(self, attachment: Attachment, driver: TseDriver, info: TseInfo) -> Device:
        known, options = self._devices.get(info.serial_hex), attachment.options or self._options
        if known is None:
            device = Device(
                info.serial_hex,
                attachment.place,
                driver,
                info,
                metrics=self._metrics,
                lock_idle=self._times.lock_idle,
                lock_orphaned=self._times.lock_orphaned,
                lock_longest=self._times.lock_longest,
                settle_wait=self._times.settle_wait,
                late_after=self._times.late_after,
                memory=options.memory_of(info.serial_hex),
                pin=options.pins.of(info.serial_hex),
                known=None if attachment.shared else options.known_transactions(info.serial_hex, self._metrics),
                before_signing=self._settle,
                clock=options.monotonic,
            )
            self._devices[device.serial] = device
            if self.draining:
                device.lock.refuse_waiting()
        elif known.failed.is_set():
            device = known
            await device.renew(driver, info, attachment.place)
        else:
            raise DeviceGone(
                Text(
                    "TSE {serial} is attached a second time, at {place} already: refused",
                    "TSE {serial} ist ein zweites Mal angeschlossen, schon an {place}: abgelehnt",
                ),
                serial=info.serial_hex,
                place=known.place,
            )
        which = Event.OPENED if known is None else Event.RECOVERED
        told = event(which, device.serial, place=attachment.place)
        log.info("TSE %s is open at %s", device.serial, attachment.place, extra=told)
        self.changed.set()
        return device
