"""The ways to send a message. Each tries once, and says in one sentence why it failed."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol

import aiohttp

from gateway import __version__
from gateway.config.secret import webhook_key
from gateway.i18n.text import Text, TextError
from gateway.notifications.message import Message

log = logging.getLogger(__name__)

_NOT_TAKEN = Text(
    "the mail server {host}:{port} did not take it: {reason}",
    "der Mailserver {host}:{port} hat sie nicht angenommen: {reason}",
)
_NOT_CALLED = Text("the webhook could not be called: {reason}", "der Webhook ließ sich nicht aufrufen: {reason}")
_OTHER_STATUS = Text("the webhook answered with status {status}", "der Webhook antwortete mit Status {status}")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class NotSent(TextError):
    """A message could not be sent now."""


class Channel(Protocol):
    """One way to send messages."""

    @property
    def name(self) -> str:
        """The name in log lines, metrics and answers."""

    async def send(self, message: Message) -> None:
        """Send it.

        Raises:
            NotSent: it was not sent, or nobody knows.
        """


@dataclass(frozen=True, slots=True)
class Mail:
    """Mail by SMTP. Encrypted always, unless the server runs on this machine and offers nothing.

    `tls`: from the first byte on (RFC 8314, 3.3), else by STARTTLS.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = "mail"

    async def send(self, message: Message) -> None:
        """Hand it to the mail server."""
        import aiosmtplib  # late, since most gateways send no mail

        starts_tls = None if self.host in _HERE else True  # None: if it is offered
        trust = await asyncio.to_thread(ssl.create_default_context)  # it reads all CA certificates
        try:
            refused, _ = await aiosmtplib.send(
                self._mail(message),
                sender=self.sender,
                recipients=list(self.recipients),
                hostname=self.host,
                port=self.port,
                username=self.user or None,
                password=self.password or None,
                use_tls=self.tls,
                start_tls=False if self.tls else starts_tls,
                tls_context=trust,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise NotSent(_NOT_TAKEN, host=self.host, port=self.port, reason=_reason(error)) from None
        for recipient, answer in refused.items():  # the others have it, and would get it twice
            log.warning("the mail server refused a recipient: %s: %s", recipient, answer.message)

    def _mail(self, message: Message) -> EmailMessage:
        domain = self.sender.rpartition("@")[2]
        mail = EmailMessage()
        mail["From"] = Address("TSE-Gateway", addr_spec=self.sender)
        mail["To"] = ", ".join(self.recipients)
        mail["Subject"] = " ".join(message.subject.split())
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        if message.first not in {"", message.id}:
            mail["References"] = mail["In-Reply-To"] = f"<{message.first}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply
        if message.serious and message.kind == "problem":
            mail["Importance"] = "high"
        mail.set_content(message.text)
        return mail


@dataclass(frozen=True, slots=True)
class Webhook:
    """A POST of JSON, signed as Standard Webhooks says (https://www.standardwebhooks.com). `now` in Unix seconds."""

    url: str
    secret: str = field(repr=False)
    site: str = ""
    now: Callable[[], float] = time.time
    name: str = "webhook"

    async def send(self, message: Message) -> None:
        """Post it; any status of 2xx counts as taken."""
        body = json.dumps(self._content(message)).encode()
        moment = str(int(self.now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"tse-gateway/{__version__}",
            "webhook-id": message.id,
            "webhook-timestamp": moment,
            "webhook-signature": signature(self.secret, message.id, moment, body),
        }
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotSent(_NOT_CALLED, reason=_reason(error)) from None
        if status not in range(200, 300):
            raise NotSent(_OTHER_STATUS, status=status)

    def _content(self, message: Message) -> dict[str, object]:
        return {
            "type": f"tse_gateway.{message.kind}",
            "timestamp": datetime.fromtimestamp(message.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "data": {
                "code": message.code,
                "problem_id": message.first or None,
                "severity": "critical" if message.serious else "warning",
                "site": self.site,
                "tse_serial": message.serial or None,
                "subject": message.subject,
                "text": message.text,
            },
        }


def signature(secret: str, name: str, moment: str, body: bytes) -> str:
    """Return the header of a webhook: HMAC-SHA256 over id, time and body, by the key in `secret`."""
    signed = b".".join((name.encode(), moment.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(webhook_key(secret), signed, hashlib.sha256)).decode()


def _reason(error: Exception) -> str:
    text = getattr(error, "message", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]
