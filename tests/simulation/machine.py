"""The machine of a shop: a gateway, its disk, its USB ports, its network, and the ways in which they fail."""

import asyncio
import errno
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.errors import ConfigurationError
from gateway.tse.fields import Generation
from tests.simulation.disk import Disk
from tests.simulation.front import Gateway, Wishes
from tests.simulation.loop import Killed, SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.trace import Trace
from tests.simulation.tses import Port, made

_START = 1.0, 5.0  # seconds of a gateway
_BOOT = 10.0, 40.0  # of the machine
_AGAIN = 5.0  # after a start that failed
_NOTICED = 0.2, 1.5  # seconds until somebody looks at the ports


@dataclass
class _Doom:
    """The gateway is killed at its `disk`th call to the disk or its `tse`th access to a TSE, whichever comes first."""

    disk: int
    tse: int
    power: bool


class Machine:
    """`chance` decides what of unsynced data outlasts a power cut, and how long everything takes."""

    def __init__(
        self,
        directory: Path,
        chance: Random,
        trace: Trace,
        network: Network,
        wishes: Wishes,
        loop: SimulatedLoop,
    ) -> None:
        self._loop = loop
        self._directory = directory
        self._chance = chance
        self._trace = trace
        self._wishes = wishes
        self.network = network
        self.ports: list[Port] = []
        self.defects: list[str] = []
        self.gateway: Gateway | None = None
        self.starts = 0
        self.serving = asyncio.Event()
        self._doom: _Doom | None = None
        self._failure = 0
        self._disk = Disk(directory / "state-0", self._at_disk)
        self._mount = ExitStack()
        self._mount.enter_context(self._disk.mounted())
        self._ended = asyncio.Event()
        self._powered = asyncio.Event()
        self._powered.set()
        self._context = copy_context()  # outlasts the gateway, in whose context the machine may be called

    def add_tse(self, generation: Generation) -> Port:
        """A fresh TSE in a port of its own."""
        number = len(self.ports) + 1
        tse = made(self._directory / f"tse-{number}", number, generation)
        port = Port(f"usb-{number}", tse, self._loop, self._at_tse)
        port.on_pulled = self.look_at_ports_soon
        self.ports.append(port)
        return port

    # ---- the gateway ----------------------------------------------------------

    async def run(self) -> None:
        """Start the gateway, and again whenever it has ended; for ever."""
        while True:
            await self._powered.wait()
            await asyncio.sleep(self._chance.uniform(*_START))
            gateway = self.gateway = Gateway(self._disk.root, self._wishes, self.ports, self.defects)
            self.starts += 1
            self._ended.clear()
            gateway.start(self._served(gateway)).add_done_callback(lambda _: self._ended.set())
            await self._ended.wait()

    async def _served(self, gateway: Gateway) -> None:
        def ready() -> None:
            self._trace.add("machine", f"gateway {self.starts} serves")
            self.network.opens(gateway)
            self.serving.set()

        try:
            await gateway.serve(ready)
        except ConfigurationError as error:
            self._trace.add("machine", f"no start: {error}")
            await asyncio.sleep(_AGAIN)
        finally:
            if self.gateway is gateway:
                self._closed()

    def _closed(self) -> None:
        self.gateway = None
        self.serving.clear()
        self.network.closes()

    def stop(self) -> None:
        """Stop the gateway in an orderly way; it is started again."""
        if self.gateway is not None and self.serving.is_set():
            self._trace.add("machine", "stop")
            self.gateway.stop()

    def doom(self, *, power: bool) -> None:
        """Let the gateway, or the whole machine, end at one of its next steps."""
        self._doom = _Doom(self._chance.randint(1, 8), self._chance.randint(1, 60), power)

    def kill(self, *, power: bool = False) -> None:
        """End the gateway, or with its `power` the whole machine with its TSEs."""
        self._doom = None
        if self.gateway is None:
            return
        self._trace.add("machine", "power cut" if power else "kill")
        target = self._directory / f"state-{self.starts}"
        self._disk.power_cut(target, self._chance.random if power else lambda: 1.0)
        self._mount.close()
        self._loop.kill(self.gateway)
        self._disk = Disk(target, self._at_disk)
        self._disk.failure = self._failure
        self._mount.enter_context(self._disk.mounted())
        self._closed()
        if power:
            self._powered.clear()
            for port in self.ports:
                if port.plug:
                    port.plug_in()
            self._loop.call_later(self._chance.uniform(*_BOOT), self._powered.set, context=self._context)
        self._ended.set()

    # ---- disk and ports -------------------------------------------------------

    def fail(self, number: int) -> None:
        """Let the disk fail with this errno; 0: no more."""
        self._failure = self._disk.failure = number
        self._trace.add("machine", f"disk: {errno.errorcode.get(number, 'well')}")

    def all_is_well(self) -> None:
        """Put everything right, for good."""
        self._doom = None
        self.network.cuts = 0.0
        self.fail(0)
        for port in self.ports:
            port.heal()
            if not port.plug:
                self.plug_in(port)

    def look_at_ports_soon(self) -> None:
        """Let the gateway notice what is plugged in."""
        self._loop.call_later(self._chance.uniform(*_NOTICED), self._look_at_ports, context=self._context)

    def plug_in(self, port: Port) -> None:
        """Plug the TSE in, anew if it is."""
        self._trace.add("machine", f"{port.name} is plugged in")
        port.plug_in()
        self.look_at_ports_soon()

    def _look_at_ports(self) -> None:
        if self.gateway is not None and self.serving.is_set():
            self.gateway.call_soon(self.gateway.look_at_ports)

    # ---- the way to a kill ----------------------------------------------------

    def _at_disk(self, _call: str, _name: str) -> None:
        if self._doom is not None:
            self._doom.disk -= 1
            self._come_true(self._doom.disk)

    def _at_tse(self) -> None:
        if self._doom is not None:
            self._doom.tse -= 1
            self._come_true(self._doom.tse)

    def _come_true(self, left: int) -> None:
        if left <= 0 and self._doom is not None:
            self.kill(power=self._doom.power)
            raise Killed
