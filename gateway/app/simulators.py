"""The simulated TSEs of the settings: unless they are to stay fresh, they are set up and kept ready with known PINs."""

import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.clock.trusted import Clock, KernelClock
from gateway.config.pins import Pins
from gateway.config.settings import Settings
from gateway.driver.usb.block import BlockDriver
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.operations.exclusive import exclusive
from gateway.operations.setup import Setup, put_into_service
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.factory import Make
from gateway.simulator.profiles import profile_named
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import User
from gateway.tse.credentials import RETAIL_SEED
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle, TseInfo

log = logging.getLogger(__name__)

CLIENT = "POS-1"
# No secrets: they stand in docs/developers/simulator.md.
PUK, ADMIN_PIN, TIME_ADMIN_PIN = b"333333", b"11111", b"22222"
_SETUP = Setup(RETAIL_SEED, PUK, ADMIN_PIN, TIME_ADMIN_PIN, (CLIENT.encode(),))


@asynccontextmanager
async def opened(
    settings: Settings, monotonic: Callable[[], float] = time.monotonic
) -> AsyncIterator[tuple[SimulatedTse, ...]]:
    """Open the simulated TSEs, made and set up if they are not there yet; `monotonic` tells seconds."""
    async with AsyncExitStack() as stack:
        made = []
        for number in range(1, settings.simulators + 1):
            directory = settings.state_dir / f"simulator-{number}"
            make = Make(generation=Generation(settings.simulator_generation))
            if not settings.simulator_fresh:
                await _set_up(directory, make)
            profile = profile_named(settings.simulator_profile)
            made.append(SimulatedTse.open_or_create(directory, make, profile=profile, monotonic=monotonic))
            stack.callback(made[-1].close)
        yield tuple(made)


def maintenance_of(tse: SimulatedTse, options: MaintenanceOptions) -> MaintenanceOptions | None:
    """Return how a TSE with the known PIN is maintained, by any clock; `None`, as all others, with another PIN."""
    if not tse.has_pin(User.TIME_ADMIN, TIME_ADMIN_PIN):
        return None
    clock = Clock(kernel=lambda: KernelClock(synchronised=True))
    pins = Pins(TIME_ADMIN_PIN.decode())
    return replace(options, pins=pins, clock=clock, client_id=options.client_id or CLIENT)


async def _set_up(directory: Path, make: Make) -> None:
    """Put the TSE in `directory` into service as its factory might, in no time; one that was before stays as it is."""
    tse = SimulatedTse.open_or_create(directory, make)
    try:
        if tse.lifecycle == Lifecycle.UNINITIALIZED:
            await _put_into_service(tse, directory.name)
    except GatewayError as error:  # a fault, or somebody began with other PINs: the gateway starts all the same
        log.warning("the simulated TSE in %s could not be set up: %s", directory, error)
    finally:
        tse.close()


async def _put_into_service(tse: SimulatedTse, place: str) -> None:
    driver = BlockDriver(SimulatedTransport(tse))
    try:
        info = TseInfo.decode(await driver.read_info())
        device = Device(info.serial_hex, place, driver, info, metrics=Metrics())
        async with exclusive(device, 0) as held:
            await put_into_service(held, info, _SETUP, lambda: math.floor(time.time()))
    finally:
        await driver.close()
