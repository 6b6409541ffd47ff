"""Serves one command when no gateway runs: the same services, behind a socket that only the command can open."""

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.access.audit import FILE as AUDIT_FILE
from gateway.access.audit import AuditLog
from gateway.access.lan_token import Token, known_token
from gateway.access.tokens import Tokens
from gateway.app import services
from gateway.app.notifying import notifications_of
from gateway.client.api import Api, over_socket
from gateway.config.settings import Settings
from gateway.driver.usb.block_devices import Roots
from gateway.driver.usb.discovery import Discovery, Sighting
from gateway.driver.usb.probe import ProbeVerdict
from gateway.errors import ConfigurationError
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.fleet.outages.log import OutageLog
from gateway.i18n.text import NOTHING, Language, Text, joined
from gateway.operations.elster import FILE as ELSTER_FILE
from gateway.operations.elster import SiteTills
from gateway.operations.lan import LanTse
from gateway.server.api.routes import routes
from gateway.server.http import application, unix_socket
from gateway.server.http.listener import running
from gateway.storage import state_dir
from gateway.telemetry.metrics import Metrics

_SHUTDOWN = 60.0  # seconds for what the command still waits for
_NOT_YOURS = Text(
    "{directory} is not yours: run this as the user of the gateway",
    "{directory} gehört einem anderen: den Befehl als Benutzer des Gateways aufrufen",
)
_NOT_FOUND = Text(
    "no gateway runs here, and no TSE was found: plug one in, name one in GATEWAY_DEVICES, or try "
    "`tse-gateway serve --simulator 1`",
    "hier läuft kein Gateway, und es wurde keine TSE gefunden: eine einstecken, in GATEWAY_DEVICES nennen, oder "
    "`tse-gateway serve --simulator 1` versuchen",
)
_CANNOT_BE_OPENED = Text(
    "no gateway runs here, and no TSE can be opened: {troubles}",
    "hier läuft kein Gateway, und keine TSE lässt sich öffnen: {troubles}",
)


class NoTse(ConfigurationError):
    """Neither a gateway nor a TSE of this machine can be asked."""

    code = "no_tse"


@asynccontextmanager
async def serving(
    settings: Settings, *, language: Language = "en", without_tse: bool = False, roots: Roots | None = None
) -> AsyncIterator[Api]:
    """Serve the JSON API over the TSEs of this machine; nothing listens at a port, and no TSE is maintained.

    `roots`: where its disks are looked for.

    Raises:
        NoTse: there is none that could be opened, and it cannot be done `without_tse`; the message says why.
        ConfigurationError: a gateway or another command uses the state directory, or a simulated TSE.
    """
    roots = roots or Roots()
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tse-gateway-")))
        kept = private
        if _is_ours(settings.state_dir):
            stack.enter_context(state_dir.opened(settings.state_dir))
            kept = settings.state_dir
        scratch = settings.model_copy(update={"state_dir": private, "local_socket": True})
        metrics = Metrics()
        maintenance = MaintenanceOptions(directory=kept / "tses", self_test=False, set_time=False)
        registry, _ = await start(services.fleet(settings, metrics, maintenance, roots))
        if not registry.devices() and not without_tse:
            raise NoTse(_why(await _seen(settings, roots)))
        archives = await start(
            services.archives(settings, registry, metrics, scheduled=False, refusal=_not_ours(settings))
        )
        nobody = Token(secrets.token_hex())  # who may open the socket may ask
        outages, notifications = OutageLog(settings.state_dir), notifications_of(settings, metrics)
        pool = services.pool(settings, registry, outages)
        core = services.GatewayCore(
            *(scratch, registry, metrics, outages, archives, pool, notifications, SiteTills(kept / ELSTER_FILE))
        )
        audit = AuditLog(kept / AUDIT_FILE if kept == settings.state_dir else None)
        tokens = (
            services.tokens(settings, known_token(settings) or nobody) if kept == settings.state_dir else Tokens(nobody)
        )
        api = await start(services.api(core, services.trusted_clock(settings), tokens, audit))
        lan = LanTse(registry, metrics, lock_wait=settings.lock_wait)
        web = application.build(scratch, lan, registry, metrics, tokens, api=routes(api), audit=audit)
        listener = await start(running(web, shutdown_timeout=_SHUTDOWN))
        await start(unix_socket.listening(listener, scratch))
        yield await start(over_socket(unix_socket.socket_path(scratch), language))


def _is_ours(state_dir: Path) -> bool:
    """Tell whether files may be written there: root must leave none that the gateway's user could not read."""
    try:
        return state_dir.stat().st_uid == os.geteuid() and os.access(state_dir, os.W_OK)
    except OSError:
        return False


def _not_ours(settings: Settings) -> Text:
    """Return why archives are not written from here, or nothing: they must not lie in a directory that goes away."""
    directory = settings.archive_dir or settings.state_dir
    return NOTHING if _is_ours(directory) else _NOT_YOURS.filled(directory=directory)


async def _seen(settings: Settings, roots: Roots) -> Sequence[Sighting]:
    """Return what is there now, troubles included: nobody waits for it to settle."""
    async with Discovery(roots, settings.devices, everywhere=settings.discovers, settle_time=0) as discovery:
        return await discovery.scan()


def _why(seen: Sequence[Sighting]) -> Text:
    place = Text("{place}: {way_out}", "{place}: {way_out}")
    troubles = [
        place.filled(place=sighting.place, way_out=sighting.way_out)
        for sighting in seen
        if sighting.verdict is not ProbeVerdict.TSE
    ]
    return _CANNOT_BE_OPENED.filled(troubles=joined(troubles, "; ")) if troubles else _NOT_FOUND
