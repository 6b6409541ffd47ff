"""All layers of one gateway, with or without one that runs, here or elsewhere."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.app import standalone
from gateway.client import trust
from gateway.client.api import Api, Remote, local, remote
from gateway.client.trust import NoGateway
from gateway.clock.trusted import KernelClock
from gateway.config.settings import Settings
from gateway.doctor import device, host, machine, service
from gateway.doctor.findings import Finding, Layer, Verdict, fail, ok, unknown
from gateway.doctor.host import Host
from gateway.driver.usb.block_devices import Roots
from gateway.errors import GatewayError
from gateway.i18n.text import Text

_ELSEWHERE = Text(
    "on another machine: run the doctor there", "auf einem anderen Rechner: dort tse-gateway doctor aufrufen"
)
_NO_TSE = Text("no TSE could be opened", "keine TSE konnte geöffnet werden")
_NOT_OPENED = (
    Text("a TSE is there, but it was not opened", "eine TSE ist da, wurde aber nicht geöffnet"),
    Text(
        "let GATEWAY_DEVICES name it, or nothing, so that every disk is looked at; the log of the gateway says more",
        "in GATEWAY_DEVICES diese nennen oder nichts, dann wird jede Disk angesehen; mehr sagt das Log des Gateways",
    ),
)
_REACHED = Text("{place} answers", "{place} antwortet")
_HEALTH_PATIENCE = 5.0
_OF_A_TSE = (Layer.INFO, Layer.SELF_TEST, Layer.TIME, Layer.PINS, Layer.CLIENTS, Layer.CERTIFICATE, Layer.STORE)
_ORDER = {layer: number for number, layer in enumerate(Layer)}


@dataclass(frozen=True, slots=True)
class Machine:
    """What is looked at beside the gateway; tests bring machines of their own."""

    roots: Roots = field(default_factory=Roots)
    kernel: Callable[[], KernelClock] | None = None


async def here(settings: Settings, beside: Machine | None = None) -> list[Finding]:
    """This machine, from the USB socket to the clock."""
    beside = beside or Machine()
    listener = await service.listener(settings)
    async with AsyncExitStack() as stack:
        api, runs = await _reached(settings, stack)
        tses = await _tses(api) if api else []
    serials = {str(tse["serial"]) for tse in tses}
    only_simulated = bool(settings.simulators) and not (settings.devices or settings.discovers)
    below = Host(beside.roots, settings.devices, not only_simulated, serials, _why_no_usb(settings, tses))
    stored = await host.examine(below)
    served = await trust.certificate_at(settings.local_address.strip("[]"), settings.port) if runs else None
    accepted = await service.token_is_accepted(settings) if runs else None
    found = [
        *stored,
        *_of_tses(tses, missed=runs and not below.elsewhere and _holds_tse(stored)),
        service.gateway(settings, listener, reached=runs),
        await asyncio.to_thread(service.certificate, settings, served=served),
        service.token(settings, accepted=accepted),
        *[await asyncio.to_thread(machine.disk, directory) for directory in _written(settings)],
        await machine.clock(settings, beside.kernel),
    ]
    return sorted(found, key=lambda finding: _ORDER[finding.layer])


async def there(target: Remote) -> list[Finding]:
    """A gateway elsewhere: what it says of its TSEs.

    Raises:
        GatewayError: it cannot be reached; the message says why.
    """
    async with remote(target) as api:
        tses = await _tses(api)
        reached = [ok(layer, _REACHED, place=api.place) for layer in (Layer.GATEWAY, Layer.TLS, Layer.TOKEN)]
    hidden = (Layer.USB, Layer.BLOCK, Layer.CONTENT, Layer.DISK, Layer.CLOCK)
    found = [*(unknown(layer, _ELSEWHERE) for layer in hidden), *_of_tses(tses), *reached]
    return sorted(found, key=lambda finding: _ORDER[finding.layer])


async def _reached(settings: Settings, stack: AsyncExitStack) -> tuple[Api | None, bool]:
    """A way to the TSEs, and whether it leads through a gateway that runs."""
    try:
        return await stack.enter_async_context(local(settings)), True
    except NoGateway:
        runs = False
    except GatewayError:
        return None, False
    try:
        return await stack.enter_async_context(standalone.serving(_without_new_simulators(settings))), runs
    except GatewayError:
        return None, runs


async def _tses(api: Api) -> list[dict[str, Any]]:
    found = []
    for summary in await api.get("/tses"):
        path = f"/tses/{summary['serial']}"
        found.append({**await api.get(path), "health": await _health(api, path)})
    return found


async def _health(api: Api, path: str) -> dict[str, Any]:
    """State of the flash memory; a TSE that tills keep busy is left alone."""
    try:
        async with asyncio.timeout(_HEALTH_PATIENCE):
            health: dict[str, Any] = await api.get(f"{path}/health")
            return health
    except (GatewayError, TimeoutError):
        return {}


def _holds_tse(stored: Sequence[Finding]) -> bool:
    return any(finding.layer is Layer.CONTENT and finding.verdict is Verdict.OK for finding in stored)


def _of_tses(tses: Sequence[dict[str, Any]], *, missed: bool = False) -> list[Finding]:
    """`missed`: there is one on this machine that the gateway should have opened."""
    if not tses:
        others = [unknown(layer, _NO_TSE) for layer in _OF_A_TSE[missed:]]
        return [fail(Layer.INFO, *_NOT_OPENED), *others] if missed else others
    return [finding for tse in tses for finding in device.examine(tse)]


def _why_no_usb(settings: Settings, tses: Sequence[dict[str, Any]]) -> str:
    """A gateway may have been told on its command line what our settings do not know: then its TSEs tell."""
    if settings.devices:
        return ""
    if settings.simulators or settings.upstreams:
        return "GATEWAY_SIMULATORS" if settings.simulators else "GATEWAY_UPSTREAMS"
    places = [str(tse["place"]) for tse in tses]
    return "" if any(place.startswith("/") for place in places) else ", ".join(places)


def _written(settings: Settings) -> Iterator[Path]:
    """Where the gateway must be able to write."""
    yield settings.state_dir
    if settings.archive_dir is not None:
        yield settings.archive_dir


def _without_new_simulators(settings: Settings) -> Settings:
    """Looking must make no TSE."""
    made = [settings.state_dir / f"simulator-{number + 1}" for number in range(settings.simulators)]
    return settings.model_copy(update={"simulators": sum(map(os.path.isdir, made))})
