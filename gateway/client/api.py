"""A client of the JSON API, for the gateway on this machine or one elsewhere."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import NEEDS_CLEANUP_CLOSED
from yarl import URL

from gateway.client.trust import WHOSE, NoGateway, listens, pinned, socket_listens
from gateway.config.secret import checked_token, read_secret
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.text import Language, Text, literal, reason_of
from gateway.server.http.unix_socket import socket_path
from gateway.storage import strict_json
from gateway.telemetry.log import register_secret

if TYPE_CHECKING:
    from gateway.driver.lan.connection import Trust

_TOKEN_REFUSED = Text("{place} refuses the API token", "{place} lehnt das API-Token ab")
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)
_READ = aiohttp.ClientTimeout(total=120, sock_connect=10)
_WRITE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=4 * 3600)  # archiving all of a full store


@dataclass(frozen=True, slots=True)
class Remote:
    """A gateway on another machine, why it is trusted, and what lets us in: a token, a certificate with its key."""

    url: str
    token_file: Path | None
    ca_file: Path | None = None
    fingerprint: str = ""
    certificate: Path | None = None

    def access(self) -> tuple[URL, str, "Trust"]:
        """Return its address, its token and whom to trust: never anybody, or the token would leak.

        The token is empty if there is none.

        Raises:
            ConfigurationError: something of it cannot be used.
        """
        from gateway.driver.lan.upstream import trust_of

        url = URL(self.url)
        if url.scheme != "https" or not url.host:
            raise ConfigurationError(Text("--url must be https://HOST:PORT", "--url muss https://HOST:PORT sein"))
        token = ""
        if self.token_file is not None:
            try:
                token = checked_token(read_secret(str(self.token_file)))
            except ValueError as error:
                raise ConfigurationError(Text("--token-file: {error}", "--token-file: {error}"), error=error) from None
            register_secret(token)
        return url, token, trust_of(self.ca_file, self.fingerprint) or True

    def show_certificate(self, trust: ssl.SSLContext | bool) -> ssl.SSLContext | bool:
        """Return a context that trusts as `trust` and shows the client certificate, if there is one.

        Raises:
            ConfigurationError: it cannot be used.
        """
        if self.certificate is None:
            return trust
        context = ssl.create_default_context() if isinstance(trust, bool) else trust
        try:
            context.load_cert_chain(self.certificate, password="")  # never ask for a password on the terminal
        except OSError as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else reason_of(error)
            raise ConfigurationError(
                Text(
                    "--client-certificate: {certificate} cannot be used: {reason}",
                    "--client-certificate: {certificate} ist nicht zu gebrauchen: {reason}",
                ),
                certificate=self.certificate,
                reason=reason,
            ) from None
        return context


class Refused(GatewayError):
    """The gateway refused a request; `problem` is the problem document of its response (RFC 9457)."""

    code = "refused"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        text = str(problem.get("detail") or problem.get("title") or HTTPStatus(status).phrase)
        wrong = [f"{place.get('at')}: {place.get('message')}" for place in problem.get("errors") or ()]
        told = "; ".join([text, *wrong])  # in the language that was asked for
        super().__init__(literal(told, told))
        self.http_status = status
        self.problem = problem
        self.reason = str(problem.get("code", ""))


class Api:
    """Requests to one gateway. Paths are those below /api/v1; `place` names the gateway in messages.

    `language` is that of what the gateway says to people.
    """

    def __init__(self, session: aiohttp.ClientSession, place: str, language: Language = "en") -> None:
        self._session = session
        self.place = place
        self.language = language

    async def get(self, path: str, **params: Any) -> Any:
        """Return what is at `path`: decoded JSON, or text."""
        return await self._ask("GET", path, params=params, timeout=_READ)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send `body` as JSON to `path` and return the response: decoded JSON, or text."""
        return await self._ask("POST", path, json=body, timeout=_WRITE)

    @asynccontextmanager
    async def opened(self, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a response that the caller reads piece by piece.

        Raises:
            Refused: the gateway refused it.
            NoGateway: it broke off.
        """
        try:
            async with self._session.get(f"/api/v1{path}", **options) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise await _refusal(response)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._broken_off(error) from None

    async def health(self) -> Any:
        """Return the document of /readyz, whatever its HTTP status."""
        return self._parsed((await self._text("/readyz")).encode())

    async def metrics(self) -> str:
        """Return what Prometheus would scrape, as text."""
        return await self._text("/metrics")

    async def _text(self, path: str) -> str:
        try:
            async with self._session.get(path) as response:
                return await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._broken_off(error) from None

    def _parsed(self, body: bytes) -> Any:
        try:
            return strict_json.parse(body)
        except ValueError:
            raise NoGateway(
                Text(
                    "what answers at {place} is no gateway: it sends no JSON",
                    "was an {place} antwortet, ist kein Gateway: es sendet kein JSON",
                ),
                place=self.place,
            ) from None

    def _broken_off(self, error: Exception) -> NoGateway:
        return NoGateway(
            Text(
                "the gateway at {place} broke off ({error})",
                "die Verbindung zum Gateway {place} ist abgebrochen ({error})",
            ),
            place=self.place,
            error=error or type(error).__name__,
        )

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            async with self._session.request(method, f"/api/v1{path}", **options) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise await _refusal(response)
                body = await response.read()
                return (
                    self._parsed(body) if response.content_type == "application/json" else body.decode(errors="replace")
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._broken_off(error) from None


@asynccontextmanager
async def local(settings: Settings, language: Language = "en") -> AsyncIterator[Api]:
    """Reach the gateway that runs with these settings on this machine: by its socket, else by TLS and its token.

    Raises:
        NoGateway: none runs.
        Refused: it has another token.
    """
    path = socket_path(settings)
    if await asyncio.to_thread(socket_listens, path, token_known=settings.api_token is not None):
        async with over_socket(path, language) as api:
            yield api
        return
    if not await listens(settings):
        place = f"{settings.local_address}:{settings.port}"
        raise NoGateway(
            Text(
                "no gateway answers at {place}: start it with `tse-gateway serve`",
                "an {place} antwortet kein Gateway: mit `tse-gateway serve` starten",
            ),
            place=place,
        )
    async with over_tls(settings, language) as api:
        yield api


@asynccontextmanager
async def over_tls(settings: Settings, language: Language = "en") -> AsyncIterator[Api]:
    """Reach the gateway of these settings as tills do: by its port and its token.

    Raises:
        NoGateway: what answers there is none, or not that of these settings.
        Refused: it has another token.
    """
    from gateway.access.lan_token import load_token
    from gateway.server.http import tls  # most commands go by the socket, and need none of this

    place = f"{settings.local_address}:{settings.port}"
    try:
        token, context = load_token(settings), tls.client_context(settings)
    except ConfigurationError as error:
        raise ConfigurationError(
            Text(
                "{place} answers, but is it a gateway of these settings? {error}. {whose}",
                "{place} antwortet, aber ist es ein Gateway mit diesen Einstellungen? {error}. {whose}",
            ),
            place=place,
            error=error,
            whose=WHOSE,
        ) from None
    async with _session(f"https://{place}", context, token.value, language) as session:
        yield await _checked(Api(session, place, language))


@asynccontextmanager
async def remote(target: Remote, language: Language = "en") -> AsyncIterator[Api]:
    """Reach a gateway elsewhere.

    Raises:
        NoGateway: it does not respond, or is another one than it should be.
    """
    url, token, trust = target.access()
    if isinstance(trust, aiohttp.Fingerprint):
        trust = await pinned(url, trust.fingerprint)
    async with _session(str(url.origin()), target.show_certificate(trust), token, language) as session:
        yield await _checked(Api(session, f"{url.host}:{url.port}", language))


@asynccontextmanager
async def over_socket(path: Path, language: Language = "en") -> AsyncIterator[Api]:
    """Reach the gateway that listens at a Unix socket."""
    connector = aiohttp.UnixConnector(str(path))
    headers = {hdrs.ACCEPT_LANGUAGE: language}
    async with aiohttp.ClientSession(
        "http://localhost", connector=connector, timeout=_STREAM, headers=headers
    ) as session:
        yield Api(session, str(path), language)


@asynccontextmanager
async def _session(
    base: str, trust: ssl.SSLContext | bool, token: str, language: Language
) -> AsyncIterator[aiohttp.ClientSession]:
    # What the gateway closes is aborted with the session, not left behind in the middle of the end of TLS.
    connector = aiohttp.TCPConnector(ssl=trust, enable_cleanup_closed=NEEDS_CLEANUP_CLOSED)
    headers = {hdrs.ACCEPT_LANGUAGE: language} | ({hdrs.AUTHORIZATION: f"Bearer {token}"} if token else {})
    async with aiohttp.ClientSession(base, connector=connector, timeout=_STREAM, headers=headers) as session:
        yield session


async def _checked(api: Api) -> Api:
    """Send one request, so that a wrong token or address is an error of its own."""
    try:
        await api.get("/tses")
    except Refused as error:
        if error.http_status == HTTPStatus.UNAUTHORIZED:
            detail = _TOKEN_REFUSED.in_language(api.language, place=api.place)
            raise Refused(error.http_status, {**error.problem, "detail": detail}) from None
        raise
    return api


async def _refusal(response: aiohttp.ClientResponse) -> Refused:
    try:
        problem = strict_json.parse(await response.read())
    except ValueError:
        problem = {}
    return Refused(response.status, problem if isinstance(problem, dict) else {})
