"""All layers of one gateway, whether it runs or not, on this machine or elsewhere."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.checks import CheckResult, CheckStatus, Layer, fail, ok, unknown
from gateway.client import trust
from gateway.client.api import Api, Remote, local, remote
from gateway.client.trust import NoGateway
from gateway.clock.trusted import KernelClock
from gateway.config.settings import Settings
from gateway.doctor import device, host, machine, pool, service
from gateway.doctor.host import UsbHost
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
        "name it in GATEWAY_DEVICES, or leave that empty, so that every disk is examined; see the log of the gateway",
        "in GATEWAY_DEVICES diese nennen oder nichts, dann wird jede Disk untersucht; siehe das Log des Gateways",
    ),
)
_REACHED = Text("{place} answers", "{place} antwortet")
_HEALTH_PATIENCE = 5.0  # seconds
_OF_A_TSE = (Layer.INFO, Layer.SELF_TEST, Layer.TIME, Layer.PINS, Layer.CLIENTS, Layer.CERTIFICATE, Layer.STORE)
_ORDER = {layer: number for number, layer in enumerate(Layer)}


class Standalone(Protocol):
    """Serves the JSON API over the TSEs of this machine, for when no gateway runs."""

    def __call__(self, settings: Settings, *, roots: Roots) -> AbstractAsyncContextManager[Api]: ...


@dataclass(frozen=True, slots=True)
class Machine:
    """What is examined beside the gateway; tests pass other roots and another kernel clock.

    `standalone`: how TSEs are asked while no gateway runs; without it they are not.
    """

    roots: Roots = field(default_factory=Roots)
    kernel: Callable[[], KernelClock] | None = None
    standalone: Standalone | None = None


async def here(settings: Settings, beside: Machine | None = None) -> list[CheckResult]:
    """Examine this machine, from the USB port to the clock."""
    beside = beside or Machine()
    port_user = await service.port_user(settings)
    async with AsyncExitStack() as stack:
        api, runs = await _reached(settings, stack, beside)
        tses = await _tses(api) if api else []
        pooled = await pool.examine(api, wanted=bool(settings.pool)) if api else []
    serials = {str(tse["serial"]) for tse in tses}
    only_simulated = bool(settings.simulators) and not (settings.devices or settings.discovers)
    usb = UsbHost(beside.roots, settings.devices, not only_simulated, serials, _why_no_usb(settings, tses))
    stored = await host.examine(usb)
    served = await trust.certificate_at(settings.local_address.strip("[]"), settings.port) if runs else None
    accepted = await service.token_is_accepted(settings) if runs else None
    found = [
        *stored,
        *_of_tses(tses, missed=runs and not usb.elsewhere and _holds_tse(stored)),
        *pooled,
        service.gateway(settings, port_user, reached=runs),
        await asyncio.to_thread(service.certificate, settings, served=served),
        service.token(settings, accepted=accepted),
        *[await asyncio.to_thread(machine.disk, directory) for directory in _written(settings)],
        await machine.clock_status(settings, beside.kernel),
    ]
    return sorted(found, key=lambda result: _ORDER[result.layer])


async def there(target: Remote) -> list[CheckResult]:
    """Examine what a gateway elsewhere tells of its TSEs.

    Raises:
        GatewayError: it cannot be reached; the message says why.
    """
    async with remote(target) as api:
        tses, pooled = await _tses(api), await pool.examine(api)
        reached = [ok(layer, _REACHED, place=api.place) for layer in (Layer.GATEWAY, Layer.TLS, Layer.TOKEN)]
    hidden = (Layer.USB, Layer.BLOCK, Layer.CONTENT, Layer.DISK, Layer.CLOCK)
    found = [*(unknown(layer, _ELSEWHERE) for layer in hidden), *_of_tses(tses), *pooled, *reached]
    return sorted(found, key=lambda result: _ORDER[result.layer])


async def _reached(settings: Settings, stack: AsyncExitStack, beside: Machine) -> tuple[Api | None, bool]:
    """Return a client of the REST API, if there is one, and whether it is of a gateway that runs."""
    try:
        return await stack.enter_async_context(local(settings)), True
    except NoGateway:
        runs = False
    except GatewayError:
        return None, False
    if beside.standalone is None:
        return None, runs
    try:
        direct = beside.standalone(_without_new_simulators(settings), roots=beside.roots)
        return await stack.enter_async_context(direct), runs
    except GatewayError:
        return None, runs


async def _tses(api: Api) -> list[dict[str, Any]]:
    found = []
    for summary in await api.get("/tses"):
        path = f"/tses/{summary['serial']}"
        found.append({**await api.get(path), "health": await _health(api, path)})
    return found


async def _health(api: Api, path: str) -> dict[str, Any]:
    """Return the state of the flash memory; empty if the TSE is busy."""
    try:
        async with asyncio.timeout(_HEALTH_PATIENCE):
            health: dict[str, Any] = await api.get(f"{path}/health")
            return health
    except (GatewayError, TimeoutError):
        return {}


def _holds_tse(stored: Sequence[CheckResult]) -> bool:
    return any(result.layer is Layer.CONTENT and result.status is CheckStatus.OK for result in stored)


def _of_tses(tses: Sequence[dict[str, Any]], *, missed: bool = False) -> list[CheckResult]:
    """Return the results of each TSE. `missed`: this machine has one that the gateway should have opened."""
    if not tses:
        others = [unknown(layer, _NO_TSE) for layer in _OF_A_TSE[missed:]]
        return [fail(Layer.INFO, *_NOT_OPENED), *others] if missed else others
    return [result for tse in tses for result in device.examine(tse)]


def _why_no_usb(settings: Settings, tses: Sequence[dict[str, Any]]) -> str:
    """Return why no USB is needed; empty if it is."""
    if settings.devices:
        return ""
    if settings.simulators or settings.upstreams:
        return "GATEWAY_SIMULATORS" if settings.simulators else "GATEWAY_UPSTREAMS"
    # Options of the command line of a gateway that runs are not in our settings: the places of its TSEs tell.
    places = [str(tse["place"]) for tse in tses]
    return "" if any(place.startswith("/") for place in places) else ", ".join(places)


def _written(settings: Settings) -> Iterator[Path]:
    """Return the directories that the gateway writes to."""
    yield settings.state_dir
    if settings.archive_dir is not None:
        yield settings.archive_dir


def _without_new_simulators(settings: Settings) -> Settings:
    """Return the settings without simulated TSEs that do not exist yet: an examination must not make any."""
    made = [settings.state_dir / f"simulator-{number + 1}" for number in range(settings.simulators)]
    return settings.model_copy(update={"simulators": sum(map(os.path.isdir, made))})
