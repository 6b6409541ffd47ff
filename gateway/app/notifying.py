"""Notifications as the settings want them, and the look at what needs attention."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.app.problems import SiteProblems
from gateway.app.services import GatewayCore
from gateway.config.mail import mail_server
from gateway.config.settings import Settings
from gateway.fleet.maintenance.scheduler import MaintenanceOptions
from gateway.i18n.locales import Locale
from gateway.notifications.channels import Channel, Mail, Webhook
from gateway.notifications.kept_messages import FILE, KeptMessages
from gateway.notifications.message import Writer
from gateway.notifications.service import Notifications
from gateway.server.status_page.snapshot import Snapshot
from gateway.storage.writable import WritableCheck
from gateway.tasks import beside
from gateway.telemetry.log import register_secret
from gateway.telemetry.metrics import Metrics

LOOK_EVERY = 15.0  # seconds


def notifications_of(settings: Settings, metrics: Metrics) -> Notifications:
    """Return the notifications, which send nothing by themselves yet; from now on no log shows their secrets."""
    channels = [*_mail(settings), *_webhook(settings)]
    kept = KeptMessages(settings.state_dir / FILE, [channel.name for channel in channels])
    host = f"[{settings.address}]" if ":" in settings.address else settings.address
    writer = Writer(Locale(settings.notify_language), settings.site, f"https://{host}:{settings.port}/")
    return Notifications(channels, kept, writer, metrics)


@asynccontextmanager
async def notifying(
    core: GatewayCore, snapshot: Callable[[int], Snapshot], writable: WritableCheck, maintenance: MaintenanceOptions
) -> AsyncIterator[None]:
    """Tell what needs attention while the block runs, if anybody is to be told."""
    notifications, settings = core.notifications, core.settings
    if not notifications.channels:
        yield
        return
    clock, locale = maintenance.clock if maintenance.pins else None, Locale(settings.notify_language)
    problems = SiteProblems(settings, core.registry, snapshot, writable, clock, locale)
    await notifications.load()
    async with beside(notifications=notifications.run(), problems=_observe(notifications, problems)):
        yield


async def _observe(notifications: Notifications, problems: SiteProblems) -> None:
    while True:
        await notifications.observe(*await problems.now())
        await asyncio.sleep(LOOK_EVERY)


def _mail(settings: Settings) -> list[Channel]:
    if not settings.notify_mail_to:
        return []
    user, password = settings.notify_mail_user, settings.notify_mail_password
    sender = settings.notify_mail_from or (user if "@" in user else settings.notify_mail_to[0])
    secret = "" if password is None else password.get_secret_value()
    register_secret(secret)
    server = mail_server(settings.notify_mail_server)
    return [Mail(*server, sender, settings.notify_mail_to, server.tls, user, secret)]


def _webhook(settings: Settings) -> list[Channel]:
    if settings.notify_webhook_secret is None:
        return []
    secret = settings.notify_webhook_secret.get_secret_value()
    register_secret(secret)
    return [Webhook(settings.notify_webhook_url, secret, settings.site)]
