"""Who may ask: the API token, as Basic `lantse:<token>` (tills) or Bearer (scrapers, our own tools).

A right token is let in at once. A wrong one gets its answer late. An address that was never right and
wrong too often is judged one try at a time, slowly: so six digits cannot be tried out from a foreign
device, while tills that share an address with whoever guesses stay unaffected once one of them was right.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal

from gateway.config.secret import checked_token
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError, Unauthorized
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.events import Event, event
from gateway.telemetry.log import register_secret
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

USER = b"lantse"
_FILE = "api_token"
_LONG_TOKEN_BYTES = 20
_ALLOWED_ERRORS = 10  # per address and minute, before each try has to wait
_ERROR_WINDOW = 60.0
_MOST_WAITING = 20  # tries of one suspicious address at the same time; more are refused unseen
_MOST_ADDRESSES = 4096


@dataclass(frozen=True, slots=True)
class Token:
    """The API token and where it comes from."""

    value: str = field(repr=False)
    configured: bool = False


@dataclass(slots=True)
class _Peer:
    errors: list[float] = field(default_factory=list)
    was_right: bool = False
    warned: float = float("-inf")
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Gatekeeper:
    """Judges the Authorization header of each request."""

    def __init__(
        self, token: Token, metrics: Metrics, *, delay: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = token.value.encode()
        self._metrics = metrics
        self._delay = delay
        self._clock = clock
        self._peers: OrderedDict[str, _Peer] = OrderedDict()

    async def admit(self, header: str | None, address: str) -> None:
        """Return if the header holds the token.

        Raises:
            Unauthorized: it does not; raised late, so that guessing is slow.
        """
        if header is None:  # nothing was guessed: a browser that asks for the first time
            self._metrics.requests.unauthorized("missing")
            raise _refusal()
        peer = self._peer(address)
        if self._suspicious(peer):
            await self._judge_slowly(peer, header, address)
        elif self._right(header):
            peer.was_right = True
        else:
            self._note_error(peer, address)
            await asyncio.sleep(self._delay)
            raise _refusal()

    async def _judge_slowly(self, peer: _Peer, header: str, address: str) -> None:
        if peer.waiting >= _MOST_WAITING:
            self._note_error(peer, address, "throttled")
            raise _refusal()
        peer.waiting += 1
        try:
            async with peer.turn:
                if self._suspicious(peer):
                    await asyncio.sleep(self._delay)
                if not self._right(header):
                    self._note_error(peer, address)
                    raise _refusal()
                peer.was_right = True
        finally:
            peer.waiting -= 1

    def _right(self, header: str) -> bool:
        user, token = _credentials(header)
        # Both are compared in any case: the time taken tells nothing about either.
        return hmac.compare_digest(user, USER) & hmac.compare_digest(token, self._token)

    def _suspicious(self, peer: _Peer) -> bool:
        if peer.was_right:
            return False
        since = self._clock() - _ERROR_WINDOW
        return len(peer.errors) >= _ALLOWED_ERRORS and peer.errors[-_ALLOWED_ERRORS] > since

    def _note_error(self, peer: _Peer, address: str, why: Literal["wrong", "throttled"] = "wrong") -> None:
        self._metrics.requests.unauthorized(why)
        now = self._clock()
        repeated = bool(peer.errors) and now - peer.errors[-1] < _ERROR_WINDOW
        told = event(Event.LOGIN_REFUSED, peer=address)
        log.log(logging.DEBUG if repeated else logging.WARNING, "wrong API token from %s", address, extra=told)
        peer.errors = [*peer.errors[-_ALLOWED_ERRORS + 1 :], now]
        if self._suspicious(peer) and now - peer.warned >= _ERROR_WINDOW:
            peer.warned = now
            slowed = event(Event.LOGIN_SLOWED, peer=address)
            log.warning("%s tries wrong API tokens again and again: its tries have to wait", address, extra=slowed)

    def _peer(self, address: str) -> _Peer:
        network = _network(address)
        peer = self._peers.setdefault(network, _Peer())
        self._peers.move_to_end(network)
        while len(self._peers) > _MOST_ADDRESSES:
            self._peers.popitem(last=False)
        return peer


def load_or_create_token(settings: Settings) -> Token:
    """The configured token, else the kept one, else a new one that is kept from now on.

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
    """The token of the gateway that runs with these settings.

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


def _network(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    # Whoever has one IPv6 address has 2**64 of them.
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _refusal() -> Unauthorized:
    return Unauthorized("the API token is missing or wrong")
