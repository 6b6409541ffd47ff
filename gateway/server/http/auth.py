"""Who may ask: the API token, as Basic `lantse:<token>` (tills) or Bearer (scrapers, our own tools).

A right token is let in at once, whoever else tries from the same address; a wrong one gets its answer late, and its
connection ends. How many can be tried is bounded by the connections that are served (see `admission`). Tokens of fewer
than ten digits need more: after ten wrong ones within a minute those of an address are judged one after the other,
first come first served, except on connections that were right before.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from gateway.config.secret import checked_token
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError, Unauthorized
from gateway.server.http import connection
from gateway.server.http.admission import network_of
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event
from gateway.telemetry.log import register_secret
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.metrics.wrong_tokens import WINDOW

log = logging.getLogger(__name__)

USER = b"lantse"
_FILE = "api_token"
_LONG_TOKEN_BYTES = 20
_LONG = 10**10  # possible tokens; from here on nobody can try them all
_ALLOWED_ERRORS = 10  # per address and minute, before each try of a short token has to wait
_MOST_SLOWED = 8  # addresses in a minute of whom that is told
_MOST_WAITING = 45  # seconds that a try may wait for its turn; tills have given up after 60


@dataclass(frozen=True, slots=True)
class Token:
    """The API token and where it comes from."""

    value: str = field(repr=False)
    configured: bool = False


class Gatekeeper:
    """Judges the Authorization header of each request; `rate` is how many short tokens of an address a second."""

    def __init__(self, token: Token, metrics: Metrics, *, delay: float = 1.0, rate: float = 1.0) -> None:
        self._token = token.value.encode()
        self._is_short = _possible(token.value) < _LONG
        self._metrics = metrics
        self._delay = delay
        self._pause = 1 / rate
        self._turns: dict[str, _Turns] = {}
        self._wrong = 0  # since it was told last
        self._telling: asyncio.TimerHandle | None = None
        self._slowed: set[str] = set()

    async def admit_request(self, request: web.BaseRequest, header: str | None) -> None:
        """Return if the header holds the token; from then on the connection of the request may stay."""

        def connected() -> bool:
            return request.transport is not None and not request.transport.is_closing()

        known = connection.is_authenticated(request)
        await self.admit(header, request.remote or "", known=known, connected=connected)
        connection.authenticate(request)

    async def admit(
        self,
        header: str | None,
        address: str,
        *,
        known: bool = False,
        connected: Callable[[], bool] = lambda: True,
    ) -> None:
        """Return if the header holds the token; `known` are connections that have shown it before.

        Raises:
            Unauthorized: it does not; raised late, so that guessing is slow.
        """
        if header is None:  # nothing was guessed: a browser that asks for the first time
            self._metrics.requests.unauthorized("missing")
            raise _refusal()
        network = network_of(address)
        if self._is_short and not (known and self._right(header)):
            await self._wait_for_turn(network, connected)
        if not self._right(header):
            self._note_error(network)
            await asyncio.sleep(self._delay)
            raise _refusal()

    def _right(self, header: str) -> bool:
        user, token = _credentials(header)
        # Both are compared in any case: the time taken tells nothing about either.
        return hmac.compare_digest(user, USER) & hmac.compare_digest(token, self._token)

    async def _wait_for_turn(self, network: str, connected: Callable[[], bool]) -> None:
        """Return at once for an address without many errors, else when those who came before were judged or left."""
        if self._metrics.wrong_tokens.of(network) < _ALLOWED_ERRORS:
            return
        turns = self._turns.setdefault(network, _Turns())
        if sum(waits() for waits in turns.waiting) * self._pause >= _MOST_WAITING:
            self._note_error(network, "throttled")
            raise _refusal()
        turns.waiting.append(connected)
        try:
            async with turns.lock:
                if not connected():
                    raise _refusal()
                await asyncio.sleep(self._pause)
        finally:
            turns.waiting.remove(connected)
            if not turns.waiting:
                del self._turns[network]

    def _note_error(self, network: str, why: Literal["wrong", "throttled"] = "wrong") -> None:
        self._metrics.requests.unauthorized(why)
        self._metrics.wrong_tokens.note(network)
        self._wrong += 1
        if self._telling is None:
            log.warning("wrong API token from %s", network, extra=event(Event.LOGIN_REFUSED, peer=network))
            self._wrong = 0
            self._telling = asyncio.get_running_loop().call_later(WINDOW, self._tell)
        slow = self._is_short and self._metrics.wrong_tokens.of(network) >= _ALLOWED_ERRORS
        if slow and network not in self._slowed and len(self._slowed) < _MOST_SLOWED:
            self._slowed.add(network)
            slowed = event(Event.LOGIN_SLOWED, peer=network)
            log.warning("%s tries wrong API tokens again and again: its tries have to wait", network, extra=slowed)

    def _tell(self) -> None:
        """Sum up a minute, and go on with it as long as there is something to tell."""
        self._telling = None
        self._slowed.clear()
        if not self._wrong:
            return
        worst, most = self._metrics.wrong_tokens.worst()[0]
        guessed = event(Event.TOKENS_GUESSED, peer=worst, count=self._wrong)
        log.warning("%d wrong API tokens within a minute, most from %s (%d)", self._wrong, worst, most, extra=guessed)
        self._wrong = 0
        self._telling = asyncio.get_running_loop().call_later(WINDOW, self._tell)


@dataclass(slots=True)
class _Turns:
    """Of an address whose tries are judged one after the other; those that wait tell whether they still do."""

    waiting: list[Callable[[], bool]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def load_or_create_token(settings: Settings) -> Token:
    """Return the configured token, else the kept one, else a new one that is kept from now on.

    Raises:
        ConfigurationError: the kept token cannot be read or written.
    """
    token = _known_token(settings)
    if token is None:
        token = Token(_new_token(settings.token_digits))
        write_private(settings.state_dir / _FILE, f"{token.value}\n".encode())
    _keep_out_of_logs(token)
    return token


def load_token(settings: Settings) -> Token:
    """Return the token of the gateway that runs with these settings.

    Raises:
        ConfigurationError: it never ran.
    """
    token = _known_token(settings)
    if token is None:
        raise ConfigurationError(f"there is no token in {settings.state_dir}: start the gateway once, or set api_token")
    _keep_out_of_logs(token)
    return token


def _known_token(settings: Settings) -> Token | None:
    if settings.api_token is not None:
        return Token(settings.api_token.get_secret_value(), configured=True)
    path = settings.state_dir / _FILE
    stored = read_private(path)
    if stored is None:
        return None
    try:
        return Token(checked_token(stored.decode("ascii", errors="replace").strip()))
    except ValueError as error:
        raise ConfigurationError(
            f"the token in {path} cannot be used, it {error}: restore the file, or remove it to get a new token"
        ) from None


def _new_token(digits: int) -> str:
    if digits:
        return f"{secrets.randbelow(10**digits):0{digits}}"
    return secrets.token_hex(_LONG_TOKEN_BYTES)


def _keep_out_of_logs(token: Token) -> None:
    register_secret(token.value)
    register_secret(base64.b64encode(USER + b":" + token.value.encode()).decode())


def _credentials(header: str) -> tuple[bytes, bytes]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return USER, rest.strip().encode("utf-8", errors="replace")
    if scheme.lower() != "basic":
        return b"", b""
    try:
        user, _, token = base64.b64decode(rest.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b"", b""
    return user, token


def _possible(token: str) -> int:
    """Return how many tokens are as long as this one and made of the same kinds of characters."""
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase, string.punctuation + " ")
    return int(sum(len(kind) for kind in kinds if set(kind) & set(token)) ** len(token))


def _refusal() -> Unauthorized:
    return Unauthorized("the API token is missing or wrong")
