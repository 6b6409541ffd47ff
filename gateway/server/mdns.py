"""The gateway announced in its network by multicast DNS (RFC 6762, 6763), and others found; extra `mdns`.

    Berlin._tse-gateway._tcp.local.   SRV the port, TXT site=Berlin version=0.2.0 tses=2

It holds no secret and no serial, and leaves a container with its host's network only.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.config.defaults import primary_address
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text, reason_of
from gateway.tasks import beside

if TYPE_CHECKING:
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

TYPE = "_tse-gateway._tcp.local."
_LONGEST_NAME = 63  # bytes, RFC 6763, 4.1.1
_ASK = 1500  # milliseconds for what one gateway tells of itself
_NOT_INSTALLED = "needs zeroconf: install tse-gateway[mdns]; the image of the gateway does not hold it"


@dataclass(frozen=True, slots=True)
class FoundGateway:
    """A gateway of the network; `tses` is how many TSEs can be used, `None` if it does not tell."""

    site: str
    address: str
    port: int
    tses: int | None
    version: str


@asynccontextmanager
async def announced(
    settings: Settings, port: int, registry: Registry, interfaces: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Announce the gateway while the block runs, if the settings want it; on all interfaces unless some are named.

    Raises:
        ConfigurationError: zeroconf is not installed, or there is no network for it.
    """
    if not settings.mdns:
        yield
        return
    try:
        from zeroconf import InterfaceChoice
        from zeroconf.asyncio import AsyncZeroconf
    except ImportError:
        raise ConfigurationError(
            Text("GATEWAY_MDNS {not_installed}", "GATEWAY_MDNS {not_installed}"), not_installed=_NOT_INSTALLED
        ) from None
    bound = [str(address) for address in settings.bind if not address.is_unspecified]
    try:
        zeroconf = AsyncZeroconf(interfaces=[*interfaces] or bound or InterfaceChoice.All)
    except OSError as error:
        raise ConfigurationError(
            Text(
                "GATEWAY_MDNS: the gateway cannot be announced: {reason}",
                "GATEWAY_MDNS: das Gateway lässt sich nicht ankündigen: {reason}",
            ),
            reason=reason_of(error),
        ) from None
    try:
        await zeroconf.async_register_service(_service(settings, port, _usable(registry)), allow_name_change=True)
        async with beside(announcement=_keep_number(zeroconf, settings, port, registry)):
            yield
    finally:
        await zeroconf.async_unregister_all_services()
        await zeroconf.async_close()


async def find(seconds: float, interfaces: Sequence[str] = ()) -> list[FoundGateway]:
    """Return the gateways that answer within `seconds`, sorted by site.

    Raises:
        ConfigurationError: zeroconf is not installed, or there is no network for it.
    """
    try:
        from zeroconf import InterfaceChoice
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf
    except ImportError:
        raise ConfigurationError(
            Text("this {not_installed}", "dies {not_installed}"), not_installed=_NOT_INSTALLED
        ) from None
    names: set[str] = set()
    try:
        zeroconf = AsyncZeroconf(interfaces=[*interfaces] or InterfaceChoice.All)
    except OSError as error:
        raise ConfigurationError(
            Text("nobody can be asked in the network: {reason}", "im Netz lässt sich niemand fragen: {reason}"),
            reason=reason_of(error),
        ) from None
    try:
        browser = AsyncServiceBrowser(
            zeroconf.zeroconf,
            TYPE,
            handlers=[lambda name, **_: names.add(name)],  # called by keyword
        )
        await asyncio.sleep(seconds)
        await browser.async_cancel()
        infos = [AsyncServiceInfo(TYPE, name) for name in sorted(names)]
        told = await asyncio.gather(*(info.async_request(zeroconf.zeroconf, _ASK) for info in infos))
        found = [_found(info) for info, answered in zip(infos, told, strict=True) if answered]
    finally:
        await zeroconf.async_close()
    return sorted(found, key=lambda gateway: (gateway.site, gateway.address))


async def _keep_number(zeroconf: "AsyncZeroconf", settings: Settings, port: int, registry: Registry) -> None:
    """Announce anew, for ever, whenever another number of TSEs can be used."""
    told = _usable(registry)
    while True:
        registry.changed.clear()
        if told != _usable(registry):
            told = _usable(registry)
            await zeroconf.async_update_service(_service(settings, port, told))
        await registry.changed.wait()


def _usable(registry: Registry) -> int:
    return sum(not device.failed.is_set() for device in registry.devices())


def _service(settings: Settings, port: int, tses: int) -> "ServiceInfo":
    from zeroconf import ServiceInfo

    host = socket.gethostname()
    properties = {"site": settings.site, "version": __version__, "tses": str(tses)}
    return ServiceInfo(
        *(TYPE, f"{_instance(settings.site or host)}.{TYPE}", port),
        parsed_addresses=[settings.address if _is_address(settings.address) else primary_address()],
        properties=properties,
        server=f"{host}.local.",
    )


def _instance(text: str) -> str:
    """Return a name that fits into a label: 63 bytes without control characters."""
    clean = "".join(letter for letter in text if letter.isprintable())
    return clean.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _found(info: "AsyncServiceInfo") -> FoundGateway:
    told = {name: value or "" for name, value in info.decoded_properties.items()}
    tses = told.get("tses", "")
    return FoundGateway(
        site=told.get("site", "") or info.get_name(),
        address=next(iter(info.parsed_addresses()), ""),
        port=info.port or 0,
        tses=int(tses) if tses.isdecimal() and len(tses) < 4 else None,
        version=told.get("version", ""),
    )
