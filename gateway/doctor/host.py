"""The layers USB, block device and content. Nothing is written, and no TSE is disturbed."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.checks import CheckResult, Layer, fail, failed, ok, unknown
from gateway.driver.usb.block_devices import Candidate, Roots, candidates
from gateway.driver.usb.probe import ProbeResult, ProbeVerdict, probe
from gateway.driver.usb.thread import BlockingThread
from gateway.errors import DeviceTimeout
from gateway.i18n.remedies import NO_TSE, NOT_USABLE
from gateway.i18n.text import Text

_PATIENCE = 3.0  # seconds until a disk counts as hanging
_MASS_STORAGE = b"08"  # bInterfaceClass (USB Mass Storage Class)

_USB_NONE = Text("no USB storage device is there", "kein USB-Speichergerät ist da")
_USB_SEEN = Text("{count} USB storage device(s)", "{count} USB-Speichergerät(e)")
_USB_NOT_NEEDED = Text("not needed: {why}", "nicht nötig: {why}")
_NO_DISK = (
    Text(
        "USB storage is plugged in, but the kernel made no disk of it",
        "USB-Speicher steckt, aber der Kern macht keine Disk daraus",
    ),
    Text(
        "read dmesg: the driver usb-storage may be missing, the TSE may draw too much current, or the cable is broken",
        "dmesg lesen: der Treiber usb-storage fehlt, die TSE bekommt zu wenig Strom, oder das Kabel ist defekt",
    ),
)
_DISKS = Text("{places}", "{places}")
_BELOW = Text("the layer below does not work", "die Schicht darunter funktioniert nicht")
_TSE_THERE = Text("a TSE: {places}", "eine TSE: {places}")
_FOREIGN = (
    Text("no TSE is stored on {places}", "auf {places} liegt keine TSE"),
    Text(
        "this is an ordinary disk: plug the TSE in. If the TSE was formatted by mistake, it is lost: replace it",
        "das ist ein gewöhnlicher Datenträger: die TSE einstecken. Wurde die TSE versehentlich formatiert, ist sie "
        "verloren: ersetzen",
    ),
)
_OF_CONTENT = {ProbeVerdict.DAMAGED}
_OF_BLOCK_DEVICE = {ProbeVerdict(name) for name in NOT_USABLE} - _OF_CONTENT
_ORDINARY = {ProbeVerdict.FOREIGN, ProbeVerdict.NO_MEDIUM}


@dataclass(frozen=True, slots=True)
class UsbHost:
    """The machine to look at. `named`: paths in the settings. `everywhere`: other disks are looked at, too.

    `served`: serials of the TSEs that the gateway has. `elsewhere`: why no USB is needed; empty if it is.
    """

    roots: Roots
    named: Sequence[Path] = ()
    everywhere: bool = True
    served: Collection[str] = ()
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class _Probed:
    candidate: Candidate
    result: ProbeResult

    @property
    def name(self) -> str:
        return str(self.candidate.path)


async def examine(host: UsbHost) -> list[CheckResult]:
    """Return the results of the three lowest layers."""
    probed = await _probe_all(host)
    if host.elsewhere and all(item.result.verdict in _ORDINARY for item in probed):
        return [ok(layer, _USB_NOT_NEEDED, why=host.elsewhere) for layer in (Layer.USB, Layer.BLOCK, Layer.CONTENT)]
    plugged = max(_mass_storage(host.roots), sum(item.candidate.pluggable for item in probed))
    named = [item for item in probed if item.candidate.named and item.result.verdict is not ProbeVerdict.ABSENT]
    if not plugged and not named and not any(item.result.verdict is ProbeVerdict.TSE for item in probed):
        missing = list(_not_usable(probed, host.served, {ProbeVerdict.ABSENT}))
        below = [unknown(layer, _BELOW) for layer in (Layer.BLOCK, Layer.CONTENT)]
        return [fail(Layer.USB, _USB_NONE, NO_TSE.remedy), *(missing or below[:1]), below[1]]
    usb = ok(Layer.USB, _USB_SEEN, count=plugged) if plugged else ok(Layer.USB, _USB_NOT_NEEDED, why=_names(probed))
    return [usb, *_stored(probed, host.served)]


def _stored(probed: Sequence[_Probed], served: Collection[str]) -> Iterator[CheckResult]:
    if not probed:
        yield fail(Layer.BLOCK, *_NO_DISK)
        yield unknown(Layer.CONTENT, _BELOW)
        return
    good = [item for item in probed if item.result.verdict is ProbeVerdict.TSE or item.result.serial in served]
    if good:  # then a disk that nothing names as a TSE is none: a backup disk, an empty slot of a card reader
        probed = [item for item in probed if item in good or item.candidate.named or item.result.serial]
    damaged = [item for item in probed if item.result.verdict in _OF_CONTENT]
    ordinary = [item for item in probed if item.result.verdict is ProbeVerdict.FOREIGN]
    not_usable = list(_not_usable(probed, served, _OF_BLOCK_DEVICE))
    yield from not_usable or [ok(Layer.BLOCK, _DISKS, places=_names(probed))]
    yield from (_result(Layer.CONTENT, item) for item in damaged)
    if good:
        yield ok(Layer.CONTENT, _TSE_THERE, places=", ".join(f"{item.result.serial[:8]}… {item.name}" for item in good))
    elif ordinary and not damaged and not not_usable:
        yield fail(Layer.CONTENT, *_FOREIGN, places=_names(ordinary))
    elif not damaged:
        yield unknown(Layer.CONTENT, _BELOW)


def _not_usable(
    probed: Iterable[_Probed], served: Collection[str], verdicts: Collection[ProbeVerdict]
) -> Iterator[CheckResult]:
    for item in probed:
        served_here = item.result.verdict is ProbeVerdict.IN_USE and item.result.serial in served
        if item.result.verdict in verdicts and not served_here:
            yield _result(Layer.BLOCK, item)


def _result(layer: Layer, item: _Probed) -> CheckResult:
    problem = NOT_USABLE[item.result.verdict]
    return failed(layer, problem, item.result.serial, place=item.name, reason=item.result.reason)


def _names(probed: Iterable[_Probed]) -> str:
    return ", ".join(item.name for item in probed)


async def _probe_all(host: UsbHost) -> list[_Probed]:
    """Probe what may hold a TSE: what people plug in, what the settings name, and what looks like one."""
    found = await asyncio.to_thread(candidates, host.roots, tuple(host.named), everywhere=host.everywhere)
    return [
        item
        for item in await asyncio.gather(*map(_probe, found))
        if item.candidate.named
        or item.candidate.pluggable
        or item.result.serial
        or item.result.verdict is ProbeVerdict.DAMAGED
    ]


async def _probe(candidate: Candidate) -> _Probed:
    thread = BlockingThread(f"probe {candidate.path}")
    try:
        return _Probed(candidate, await thread.run(partial(probe, candidate), _PATIENCE))
    except DeviceTimeout:
        return _Probed(candidate, ProbeResult(ProbeVerdict.HANGS))
    finally:
        thread.stop()


def _mass_storage(roots: Roots) -> int:
    """Return the number of USB interfaces of the class mass storage."""
    found = 0
    with suppress(OSError):  # a container may hide it
        for file in (roots.sys / "bus/usb/devices").glob("*/bInterfaceClass"):
            with suppress(OSError):  # it was unplugged meanwhile
                found += file.read_bytes().strip() == _MASS_STORAGE
    return found
