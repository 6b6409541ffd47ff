"""A TSE and its maintenance scheduler on a clock that tests move."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.clock.trusted import Clock, KernelClock
from gateway.config.pins import Pins
from gateway.driver.usb.block import BlockDriver
from gateway.fleet.device import Device
from gateway.fleet.maintenance.scheduler import MaintenanceOptions, MaintenanceScheduler
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.factory import Make
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import LastTransaction, TransactionReply
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.support import NOW, TIME_ADMIN_PIN, export, set_up, set_up_generation_2
from tests.texts import said

HOUR = 3600.0
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Till:
    """Whoever holds the lock."""

    alive = True
    peer = token = client_id = ""


class ShopTime:
    """Seconds since noon; the same for the TSE, the gateway and the wall."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def local(self) -> datetime:
        return NOON + timedelta(seconds=self.now)

    def wall(self) -> float:
        return NOW + self.now


class Shop:
    """One TSE, set up, and a gateway that may be restarted or lose its TSE."""

    def __init__(self, tse: SimulatedTse, clock: ShopTime, metrics: Metrics, options: MaintenanceOptions) -> None:
        self.tse, self.clock, self.metrics, self.options = tse, clock, metrics, options
        self.device: Device
        self.scheduler: MaintenanceScheduler

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        pin: str = TIME_ADMIN_PIN.decode(),
        fit: bool = True,
        generation: Generation = Generation.ONE,
        **care: object,
    ) -> "Shop":
        clock = ShopTime()
        tse = SimulatedTse.create(directory / "tse", Make(generation=generation), monotonic=clock, durable=False)
        kept = {
            "pins": Pins(pin),
            "clock": Clock(kernel=lambda: KernelClock(fit), wall=clock.wall, steady=clock),
            "directory": directory / "tses",
            "local_time": clock.local,
            "monotonic": clock,
        }
        shop = cls(tse, clock, Metrics(), MaintenanceOptions(**kept | care))  # type: ignore[arg-type]
        driver = BlockDriver(SimulatedTransport(tse))
        await (set_up if generation is Generation.ONE else set_up_generation_2)(driver.send_command, tse.serial)
        await driver.close()
        tse.power_cycle()
        await shop.restart_gateway()
        return shop

    @property
    def serial(self) -> str:
        return self.tse.serial.hex().upper()

    @property
    def info(self) -> TseInfo:
        return TseInfo.decode(self.tse.read_info())

    async def restart_gateway(self) -> None:
        driver = BlockDriver(SimulatedTransport(self.tse))
        info = TseInfo.decode(await driver.read_info())
        self.device = Device(
            self.serial,
            "simulator",
            driver,
            info,
            metrics=self.metrics,
            memory=self.options.memory_of(self.serial),
            pin=self.options.pins.of(self.serial),
            clock=self.clock,
        )
        self.scheduler = MaintenanceScheduler(self.device, self.options, self.metrics, refresh=5.0)

    async def reopen(self) -> None:
        """The TSE is opened afresh, as the registry does it."""
        await self.device.let_go(said("lost"))
        driver = BlockDriver(SimulatedTransport(self.tse))
        await self.device.renew(driver, TseInfo.decode(await driver.read_info()), "simulator")
        self.scheduler = MaintenanceScheduler(self.device, self.options, self.metrics, refresh=5.0)

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """The gateway looks after its TSE all the time."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += step
            await self.scheduler.check()

    async def operations(self) -> list[str]:
        """What is in the store, by kind of message."""
        return [message.operation for message in await self.messages()]

    async def messages(self) -> list[LogMessage]:
        return [LogMessage.decode(member.data) for member in list(members(await export(self.device)))[2:]]

    async def last(self, client: bytes) -> TransactionReply:
        return TransactionReply.decode(await self.device.command(LastTransaction(client).encode()))

    def runs(self, duty: str, result: str = "ok") -> float:
        labels = {"serial": self.serial, "duty": duty, "result": result}
        return self.metrics.registry.get_sample_value("tse_upkeep_runs_total", labels) or 0.0

    async def close(self) -> None:
        await self.device.close()
        self.tse.close()
        await asyncio.sleep(0)
