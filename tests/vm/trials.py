"""The bad things that happen to TSEs, one function each; they return the serials that were hit, when it is over."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.vm.shop import Shop, Way


class Scene:
    """Where it happens: the shop, and chance."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self.shop = shop
        self._chance = chance
        self._never = threading.Event()

    def pause(self, shortest: float, longest: float) -> None:
        """Let seconds pass, in which the tills go on."""
        self._never.wait(self._chance.uniform(shortest, longest))

    def any_serial(self) -> str:
        """One of the TSEs."""
        return self._chance.choice(list(self.shop.sticks))


class Trial(NamedTuple):
    """Something bad that happens; `unplugs` is how many times a TSE vanishes from the guest by it."""

    name: str
    unplugs: int
    happen: Callable[[Scene], Sequence[str]]


def _pull(scene: Scene) -> Sequence[str]:
    serial = scene.any_serial()
    scene.shop.sticks[serial].pull()
    scene.pause(0.2, 3)
    scene.shop.sticks[serial].plug()
    return [serial]


def _detach(scene: Scene) -> Sequence[str]:
    serial = scene.any_serial()
    scene.shop.sticks[serial].detach()
    if scene.shop.way == "qemu":
        scene.pause(0.2, 3)
        scene.shop.sticks[serial].plug()
    else:
        scene.pause(0.5, 0.5)  # the keeper plugs it in again
    return [serial]


def _rename(scene: Scene) -> Sequence[str]:
    """Another stick takes the free name, the TSE gets another one."""
    serial = scene.any_serial()
    before = _disks(scene)
    scene.shop.sticks[serial].pull()
    scene.shop.plug_foreign()
    _await_disks(scene, before)
    scene.shop.sticks[serial].plug()
    return [serial]


def _swap(scene: Scene) -> Sequence[str]:
    first, second = scene.shop.sticks
    sticks = scene.shop.sticks
    before = _disks(scene)
    sticks[first].pull()
    sticks[second].pull()
    scene.pause(0.5, 2)
    sticks[second].plug()
    _await_disks(scene, before - 1)
    sticks[first].plug()
    return [first, second]


def _cut(scene: Scene) -> Sequence[str]:
    serial = scene.any_serial()
    scene.shop.sticks[serial].link.cut()
    scene.pause(0.5, 0.5)  # until the kernel knows, steps are still signed
    return [serial]


def _restart_server(scene: Scene) -> Sequence[str]:
    links = [stick.link for stick in scene.shop.sticks.values()]
    for link in links:
        link.close()
    scene.pause(2, 4)
    for link in links:
        link.open()
    return list(scene.shop.sticks)


def _delay(scene: Scene) -> Sequence[str]:
    serial = scene.any_serial()
    link = scene.shop.sticks[serial].link
    link.delay = 0.05
    scene.pause(3, 5)
    link.delay = 0.0
    return [serial]


def _freeze(scene: Scene) -> Sequence[str]:
    return _frozen(scene, 3, 6)


def _freeze_long(scene: Scene) -> Sequence[str]:
    return _frozen(scene, 35, 40)


def _frozen(scene: Scene, shortest: float, longest: float) -> Sequence[str]:
    serial = scene.any_serial()
    link = scene.shop.sticks[serial].link
    link.freeze()
    scene.pause(shortest, longest)
    link.thaw()
    return [serial]


def _kill(scene: Scene) -> Sequence[str]:
    scene.shop.kill_gateway()
    return list(scene.shop.sticks)


def _disks(scene: Scene) -> int:
    return len(scene.shop.machine.run("ls /sys/block | grep '^sd' || true").split())


def _await_disks(scene: Scene, count: int) -> None:
    scene.shop.machine.run(
        f"for i in $(seq 200); do [ $(ls /sys/block | grep -c '^sd') -ge {count} ] && exit 0; sleep 0.05; done; exit 1"
    )


PULL = Trial("pulled out and put back", 1, _pull)
DETACH = Trial("detached in order", 1, _detach)
RENAME = Trial("back under another name", 1, _rename)
SWAP = Trial("two TSEs swapped", 2, _swap)
CUT = Trial("connection cut", 1, _cut)
RESTART = Trial("USB/IP server restarted", 2, _restart_server)
DELAY = Trial("link slow", 0, _delay)
FREEZE = Trial("link frozen, short", 0, _freeze)
FREEZE_LONG = Trial("link frozen, long", 1, _freeze_long)
KILL = Trial("gateway killed", 0, _kill)


def short(way: Way) -> list[Trial]:
    """One of each that is quick."""
    return [PULL, *([CUT] if way == "usbip" else [DETACH]), SWAP, FREEZE, KILL]


def full(way: Way) -> list[Trial]:
    """At least 20 unplugs, and everything else."""
    common = [PULL] * 8 + [RENAME] * 3 + [SWAP] * 3 + [DELAY] * 2 + [FREEZE] * 2 + [KILL] * 3
    if way == "usbip":
        return [*common, *[DETACH] * 3, *[CUT] * 4, *[RESTART] * 2, FREEZE_LONG, FREEZE_LONG]
    return [*common, *[DETACH] * 4]
