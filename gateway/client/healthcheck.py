"""The health check of the gateway on this machine, for container engines, which ask again and again.

Standard library only, and no `Settings`: this must start fast on a small computer. Port and address are read
where `serve` reads them: GATEWAY_PORT and GATEWAY_BIND, else the file that GATEWAY_CONFIG names.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

from gateway.config.toml_file import read_toml
from gateway.errors import ConfigurationError, DeviceError
from gateway.i18n.text import Text
from gateway.storage import strict_json

_TIMEOUT = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def ask(environ: Mapping[str, str], config: Path | None = None, *, path: str = "/healthz") -> str:
    """Return the gateway's response as one line.

    Raises:
        ConfigurationError: nothing answers there, or the settings do not tell where that is.
        DeviceError: its HTTP status is not 200.
    """
    host, port = _place(environ, config)
    connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=_unverified())
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(65536)
    except (OSError, http.client.HTTPException) as error:
        raise ConfigurationError(
            Text(
                "no gateway answers at {host}, port {port} ({error})",
                "an {host}, Port {port} antwortet kein Gateway ({error})",
            ),
            host=host,
            port=port,
            error=error or type(error).__name__,
        ) from None
    finally:
        connection.close()
    line = _one_line(body)
    if response.status != http.HTTPStatus.OK:
        raise DeviceError(
            Text(
                "the gateway answers {path} with HTTP status {status}: {line}",
                "das Gateway beantwortet {path} mit dem HTTP-Status {status}: {line}",
            ),
            path=path,
            status=response.status,
            line=line,
        )
    return line


def _place(environ: Mapping[str, str], config: Path | None) -> tuple[str, int]:
    """Return host and port by which a program of this machine reaches the gateway."""
    named = environ.get("GATEWAY_CONFIG", "")
    table = read_toml(config or Path(named)) if config or named else {}
    port = environ.get("GATEWAY_PORT") or str(table.get("port", 4433))
    bind = environ.get("GATEWAY_BIND") or table.get("bind", "0.0.0.0")
    first = str(bind[0] if isinstance(bind, list) and bind else bind).split(",")[0].strip()
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigurationError(
            Text(
                "the port of the settings does not tell where the gateway listens: set GATEWAY_PORT",
                "der Port der Einstellungen sagt nicht, wo das Gateway lauscht: GATEWAY_PORT setzen",
            )
        )
    return _ANYWHERE.get(first, first), int(port)


def _unverified() -> ssl.SSLContext:
    # Nothing secret is sent, and a certificate that ran out is no reason to restart the gateway.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _one_line(body: bytes) -> str:
    try:
        return json.dumps(strict_json.parse(body))
    except ValueError:
        return " ".join(body.decode("utf-8", "replace").split())[:200]
