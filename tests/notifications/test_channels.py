"""Mails by SMTP with TLS and login, and signed webhook calls, to real servers."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.secret import webhook_key
from gateway.i18n.locales import Locale
from gateway.notifications.channels import Mail, NotSent, Webhook
from gateway.notifications.message import Message, Writer
from gateway.notifications.problem import OpenProblem
from tests.notifications.receivers import ELSEWHERE, PASSWORD, USER, mail_server, server_tls, webhook

SERIAL = "43B61A2B" + "0" * 56
FULL = OpenProblem("store_fills", "Der Speicher ist zu 85 % belegt.", "Alles exportieren.", SERIAL, serious=True)
WRITER = Writer(Locale("de"), "Köln", "https://10.0.0.5:4433/")
TOLD = WRITER.problem("1" * 32, 1_764_000_000.0, FULL, 1_764_000_000.0, "")
OVER = WRITER.resolved("2" * 32, 1_764_000_600.0, TOLD)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


def mail_to(port: int, host: str = "127.0.0.1", **given: object) -> Mail:
    return replace(Mail(host, port, "tse@shop.example", ("chef@shop.example", "it@shop.example")), **given)  # type: ignore[arg-type]


async def test_a_mail_says_what_is_wrong_what_helps_and_where() -> None:
    async with mail_server() as server:
        await mail_to(server.port).send(TOLD)
        await mail_to(server.port).send(OVER)
    problem, over = server.mails
    assert problem["Subject"] == "[Köln] Der Speicher ist zu 85 % belegt (TSE 43B61A2B)"
    text = problem.get_content()
    for part in ("Alles exportieren.", SERIAL, "https://10.0.0.5:4433/", "Diese Nachricht kommt einmal"):
        assert part in text
    assert (problem["To"], problem["Importance"]) == ("chef@shop.example, it@shop.example", "high")
    assert problem["Auto-Submitted"] == "auto-generated"
    assert over["Subject"] == "[Köln] Behoben: Der Speicher ist zu 85 % belegt (TSE 43B61A2B)"
    assert over["In-Reply-To"] == problem["Message-ID"] == f"<{'1' * 32}@shop.example>"


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_mail_goes_by_tls_and_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: bool) -> None:
    tls, authority = server_tls(tmp_path / "tls", ELSEWHERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with mail_server(tls, at_once=at_once, host=ELSEWHERE) as server:
        mail = mail_to(server.port, ELSEWHERE, tls=at_once, user=USER, password=PASSWORD)
        await mail.send(TOLD)
        with pytest.raises(NotSent, match="did not take it"):
            await replace(mail, password="wrong").send(TOLD)
    assert (len(server.mails), server.logins) == (1, [USER])


async def test_no_mail_goes_to_a_stranger_or_in_the_clear(tmp_path: Path) -> None:
    tls, _ = server_tls(tmp_path / "tls", ELSEWHERE)
    async with mail_server(tls, host=ELSEWHERE) as stranger, mail_server(host=ELSEWHERE) as clear:
        with pytest.raises(NotSent, match="certificate verify failed"):
            await mail_to(stranger.port, ELSEWHERE).send(TOLD)
        with pytest.raises(NotSent, match="STARTTLS"):
            await mail_to(clear.port, ELSEWHERE).send(TOLD)
    assert stranger.mails == clear.mails == []


async def test_why_a_mail_was_not_taken_is_told_in_one_sentence() -> None:
    async with mail_server() as server:
        server.refusal = "552 mailbox full"
        with pytest.raises(NotSent, match=rf"127.0.0.1:{server.port} did not take it: mailbox full"):
            await mail_to(server.port).send(TOLD)
    with pytest.raises(NotSent, match="did not take it"):
        await mail_to(server.port).send(TOLD)


async def test_a_webhook_call_is_signed_as_standard_webhooks_says() -> None:
    async with webhook() as hook:
        await Webhook(hook.url, SECRET, "Köln", now=lambda: 1_764_000_700.0).send(TOLD)
    ((headers, body),) = hook.calls
    signed = f"{'1' * 32}.1764000700.".encode() + body
    expected = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-id"] == "1" * 32
    assert headers["webhook-timestamp"] == "1764000700"
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body) == {
        "type": "tse_gateway.problem",
        "timestamp": "2025-11-24T16:00:00Z",
        "data": {
            "code": "store_fills",
            "problem_id": "1" * 32,
            "severity": "critical",
            "site": "Köln",
            "tse_serial": SERIAL,
            "subject": TOLD.subject,
            "text": TOLD.text,
        },
    }


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_webhook_that_does_not_take_it_is_not_followed_elsewhere(status: int) -> None:
    async with webhook() as hook:
        hook.status = status
        with pytest.raises(NotSent, match=f"status {status}"):
            await Webhook(hook.url, SECRET).send(TOLD)
    assert len(hook.calls) == 1


def test_a_message_that_was_kept_is_the_same() -> None:
    assert Message.from_json(json.loads(json.dumps(OVER.as_json()))) == OVER
    for damaged in (OVER.as_json() | {"kind": "else"}, OVER.as_json() | {"at": "now"}, {}):
        with pytest.raises((KeyError, ValueError)):
            Message.from_json(damaged)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_?", SECRET[6:], SECRET + "="])
def test_a_key_of_another_form_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="should be whsec_ and 24 to 64 random bytes as base64"):
        webhook_key(secret)
