"""`notify test` sends by what is set up, and says what became of it."""

import asyncio
import json
from pathlib import Path

from tests.cli.background import running, settings_of
from tests.notifications.receivers import mail_server, webhook
from tests.notifications.test_channels import SECRET


async def test_a_test_message_is_sent_and_what_failed_is_told(tmp_path: Path) -> None:
    async with mail_server() as server, webhook() as hook:
        settings = settings_of(
            tmp_path / "state",
            simulators=0,
            site="Köln",
            notify_mail_to="chef@shop.example",
            notify_mail_server=f"127.0.0.1:{server.port}",
            notify_webhook_url=hook.url,
            notify_webhook_secret=SECRET,
        )
        with running(settings) as shop:
            sent = await asyncio.to_thread(shop.call, "notify test --language de")
            hook.status = 503
            failed = await asyncio.to_thread(shop.call, "notify test --json")
    assert (sent.status, sent.out) == (
        0,
        "Mail: Die Testnachricht wurde gesendet\nWebhook: Die Testnachricht wurde gesendet\n",
    )
    assert [mail["Subject"] for mail in server.mails] == ["[Köln] Testnachricht"] * 2
    assert json.loads(hook.calls[0][1])["type"] == "tse_gateway.test"
    assert failed.status == 1
    assert [(result["channel"], result["sent"]) for result in json.loads(failed.out)] == [
        ("mail", True),
        ("webhook", False),
    ]
    assert "status 503" in json.loads(failed.out)[1]["error"]


def test_without_a_channel_it_says_which_setting_helps(tmp_path: Path) -> None:
    with running(settings_of(tmp_path / "state", simulators=0)) as shop:
        said = shop.call("notify test")
    assert said.status == 1
    assert "GATEWAY_NOTIFY_MAIL_TO" in said.err
