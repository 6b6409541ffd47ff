"""Plugs faked sticks in and out, and prints what the gateway sees of it. Run by umockdev-wrapper."""

import asyncio
import ctypes
import json
import sys
import time
from contextlib import aclosing
from pathlib import Path

from gateway.driver.usb.block_devices import Candidate, Roots
from gateway.driver.usb.discovery import Discovery
from gateway.driver.usb.probe import probe
from gateway.fleet.hotplug import BlockEvents, sightings
from tests.fake_host import FOREIGN_DISK, tse_disk

STICK = """P: {path}
N: {name}={content}
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=/dev/{name}
A: dev=8:{minor}\\n
A: size=64\\n
A: ro=0\\n
A: removable=1\\n
A: diskseq={minor}\\n
L: device=../..

"""


class Testbed:
    def __init__(self) -> None:
        self._library = ctypes.CDLL("libumockdev.so.0")
        self._library.umockdev_testbed_new.restype = ctypes.c_void_p
        self._bed = ctypes.c_void_p(self._library.umockdev_testbed_new())

    def plug(self, name: str, minor: int, content: bytes) -> None:
        text = STICK.format(path=self._path(name), name=name, minor=minor, content=content.hex().upper())
        assert self._library.umockdev_testbed_add_from_string(self._bed, text.encode(), None)

    def unplug(self, name: str) -> None:
        path = f"/sys{self._path(name)}".encode()
        self._library.umockdev_testbed_uevent(self._bed, path, b"remove")
        self._library.umockdev_testbed_remove_device(self._bed, path)

    def close(self) -> None:
        """Removes its files."""
        ctypes.CDLL("libgobject-2.0.so.0").g_object_unref(self._bed)

    @staticmethod
    def _path(name: str) -> str:
        return f"/devices/pci0000:00/usb1/1-1/block/{name}"


async def main(table: Path) -> None:
    bed = Testbed()
    steps = [
        lambda: bed.plug("sdx", 200, tse_disk(1)),
        lambda: bed.unplug("sdx"),
        lambda: bed.plug("sdy", 201, tse_disk(1)),
        lambda: bed.plug("sdz", 202, FOREIGN_DISK),
    ]
    # Only the kernel's events can tell in time: nothing else looks within the test's patience.
    async with Discovery(Roots(mounts=table)) as discovery:
        changes = sightings(discovery, every=300, glance=300, sources={"block events": BlockEvents})
        async with aclosing(changes), asyncio.timeout(30):
            began = time.monotonic()
            async for seen in changes:
                shown = [(item.path.name, item.verdict.value, item.serial[-1:]) for item in seen]
                print(json.dumps([shown, time.monotonic() - began]), flush=True)
                if not steps:
                    break
                began = time.monotonic()
                steps.pop(0)()
    print(probe(Candidate(Path("/dev/sdy"), number="8:77")).verdict.value)
    bed.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
