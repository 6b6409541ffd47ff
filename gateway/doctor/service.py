"""The layers gateway, TLS and token: whether the gateway of this machine runs, its certificate, its API token."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from stat import S_IMODE
from typing import Any

import aiohttp
from cryptography import x509

from gateway import limits
from gateway.access import lan_token
from gateway.checks import (
    NOT_STARTED,
    CheckResult,
    CheckStatus,
    Layer,
    day,
    fail,
    graded,
    measured,
    ok,
    unknown,
    warn,
)
from gateway.client import api, trust
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.text import Text
from gateway.server.http import tls

_PATIENCE = 5.0  # seconds
_OTHERS = 0o077  # permissions of group and others


# ---- gateway and TLS --------------------------------------------------------


class PortUser(StrEnum):
    """The program that has the port of the gateway."""

    NOBODY = "nobody"
    GATEWAY = "gateway"
    OTHER = "other"


def gateway(settings: Settings, port_user: PortUser, *, reached: bool) -> CheckResult:
    """Return whether the gateway runs, and if not, whether its port is free."""
    port = settings.port
    if reached:
        return ok(Layer.GATEWAY, Text("it runs on port {port}", "es läuft auf Port {port}"), port=port)
    if port_user is PortUser.GATEWAY:
        return fail(
            Layer.GATEWAY,
            Text(
                "a gateway runs on port {port}, but not with these settings",
                "auf Port {port} läuft ein Gateway, aber nicht mit diesen Einstellungen",
            ),
            Text(
                "run the doctor as that gateway's user or root, with its GATEWAY_STATE_DIR or GATEWAY_CONFIG; in a "
                "container: docker compose exec",
                "den doctor als Benutzer jenes Gateways oder root aufrufen, mit dessen GATEWAY_STATE_DIR oder "
                "GATEWAY_CONFIG; im Container: docker compose exec",
            ),
            port=port,
        )
    if port_user is PortUser.OTHER:
        return fail(
            Layer.GATEWAY,
            Text("another program uses port {port}", "ein anderes Programm benutzt Port {port}"),
            Text(
                "find it with `ss -ltnp` and end it, or set GATEWAY_PORT",
                "mit `ss -ltnp` finden und beenden, oder GATEWAY_PORT setzen",
            ),
            port=port,
        )
    return fail(
        Layer.GATEWAY,
        Text("no gateway runs: tills cannot sign", "es läuft kein Gateway: Kassen können nicht signieren"),
        Text(
            "start it: tse-gateway serve, systemctl start tse-gateway, or docker compose up -d",
            "starten: tse-gateway serve, systemctl start tse-gateway, oder docker compose up -d",
        ),
    )


async def port_user(settings: Settings) -> PortUser:
    """Return which program answers on the port."""
    if not await trust.listens(settings):
        return PortUser.NOBODY
    health = f"https://{settings.local_address}:{settings.port}/healthz"
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        # Nothing secret is sent, so any program may answer.
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(health, ssl=False) as answer:
            return PortUser.GATEWAY if answer.headers.get("Server") == "tse-gateway" else PortUser.OTHER
    except (aiohttp.ClientError, TimeoutError):
        return PortUser.OTHER


def certificate(settings: Settings, *, served: bytes | None) -> CheckResult:
    """Return whether the certificate is valid; `served` is the one that tills get (DER), if the gateway runs."""
    own = settings.tls_certificate is None
    remedy = Text(
        "correct GATEWAY_TLS_CERTIFICATE and GATEWAY_TLS_KEY; the gateway reads them again within a minute",
        "GATEWAY_TLS_CERTIFICATE und GATEWAY_TLS_KEY berichtigen; das Gateway liest sie binnen einer Minute neu",
    )
    if not own:
        try:
            tls.server_context(settings)
        except ConfigurationError as error:
            return fail(Layer.TLS, Text("{error}", "{error}"), remedy, error=error)
    until = _expiry(settings, served)
    if until is None:
        return unknown(Layer.TLS, NOT_STARTED)
    values: dict[str, Any] = {"until": day(until)}
    if until <= datetime.now(UTC):
        text = Text(
            "the certificate that tills get expired on {until}", "das Zertifikat, das Kassen sehen, lief am {until} ab"
        )
        renew = Text("restart the gateway; it makes a new one", "das Gateway neu starten; es macht ein neues")
        return fail(Layer.TLS, text, renew if own else remedy, **values)
    text = Text("the certificate is valid until {until}", "das Zertifikat gilt bis {until}")
    left = (until - datetime.now(UTC)).total_seconds()
    status = CheckStatus.OK if own else graded(left, limits.TLS_CERTIFICATE_LEFT)  # the gateway renews its own
    return measured(Layer.TLS, status, text, remedy, **values)


def _expiry(settings: Settings, served: bytes | None) -> datetime | None:
    if served is not None:
        return x509.load_der_x509_certificate(served).not_valid_after_utc
    seconds = tls.expiry(settings)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


# ---- token ------------------------------------------------------------------


def token(settings: Settings, *, accepted: bool | None) -> CheckResult:
    """Return whether there is a token and the gateway accepts it; `accepted` None: it could not be asked."""
    wrong = Text(
        "the gateway that runs has another token than these settings",
        "das laufende Gateway hat ein anderes Token als diese Einstellungen",
    )
    restart = Text(
        "restart the gateway, or correct GATEWAY_API_TOKEN (or the file api_token); tills need the same one",
        "das Gateway neu starten, oder GATEWAY_API_TOKEN (oder api_token) berichtigen; Kassen brauchen dasselbe",
    )
    try:
        found = lan_token.load_token(settings)
    except ConfigurationError as error:
        if not _exists(settings.state_dir):
            return unknown(Layer.TOKEN, NOT_STARTED)
        return fail(Layer.TOKEN, Text("{error}", "{error}"), restart, error=error)
    if accepted is False:
        return fail(Layer.TOKEN, wrong, restart)
    file = settings.state_dir / "api_token"
    if not found.configured and S_IMODE(file.stat().st_mode) & _OTHERS:
        return warn(
            Layer.TOKEN,
            Text("others may read {file}", "andere dürfen {file} lesen"),
            Text("chmod 600 {file}", "chmod 600 {file}"),
            file=file,
        )
    if not lan_token.is_as_wanted(settings, found):
        return warn(
            Layer.TOKEN,
            Text(
                "GATEWAY_TOKEN_DIGITS={digits} is for tokens that are made; the one that is kept is another",
                "GATEWAY_TOKEN_DIGITS={digits} gilt für neue Token; das vorhandene ist anders",
            ),
            Text("`tse-gateway token rotate lan`", "`tse-gateway token rotate lan`"),
            digits=settings.token_digits,
        )
    return ok(
        Layer.TOKEN,
        Text("the gateway accepts it", "das Gateway nimmt es an") if accepted else Text("it is there", "es ist da"),
    )


def _exists(directory: Path) -> bool:
    try:
        return directory.is_dir()
    except OSError:  # this user may not see it, so it does exist
        return True


async def token_is_accepted(settings: Settings) -> bool | None:
    """Ask the gateway over TLS, once; return None if it could not be asked."""
    try:
        async with api.over_tls(settings):
            return True
    except api.Refused as refused:
        return False if refused.http_status == 401 else None
    except GatewayError:
        return None
