"""The machine with the gateway in it, two TSEs and a foreign stick outside: everything an ordeal plays with."""

import asyncio
import contextlib
import json
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from gateway.driver.usb.block import BlockDriver
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from tests.support import set_up
from tests.vm.machine import Machine
from tests.vm.sticks import Foreign, Powered, QemuStick, Stick, UsbIpStick
from tests.vm.till import Connection, NoAnswer, Refused, locked

Way = Literal["usbip", "qemu"]
CLIENTS = ("POS-1", "POS-2", "POS-3")
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the gateway's log; Unix seconds of the guest's clock."""

    time: float
    level: str
    message: str


class Shop:
    """`sticks` by serial; `token` opens the gateway; the `photographs` are on a stick that is no TSE."""

    def __init__(self, machine: Machine, way: Way, tses: list[SimulatedTse], *, contained: bool = False) -> None:
        kind: Callable[..., Stick] = UsbIpStick if way == "usbip" else QemuStick
        self.machine = machine
        self.way = way
        self._contained = contained
        self.tses = {tse.serial.hex().upper(): tse for tse in tses}
        self.sticks = {serial: kind(machine, f"tse-{serial[:8]}", Powered(tse)) for serial, tse in self.tses.items()}
        self.photographs = Foreign()
        self._foreign = kind(machine, "photos", self.photographs)
        self._foreign_in = False
        self.token = secrets.token_urlsafe(12)
        self._watch = self.connection()

    def open(self) -> None:
        """Start the gateway, put the TSEs in, and wait until both are served."""
        environment = {
            "GATEWAY_STATE_DIR": "/var/lib/tse-gateway" if self._contained else "/data",
            "GATEWAY_API_TOKEN": self.token,
            "GATEWAY_ADDRESS": "shop",
            "GATEWAY_LOG_FORMAT": "json",
        }
        words = " ".join(f"{name}={value}" for name, value in environment.items())
        self.machine.start(f"exec /opt/guest/serve-{'container' if self._contained else 'gateway'} {words}")
        for stick in self.sticks.values():
            stick.plug()
        for serial in self.sticks:
            self.until_ready(serial, _START_SECONDS)

    def connection(self) -> Connection:
        """A new connection from outside to the gateway in the guest."""
        return Connection(self.machine.https, self.token)

    def until_ready(self, serial: str, within: float) -> float:
        """Seconds until `readInfo` of this TSE answers through the gateway.

        Raises:
            AssertionError: it does not, for too long.
        """
        began = time.monotonic()
        pause = threading.Event()
        while True:
            with contextlib.suppress(Refused, NoAnswer), locked(self._watch, serial) as session:
                session.info()
                return time.monotonic() - began
            assert time.monotonic() - began < within, f"TSE {serial} is not ready after {within:g} s"
            pause.wait(0.2)

    def plug_foreign(self) -> None:
        """Put the stick with the photographs in."""
        self._foreign.plug()
        self._foreign_in = True

    def pull_foreign(self) -> None:
        """Take it out, if it is in."""
        if self._foreign_in:
            self._foreign.pull()
            self._foreign_in = False

    def close(self) -> None:
        """The end of the test."""
        self._watch.close()
        for stick in (*self.sticks.values(), self._foreign):
            stick.close()

    def kill_gateway(self) -> None:
        """As the kernel does when memory runs out."""
        self.machine.run("kill -9 $(cat /run/gateway.pid)")

    def inside(self, code: str, user: str = "10001:10001") -> str:
        """What Python in the container prints."""
        runc = f"/bundle/runc --root /run/runc exec -u {user} gateway"
        return self.machine.run(f"{runc} python -c {shlex.quote(code)}")

    def stop_gateway(self) -> tuple[float, int]:
        """SIGTERM to the container; seconds until it has ended, and its exit status."""
        ended = "[ $(cat /run/gateway.ends | wc -l) -gt $ends ] && exit 0; sleep 0.05"
        self.machine.run(
            "touch /run/gateway.ends; ends=$(cat /run/gateway.ends | wc -l); date +%s.%N >/run/gateway.stop; "
            f"/bundle/runc --root /run/runc kill gateway TERM; for i in $(seq 600); do {ended}; done; exit 1"
        )
        asked, moment, status = self.machine.run("cat /run/gateway.stop; tail -n 1 /run/gateway.ends").split()
        return float(moment) - float(asked), int(status)

    def starts(self) -> list[float]:
        """When the gateway was started; Unix seconds of the guest's clock."""
        return [float(moment) for moment in self.machine.run("cat /run/gateway.starts").split()]

    def traces(self) -> str:
        """The ends of both logs, for people who wonder what happened."""
        log = self.machine.run("grep -v server.middleware /run/gateway.log | tail -n 20 || true")
        return f"--- gateway\n{log}\n--- console\n{self.machine.console()[-2000:]}"

    def log(self) -> list[Line]:
        """What the gateway logged so far."""
        lines = []
        for text in self.machine.run("cat /run/gateway.log").splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                line = json.loads(text)
                moment = datetime.fromisoformat(line["timestamp"]).timestamp()
                lines.append(Line(moment, line["level"], line["message"]))
        return lines


@contextlib.contextmanager
def opened(way: Way, directory: Path, bundle: Path | None = None) -> Iterator[Shop]:
    """A shop that is ready to sell; two TSEs, set up, in `directory`; with a `bundle` the gateway is its container."""
    tses = [_tse(directory / name) for name in ("first", "second")]
    try:
        with Machine(memory=512 if bundle is None else 768, bundle=bundle) as machine:
            shop = Shop(machine, way, tses, contained=bundle is not None)
            try:
                shop.open()
                yield shop
            except BaseException as error:
                error.add_note(shop.traces())
                raise
            finally:
                shop.close()
    finally:
        for tse in tses:
            tse.close()


def _tse(directory: Path) -> SimulatedTse:
    tse = SimulatedTse.create(directory, durable=False)
    clients = [client.encode() for client in CLIENTS]

    async def prepare() -> None:
        driver = BlockDriver(SimulatedTransport(tse))
        await set_up(driver.send_command, tse.serial, *clients, now=int(time.time()))
        await driver.close()

    asyncio.run(prepare())
    tse.power_cycle()
    return tse
