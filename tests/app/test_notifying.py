"""A gateway with notifications tells what needs attention."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.app.gateway import running
from gateway.server.http.certificate_authority import ensure_server_certificate
from tests.cli.background import settings_of
from tests.notifications.receivers import mail_server, webhook
from tests.notifications.test_channels import SECRET


async def test_a_gateway_looks_at_its_start_and_tells_by_mail_and_webhook(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=815)
    certificate = ensure_server_certificate(tmp_path, frozenset({"127.0.0.1"}), long_ago)
    async with webhook() as hook, mail_server() as server, asyncio.timeout(60):
        settings = settings_of(
            tmp_path / "state",
            tls_certificate=certificate,
            tls_key=certificate,
            site="Köln",
            notify_mail_to="chef@shop.example",
            notify_mail_server=f"127.0.0.1:{server.port}",
            notify_webhook_url=hook.url,
            notify_webhook_secret=SECRET,
        )
        async with running(settings):
            await hook.until(1)
            await server.until(1)
    assert json.loads(hook.calls[0][1])["data"]["code"] == "tls_certificate_ends"
    assert server.mails[0]["Subject"].startswith("[Köln] Das TLS-Zertifikat gilt nur noch 4 Tage")
