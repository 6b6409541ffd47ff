"""Two ways to put a virtual USB stick into the machine: over USB/IP, as with a USB server in the network, and plugged
into QEMU's own USB controller, as with a stick in the host. Both reach their blocks over a `Link`, which can fail."""

import contextlib
import socket
import threading
from typing import Protocol

import usbip
from usbip.classes.device.msc import MSC
from usbip.core import SPEED_HIGH
from usbip.device import USBDevice

from gateway.simulator.device import SimulatedTse
from gateway.volume.image import TseImage
from tests.vm.link import Link
from tests.vm.machine import HOST, Machine, MachineError
from tests.vm.nbd import Blocks, NbdServer

_BUS_ID = "1-1"
# With as few rights as usbip-attach@.service gives it.
_KEEP_ATTACHED = "exec setpriv --no-new-privs --bounding-set=-all,+sys_module /usr/local/sbin/usbip-keep-attached"


class Stick(Protocol):
    """A stick that can be plugged in and out; `link` leads to its blocks."""

    @property
    def link(self) -> Link: ...
    def plug(self) -> None: ...
    def pull(self) -> None: ...
    def detach(self) -> None: ...
    def close(self) -> None: ...


class Foreign:
    """Somebody's photographs: 8 MB without a TSE; `written` tells whether anybody wrote to it."""

    block_size = 512
    num_blocks = 16384

    def __init__(self) -> None:
        self.written = False

    def read(self, lba: int, count: int) -> bytes:
        return b"photo".ljust(self.block_size, b"!") * count

    def write(self, lba: int, count: int, data: bytes) -> None:
        self.written = True


class Powered:
    """The blocks of a TSE that loses power when it is pulled out."""

    def __init__(self, tse: SimulatedTse) -> None:
        self.tse = tse
        self._image = TseImage(tse)
        self.block_size, self.num_blocks = 512, self._image.sectors
        self.read = self._image.read

    def write(self, lba: int, _count: int, data: bytes) -> None:
        self._image.write(lba, data)


class UsbIpStick:
    """Exported by a USB/IP server of its own. The guest's keeper imports it as soon as `plug` lets it."""

    def __init__(self, machine: Machine, name: str, blocks: Blocks) -> None:
        self._machine = machine
        self._blocks = blocks
        self._server, port = _serve_usbip(name, blocks)
        self.link = Link(("127.0.0.1", port))
        self._kept = False

    def plug(self) -> None:
        """Offer the stick."""
        self.link.open()
        if not self._kept:
            self._kept = True
            self._machine.start(f"{_KEEP_ATTACHED} {HOST} {_BUS_ID} {self.link.port}")

    def pull(self) -> None:
        """Out of its socket without a word: power lost, connection cut."""
        self.link.close()
        if isinstance(self._blocks, Powered):
            self._blocks.tse.power_cycle()

    def detach(self) -> None:
        """The guest gives it back in order; its keeper will import it again. It keeps its power."""
        detach = f"if grep -q ' {self.link.port} ' $note; then usbip detach -p ${{note##*port}} || true; fi"
        self._machine.run(f"for note in /run/vhci_hcd/port*; do {detach}; done")

    def close(self) -> None:
        """The end of the test: serve nobody any more."""
        self.link.close()
        self._server.unplug()


class QemuStick:
    """On QEMU's USB controller."""

    def __init__(self, machine: Machine, name: str, blocks: Blocks) -> None:
        self._machine = machine
        self._name = name
        self._blocks = blocks
        self._server = NbdServer(blocks)
        self.link = Link(("127.0.0.1", self._server.port))

    def plug(self) -> None:
        """Into its socket."""
        self.link.open()
        server = {"type": "inet", "host": "127.0.0.1", "port": str(self.link.port)}
        self._machine.qmp(
            "blockdev-add",
            **{"driver": "nbd", "node-name": f"blocks-{self._name}", "server": server, "cache": {"direct": True}},
        )
        self._machine.qmp(
            "device_add",
            driver="usb-storage",
            id=self._name,
            bus="xhci.0",
            drive=f"blocks-{self._name}",
            serial=self._name,
            removable=True,
        )

    def pull(self) -> None:
        """Out of its socket: power lost."""
        self.detach()
        if isinstance(self._blocks, Powered):
            self._blocks.tse.power_cycle()

    def detach(self) -> None:
        """Out of the guest, but still powered."""
        self._machine.qmp("device_del", id=self._name)
        self.link.close()
        _until_released(self._machine, f"blocks-{self._name}")

    def close(self) -> None:
        """The end of the test: serve nobody any more."""
        self.link.close()
        self._server.close()


def _serve_usbip(name: str, blocks: Blocks) -> tuple[USBDevice, int]:
    """A new USB/IP server with this stick as its only device, and its port."""
    device = USBDevice(0x1209, 0x7551, product="stick", manufacturer="simulated", serial=name)
    device.set_speed(SPEED_HIGH)
    storage = MSC(blocks, vendor="simulatd", product="stick", serial=name)
    device.add(storage)
    # A write that was cut off in the middle must not swallow the first command of the next connection.
    device.add_reset_hook(lambda: setattr(storage, "_write", None))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    device.plug(via=usbip.USBIP("127.0.0.1", port))
    return device, port


def _until_released(machine: Machine, node: str) -> None:
    """QEMU lets go of the blocks a moment after the device."""
    again = threading.Event()
    for _ in range(500):
        with contextlib.suppress(MachineError):
            machine.qmp("blockdev-del", **{"node-name": node})
            return
        again.wait(0.02)
    raise MachineError(f"QEMU does not release {node}")
