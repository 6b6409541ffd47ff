"""A mail server and a webhook that keep what they get, and refuse it when told to."""

import asyncio
import email
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway.server.http.certificate_authority import ca_path, ensure_server_certificate

ELSEWHERE = "127.0.0.2"  # is this machine, too, but mails go there by TLS only
USER, PASSWORD = "tse@shop.example", "a secret: ümlaut"


@dataclass
class MailServer:
    """Takes mails unless `refusal` is set; `taken` is told of each. `logins` are those that were right."""

    mails: list[EmailMessage] = field(default_factory=list)
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: str = ""
    logins: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        self.tried.set()
        if self.refusal:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.taken.set()
        return "250 taken"

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        if right:
            self.logins.append(data.login.decode())
        return AuthResult(success=right, handled=right)

    async def until(self, count: int) -> list[EmailMessage]:
        """The mails, as soon as there are so many."""
        while len(self.mails) < count:
            self.taken.clear()
            await self.taken.wait()
        return self.mails


@asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, *, at_once: bool = False, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[MailServer]:
    """By `tls` STARTTLS is offered, or all is TLS `at_once`; then a login is asked for."""
    kept = MailServer()

    def connection() -> SMTP:
        return SMTP(
            kept,
            hostname="mail.example",
            tls_context=None if at_once else tls,
            auth_required=tls is not None,
            auth_require_tls=not at_once,
            authenticator=kept.authenticate,
        )

    loop = asyncio.get_running_loop()
    # It cannot know that all is TLS already.
    warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS", UserWarning)
    server = await loop.create_server(connection, host, port, ssl=tls if at_once else None)
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        server.close()


@dataclass
class Hook:
    """Answers with `status`; `calls` are headers and body of each, `taken` those whose status was good."""

    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 200
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls.append(({name.lower(): value for name, value in request.headers.items()}, body))
        if self.status in range(200, 300):
            self.taken.append(self.calls[-1])
        self.called.set()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    async def until(self, count: int) -> None:
        while len(self.calls) < count:
            self.called.clear()
            await self.called.wait()


@asynccontextmanager
async def webhook(port: int = 0) -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hook.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/tse"
    try:
        yield hook
    finally:
        await runner.cleanup()


def server_tls(directory: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """TLS of a server called `name`, and the certificate of its authority."""
    directory.mkdir(exist_ok=True)
    certificate = ensure_server_certificate(directory, frozenset({name}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context, ca_path(directory)
