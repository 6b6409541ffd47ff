"""Which TSEs there are: one task per attachment opens it, looks after it, and opens it again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.driver.base import TseDriver
from gateway.errors import DeviceError, DeviceGone, ProtocolError, UnknownDevice
from gateway.fleet import upkeep
from gateway.fleet.device import Device
from gateway.metrics import Metrics
from gateway.tse.info import TseInfo

log = logging.getLogger(__name__)

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A place where a TSE is, or may come: how people call it, and how it is opened."""

    place: str
    open: Callable[[], Awaitable[TseDriver]]


@dataclass(frozen=True, slots=True)
class Rules:
    """Times that apply to every TSE, in seconds."""

    lock_idle: float = 90.0
    lock_orphaned: float = 10.0
    refresh: float = 5.0


class Registry:
    """Serial to `Device`; `changed` is set whenever the set of TSEs is another one."""

    def __init__(self, attachments: Sequence[Attachment], metrics: Metrics, rules: Rules | None = None) -> None:
        self._attachments = attachments
        self._metrics = metrics
        self._rules = rules or Rules()
        self._devices: dict[str, Device] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._tried: dict[str, asyncio.Event] = {item.place: asyncio.Event() for item in attachments}
        self.changed = asyncio.Event()

    async def start(self) -> None:
        """Begin to look after all attachments; returns when each was tried once."""
        for attachment in self._attachments:
            self._tasks.append(asyncio.create_task(self._attend(attachment), name=f"tse {attachment.place}"))
        for tried in self._tried.values():
            await tried.wait()

    async def close(self) -> None:
        """Stop looking after them and close every TSE; a running command is waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(device.close() for device in self._devices.values()))

    def devices(self) -> list[Device]:
        """All TSEs that were ever opened, failed ones too, by serial."""
        return [self._devices[serial] for serial in sorted(self._devices)]

    def find(self, serial: str) -> Device:
        """The TSE with this serial, upper or lower case.

        Raises:
            UnknownDevice: there is none, or the serial is empty.
        """
        device = self._devices.get(serial.upper())
        if device is None:
            raise UnknownDevice(f"no TSE with serial {serial[:64]!r} here" if serial else "no TSE selected")
        return device

    async def _attend(self, attachment: Attachment) -> None:
        while True:
            device = await self._opened(attachment)
            await upkeep.attend(device, refresh=self._rules.refresh)
            self.changed.set()
            await device.close_driver()

    async def _opened(self, attachment: Attachment) -> Device:
        wait, told = _FIRST_WAIT, ""
        while True:
            try:
                return await self._open(attachment)
            except (DeviceError, ProtocolError) as error:
                level = logging.DEBUG if str(error) == told else logging.WARNING
                told = str(error)
                log.log(level, "no TSE at %s: %s; trying again", attachment.place, error)
            finally:
                self._tried[attachment.place].set()
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _open(self, attachment: Attachment) -> Device:
        driver = await attachment.open()
        try:
            info = TseInfo.decode(await driver.read_info())
            return await self._adopt(attachment, driver, info)
        except BaseException:
            await driver.close()
            raise

    async def _adopt(self, attachment: Attachment, driver: TseDriver, info: TseInfo) -> Device:
        known = self._devices.get(info.serial_hex)
        if known is None:
            device = Device(
                info.serial_hex,
                attachment.place,
                driver,
                info,
                metrics=self._metrics,
                lock_idle=self._rules.lock_idle,
                lock_orphaned=self._rules.lock_orphaned,
            )
            self._devices[device.serial] = device
        elif known.failed.is_set():
            device = known
            await device.renew(driver, info, attachment.place)
        else:
            raise DeviceGone(f"TSE {info.serial_hex} is attached a second time, at {known.place} already: refused")
        log.info("TSE %s is ready at %s", device.serial, attachment.place)
        self.changed.set()
        return device
