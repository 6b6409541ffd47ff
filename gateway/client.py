"""Ask the gateway that runs on this machine."""

import ssl
from typing import Any

import aiohttp

from gateway.errors import ConfigurationError, DeviceError
from gateway.server import auth, tls
from gateway.settings import Settings

_TIMEOUT = aiohttp.ClientTimeout(total=10)


async def devices(settings: Settings) -> list[dict[str, Any]]:
    """The gateway's summary of each TSE.

    Raises:
        ConfigurationError: there is no gateway, or it has another token.
        DeviceError: it did not answer as it should.
    """
    if not settings.state_dir.is_dir() or not any(settings.state_dir.iterdir()):
        raise ConfigurationError(
            f"no gateway has run with state directory {settings.state_dir}: "
            "start one with `tse-gateway serve`, or let GATEWAY_STATE_DIR name its directory"
        )
    token = auth.load_token(settings)
    url = f"https://{settings.local_address}:{settings.port}/api/v1/tses"
    headers = {"Authorization": f"Bearer {token.value}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(url, headers=headers, ssl=tls.client_context(settings)) as answer,
        ):
            if answer.status != 200:
                raise DeviceError(f"the gateway answered with HTTP status {answer.status}")
            found: list[dict[str, Any]] = await answer.json()
            return found
    except (aiohttp.ClientConnectionError, TimeoutError, ssl.SSLError) as error:
        raise ConfigurationError(f"no gateway answers at {url}: start it with `tse-gateway serve` ({error})") from None
