"""From the socket to the stored bytes: USB, block device, content. Nothing is written, and no TSE is disturbed."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.doctor.findings import Finding, Layer, fail, ok, unknown
from gateway.driver.usb.block_devices import Candidate, Roots, candidates
from gateway.driver.usb.probe import ProbeResult, ProbeVerdict, probe
from gateway.driver.usb.thread import BlockingThread
from gateway.errors import DeviceTimeout
from gateway.i18n.text import Text

_PATIENCE = 3.0  # seconds until a disk counts as hanging
_MASS_STORAGE = b"08"  # class of a USB interface

_USB_NONE = (
    Text("no USB storage device is there", "kein USB-Speichergerät ist da"),
    Text(
        "plug the TSE in, into another socket if need be and without a hub; in a container pass /dev and /sys in, in a "
        "virtual machine pass the USB device through, over the network attach it (usbip, UTN)",
        "die TSE einstecken, notfalls in eine andere Buchse und ohne Hub; in einen Container /dev und /sys "
        "durchreichen, in eine virtuelle Maschine das USB-Gerät, über das Netz es verbinden (usbip, UTN)",
    ),
)
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
        "this is an ordinary disk or stick: plug the TSE in; was the TSE formatted by mistake, it is lost: replace it",
        "das ist ein gewöhnlicher Datenträger: die TSE einstecken; wurde die TSE versehentlich formatiert, ist sie "
        "verloren: ersetzen",
    ),
)
_TROUBLES = {
    ProbeVerdict.NO_MEDIUM: (
        Text("the reader at {place} is empty", "das Lesegerät an {place} ist leer"),
        Text("put the TSE in", "die TSE einlegen"),
    ),
    ProbeVerdict.ABSENT: (
        Text("nothing can be reached at {place}", "an {place} ist nichts zu erreichen"),
        Text(
            "plug the TSE in, or correct GATEWAY_DEVICES; in a container pass /dev (or the volume) in",
            "die TSE einstecken oder GATEWAY_DEVICES berichtigen; in Container /dev (oder das Volume) durchreichen",
        ),
    ),
    ProbeVerdict.NO_PERMISSION: (
        Text(
            "{place} may not be read and written by this user", "{place} darf dieser Benutzer nicht lesen und schreiben"
        ),
        Text(
            "install the udev rules and run as the gateway's user, in its group; in a container allow the device, too",
            "die udev-Regeln installieren und als Benutzer des Gateways laufen; im Container auch das Gerät erlauben",
        ),
    ),
    ProbeVerdict.READ_ONLY: (
        Text("{place} is read-only", "{place} ist schreibgeschützt"),
        Text(
            "mount the volume writable, or release the card's write protection",
            "das Volume beschreibbar einhängen, oder den Schreibschutz der Karte lösen",
        ),
    ),
    ProbeVerdict.IN_USE: (
        Text("another process owns {place}", "ein anderer Prozess besitzt {place}"),
        Text(
            "end that program (`fuser -v {place}`), or unmount the volume; is it a gateway, set its GATEWAY_STATE_DIR",
            "das Programm beenden (`fuser -v {place}`) oder das Volume aushängen; ist es ein Gateway, dessen "
            "GATEWAY_STATE_DIR setzen",
        ),
    ),
    ProbeVerdict.HANGS: (
        Text("the kernel does not return from reading {place}", "der Kern kehrt vom Lesen von {place} nicht zurück"),
        Text(
            "plug the TSE out and in again; then try another socket",
            "die TSE aus- und einstecken; dann eine andere Buchse",
        ),
    ),
    ProbeVerdict.DAMAGED: (
        Text("the TSE at {place} cannot be read: {reason}", "die TSE an {place} ist nicht lesbar: {reason}"),
        Text(
            "plug it out and in again; if that does not help, try another socket, then replace it",
            "aus- und einstecken; hilft das nicht, eine andere Buchse versuchen, dann ersetzen",
        ),
    ),
}
_CONTENT = {ProbeVerdict.DAMAGED}
_ORDINARY = {ProbeVerdict.FOREIGN, ProbeVerdict.NO_MEDIUM}


@dataclass(frozen=True, slots=True)
class Host:
    """This machine; `served` are the serials that a gateway has, `elsewhere` says why no USB is needed."""

    roots: Roots
    named: Sequence[Path] = ()
    everywhere: bool = True
    served: Collection[str] = ()
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """A place and what is there."""

    place: Candidate
    look: ProbeResult

    @property
    def name(self) -> str:
        return str(self.place.path)


async def examine(host: Host) -> list[Finding]:
    """The three lowest layers."""
    looked = await _looked(host)
    if host.elsewhere and all(item.look.verdict in _ORDINARY for item in looked):
        return [ok(layer, _USB_NOT_NEEDED, why=host.elsewhere) for layer in (Layer.USB, Layer.BLOCK, Layer.CONTENT)]
    plugged = max(_mass_storage(host.roots), sum(item.place.pluggable for item in looked))
    named = [item for item in looked if item.place.named and item.look.verdict is not ProbeVerdict.ABSENT]
    if not plugged and not named and not any(item.look.verdict is ProbeVerdict.TSE for item in looked):
        missing = list(_troubles(looked, host.served, ProbeVerdict.ABSENT))
        below = [unknown(layer, _BELOW) for layer in (Layer.BLOCK, Layer.CONTENT)]
        return [fail(Layer.USB, *_USB_NONE), *(missing or below[:1]), below[1]]
    seen = ok(Layer.USB, _USB_SEEN, count=plugged) if plugged else ok(Layer.USB, _USB_NOT_NEEDED, why=_names(looked))
    return [seen, *_stored(looked, host.served)]


def _stored(looked: Sequence[Looked], served: Collection[str]) -> Iterator[Finding]:
    if not looked:
        yield fail(Layer.BLOCK, *_NO_DISK)
        yield unknown(Layer.CONTENT, _BELOW)
        return
    good = [item for item in looked if item.look.verdict is ProbeVerdict.TSE or item.look.serial in served]
    if good:  # then a disk of which nobody says that it is one is none: a backup disk, the slots of a card reader
        looked = [item for item in looked if item in good or item.place.named or item.look.serial]
    broken = [item for item in looked if item.look.verdict in _CONTENT]
    ordinary = [item for item in looked if item.look.verdict is ProbeVerdict.FOREIGN]
    troubles = list(_troubles(looked, served, *(_TROUBLES.keys() - _CONTENT)))
    yield from troubles or [ok(Layer.BLOCK, _DISKS, places=_names(looked))]
    yield from (_trouble(Layer.CONTENT, item) for item in broken)
    if good:
        yield ok(Layer.CONTENT, _TSE_THERE, places=", ".join(f"{item.look.serial[:8]}… {item.name}" for item in good))
    elif ordinary and not broken and not troubles:
        yield fail(Layer.CONTENT, *_FOREIGN, places=_names(ordinary))
    elif not broken:
        yield unknown(Layer.CONTENT, _BELOW)


def _troubles(looked: Iterable[Looked], served: Collection[str], *verdicts: ProbeVerdict) -> Iterator[Finding]:
    for item in looked:
        ours = item.look.verdict is ProbeVerdict.IN_USE and item.look.serial in served
        if item.look.verdict in verdicts and not ours:
            yield _trouble(Layer.BLOCK, item)


def _trouble(layer: Layer, item: Looked) -> Finding:
    text, remedy = _TROUBLES[item.look.verdict]
    return fail(layer, text, remedy, item.look.serial, place=item.name, reason=item.look.reason)


def _names(looked: Iterable[Looked]) -> str:
    return ", ".join(item.name for item in looked)


async def _looked(host: Host) -> list[Looked]:
    """What may hold a TSE: what people plug in, what the settings name, and what looks like one."""
    places = await asyncio.to_thread(candidates, host.roots, tuple(host.named), everywhere=host.everywhere)
    found = await asyncio.gather(*map(_look, places))
    return [
        item
        for item in found
        if item.place.named or item.place.pluggable or item.look.serial or item.look.verdict is ProbeVerdict.DAMAGED
    ]


async def _look(place: Candidate) -> Looked:
    thread = BlockingThread(f"look at {place.path}")
    try:
        return Looked(place, await thread.run(partial(probe, place), _PATIENCE))
    except DeviceTimeout:
        return Looked(place, ProbeResult(ProbeVerdict.HANGS))
    finally:
        thread.stop()


def _mass_storage(roots: Roots) -> int:
    """USB interfaces that call themselves storage."""
    found = 0
    with suppress(OSError):  # a container may hide it
        for file in (roots.sys / "bus/usb/devices").glob("*/bInterfaceClass"):
            with suppress(OSError):  # pulled this very moment
                found += file.read_bytes().strip() == _MASS_STORAGE
    return found
