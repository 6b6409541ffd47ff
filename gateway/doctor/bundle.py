"""A support bundle: what a reseller asks for before taking a TSE back, in one file and without secrets."""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway import __version__
from gateway.access import lan_token
from gateway.checks import CheckResult
from gateway.client.api import Api
from gateway.config import settings as knobs
from gateway.config.pins import KEPT, Pins
from gateway.config.settings import Settings
from gateway.doctor import facts
from gateway.driver.usb.block_devices import Roots
from gateway.errors import GatewayError
from gateway.telemetry.log import masked, redacted, register_secret

_OF_A_TSE = ("", "/health", "/certificates", "/elster", "/dsfinvk")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_CREDENTIALS = re.compile(r"((?:Bearer|Basic) +)[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
_MASK = "***"

_README = """Support bundle of tse-gateway {version}, made {now}.

versions.json   gateway, Python, kernel, system          doctor.json    what works and what does not
settings.json   every setting, secrets hidden            metrics.txt    what Prometheus would read
tse-*/          info, flash memory, certificates         outages.json, archives.json, audit.json
log.json        what the gateway logged in the last hour
readyz.json, usb.txt, disks.txt, kernel.txt, state.txt, log.txt       the host: devices, mounts, messages, files by name

PINs, PUKs, tokens and private keys are replaced by ***.
"""

Parts = dict[str, str]  # the files of the bundle: name to text


def file_name() -> str:
    """Return how a bundle that is made now is called."""
    return f"tse-gateway-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"


async def collected(
    settings: Settings,
    results: Iterable[CheckResult],
    reach: Callable[[AsyncExitStack], Awaitable[Api]],
    *,
    host: bool = True,
    log: Path | None = None,
) -> Parts:
    """Return all parts: what the doctor found, what the gateway tells that `reach` reaches, what this `host` tells.

    `log`: the log of the gateway if the journal does not hold it.
    """
    hide(settings)
    parts = {
        "README.txt": _README.format(version=__version__, now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        "versions.json": _json(facts.versions()),
        "doctor.json": _json([result.as_data("en") for result in results]),
    }
    try:
        async with AsyncExitStack() as stack:
            parts |= await of_gateway(await reach(stack))
    except GatewayError as error:
        parts["unreachable.txt"] = f"{error}\n"
    return parts | await asyncio.to_thread(_of_host, settings, log) if host else parts


def hide(settings: Settings) -> None:
    """Make `clean` remove all secrets of these settings."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            register_secret(value.get_secret_value())
    for upstream in settings.upstreams:
        register_secret(upstream.token.get_secret_value())
    given = "" if settings.time_admin_pin is None else settings.time_admin_pin.get_secret_value()
    with suppress(GatewayError):  # those that are kept may be of another user
        for pin in (*Pins(given).all(), *Pins(path=settings.state_dir / KEPT).all()):
            register_secret(pin)
    with suppress(GatewayError):  # there is none yet
        lan_token.load_token(settings)


def clean(text: str) -> str:
    """Return a text without known secrets, private keys, and what looks like credentials."""
    return _CREDENTIALS.sub(rf"\1{_MASK}", _KEY.sub(_MASK, redacted(text)))


def shown_settings(settings: Settings) -> str:
    """Return every setting and its source as JSON, secrets hidden."""
    return _json([row._asdict() for row in knobs.effective(settings)])


async def of_gateway(api: Api) -> Parts:
    """Return what the gateway tells of itself and its TSEs; where it refuses, the refusal."""
    parts = {"readyz.json": _json(await api.health()), "metrics.txt": await api.metrics()}
    for path in ("/outages", "/archives", "/audit", "/log"):
        parts[f"{path.strip('/')}.json"] = await _answer(api, path)
    for tse in await api.get("/tses"):
        serial = str(tse["serial"])
        for part in _OF_A_TSE:
            answer = await _answer(api, f"/tses/{serial}{part}")
            ending = "pem" if part == "/certificates" else "json"
            parts[f"tse-{serial[:16]}/{part.strip('/') or 'info'}.{ending}"] = answer
    return parts


def packed(parts: Mapping[str, str]) -> bytes:
    """Return a ZIP file of the parts, each of them cleaned."""
    made, now = io.BytesIO(), datetime.now(UTC)
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(parts.items()):
            entry = zipfile.ZipInfo(name, now.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _clean_json(text) if name.endswith(".json") else clean(text))
    return made.getvalue()


def _of_host(settings: Settings, log: Path | None) -> Parts:
    roots = Roots()
    return {
        "settings.json": shown_settings(settings),
        "usb.txt": facts.usb(roots),
        "disks.txt": facts.disks(roots),
        "state.txt": facts.directory(settings.state_dir),
        "kernel.txt": facts.kernel_log(),
        "log.txt": facts.gateway_log(log),
    }


def _clean_json(text: str) -> str:
    """Return cleaned JSON that is still JSON, even if a number contains the digits of a PIN."""
    try:
        return clean(_json(masked(json.loads(text))))
    except ValueError:  # it was not JSON
        return clean(text)


async def _answer(api: Api, path: str) -> str:
    try:
        found = await api.get(path)
    except GatewayError as error:
        return f"not available: {error}\n"
    return found if isinstance(found, str) else _json(found)


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)
