"""Who may ask: a token, as Basic `lantse:<token>` (tills) or Bearer (scrapers, our own tools).

A right token is let in at once, whoever else tries from the same address; a wrong one gets its answer late, and its
connection ends. How many can be tried is bounded by the connections that are served (see `admission`). Tokens of fewer
than ten digits need more: after ten wrong ones within a minute those of an address are judged one after the other,
first come first served, except on connections that were right before. So are guesses that cost a hash, while a token
of which only the hash is kept was not shown since the start; one is hashed at a time, those first whose address has
tried least.
"""

import asyncio
import base64
import binascii
import hmac
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from aiohttp import web

from gateway.access.accepted import AcceptedToken
from gateway.access.caller import Caller
from gateway.access.lan_token import USER
from gateway.access.tokens import Tokens
from gateway.errors import Unauthorized
from gateway.i18n.text import Text
from gateway.server.http import connection
from gateway.server.http.admission import network_of
from gateway.server.http.client_certificates import ClientCertificates
from gateway.server.http.ranked_turn import RankedTurn
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.metrics.wrong_tokens import WINDOW

log = logging.getLogger(__name__)

_ALLOWED_ERRORS = 10  # per address and minute, before each try of a short token has to wait
_MOST_SLOWED = 8  # addresses in a minute of whom that is told
_MOST_WAITING = 45  # seconds that a try may wait for its turn; tills have given up after 60


class Gatekeeper:
    """Judges the Authorization header of each request; `rate` is how many short tokens of an address a second.

    Tokens of the roles `need_certificates` count only with the client certificate of their name.
    """

    def __init__(
        self,
        tokens: Tokens,
        metrics: Metrics,
        *,
        delay: float = 1.0,
        rate: float = 1.0,
        need_certificates: Iterable[str] = (),
    ) -> None:
        self.tokens = tokens
        self.certificates = ClientCertificates(tokens, frozenset(need_certificates))
        self._metrics = metrics
        self._delay = delay
        self._pause = 1 / rate
        self._turns: dict[str, _Turns] = {}
        self._hash_turn = RankedTurn()
        self._hashing: Counter[str] = Counter()  # tries that are being hashed, by address
        self._wrong = 0  # since it was told last
        self._telling: asyncio.TimerHandle | None = None
        self._slowed: set[str] = set()

    async def admit_request(self, request: web.BaseRequest, header: str | None) -> Caller:
        """Return whose token the header holds; from then on the connection of the request may stay.

        Without a header the client certificate of the connection stands for the token that it names.

        Raises:
            Unauthorized: neither is right.
            Forbidden: the token needs a certificate that the connection does not show.
        """
        kept = connection.login_of(request)
        if isinstance(kept, _Login) and header is not None and kept.counts(header, self.tokens):
            return self._used(kept.caller)
        shown = self.certificates.token_of(request) if header is None else None
        if shown is not None:
            connection.authenticate(request)
            return self._used(shown.caller(request.remote or ""))

        def connected() -> bool:
            return request.transport is not None and not request.transport.is_closing()

        known = connection.is_authenticated(request)
        caller = await self.admit(header, request.remote or "", known=known, connected=connected)
        self.certificates.check(request, caller)
        connection.authenticate(request)
        if header is not None:
            caller = replace(caller, peer=connection.peer_of(request.transport))
            connection.keep_login(request, _Login.of(header, self.tokens, caller))
        return caller

    async def admit(
        self,
        header: str | None,
        address: str,
        *,
        known: bool = False,
        connected: Callable[[], bool] = lambda: True,
    ) -> Caller:
        """Return whose token the header holds; `known` are connections that have shown one before.

        Raises:
            Unauthorized: it holds none; raised late, so that guessing is slow.
        """
        if header is None:  # nothing was guessed: a browser that asks for the first time
            self._metrics.requests.unauthorized("missing")
            raise _refusal()
        network, token = network_of(address), _token(header)
        found = self.tokens.find(token)
        if found is None or (found.is_short and not known):
            if self.tokens.guessable:
                await self._wait_for_turn(network, connected)
            found = found or await self._by_hash(network, token, connected)
        if found is None:
            self._note_error(network)
            await asyncio.sleep(self._delay)
            raise _refusal()
        return self._used(found.caller(address))

    def _used(self, caller: Caller) -> Caller:
        self.tokens.uses.note(caller)
        self._metrics.tokens.used(caller.name, old=caller.old)
        return caller

    async def _by_hash(self, network: str, token: bytes, connected: Callable[[], bool]) -> AcceptedToken | None:
        """Return the token if it is one that was not shown yet.

        One is hashed at a time, those first whose address has tried least: whoever guesses delays nobody else.
        """
        if not self.tokens.needs_hash or not token:
            return None
        rank = self._metrics.wrong_tokens.of(network) + self._hashing[network]
        self._hashing[network] += 1
        try:
            async with asyncio.timeout(_MOST_WAITING), self._hash_turn.of(rank):
                return await self.tokens.verify(token) if connected() else None
        except TimeoutError:
            return None
        finally:
            self._hashing[network] -= 1
            self._hashing += Counter()  # leaves the zeros out

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
        slow = self.tokens.guessable and self._metrics.wrong_tokens.of(network) >= _ALLOWED_ERRORS
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


@dataclass(frozen=True, slots=True)
class _Login:
    """What the last request of a connection has shown; a till shows the same each time, and judging it takes 30 us."""

    header: bytes = field(repr=False)
    key: bytes = field(repr=False)
    token: AcceptedToken | None
    caller: Caller

    @classmethod
    def of(cls, header: str, tokens: Tokens, caller: Caller) -> "_Login":
        key = tokens.key_of(_token(header))
        return cls(_bytes(header), key, tokens.by_key(key), caller)

    def counts(self, header: str, tokens: Tokens) -> bool:
        """Return whether a header is this one, and its token is accepted as it was then."""
        # A proxy may bring others over the same connection: the time taken tells nothing.
        same = hmac.compare_digest(self.header, _bytes(header))
        return same and self.token is not None and tokens.by_key(self.key) is self.token


def _bytes(header: str) -> bytes:
    return header.encode("utf-8", errors="surrogateescape")


@dataclass(slots=True)
class _Turns:
    """Of an address whose tries are judged one after the other; those that wait tell whether they still do."""

    waiting: list[Callable[[], bool]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def _token(header: str) -> bytes:
    """Return the token in a header, empty if it has none."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("utf-8", errors="replace")
    if scheme.lower() != "basic":
        return b""
    try:
        user, _, token = base64.b64decode(rest.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b""
    return token if hmac.compare_digest(user, USER) else b""


def _refusal() -> Unauthorized:
    return Unauthorized(Text("the API token is missing or wrong", "das API-Token fehlt oder ist falsch"))
