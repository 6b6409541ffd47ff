"""The tokens that are accepted now: the LAN token, those in secret files, those that operators made, and older ones.

A token in clear text is found by a digest under a key of this process, and so is one of which only the scrypt hash is
kept, once it was shown. So each is hashed once, and guesses are only while some were not shown yet; by one thread, of
the lowest priority.
"""

import asyncio
import hmac
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from gateway.access import lan_token
from gateway.access.accepted import AcceptedToken, Place, in_clear, of_store
from gateway.access.caller import Role
from gateway.access.lan_token import LONG, Token, keep_out_of_logs, new_token, possible
from gateway.access.store import StoredToken, TokenStore
from gateway.access.uses import TokenUses
from gateway.config.secret import DatedToken, dated_tokens, read_secret
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.text import Text
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

LAN = "lan"
_MOST = 200
_READ_EVERY = 60.0  # seconds
_LOWEST_PRIORITY = 19


class TokenRefused(GatewayError):
    """A token cannot be made, replaced or revoked like this; the message says why."""

    code = "token_refused"


class TokenUnknown(GatewayError):
    """There is no token of this name."""

    code = "token_unknown"


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is to be: empty `tses` and `clients` limit nothing; `ends` in Unix seconds."""

    name: str
    role: Role
    tses: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    ends: float = math.inf


class Tokens:
    """All tokens of one gateway, those of `settings` and `store` included. `now` in Unix seconds.

    `on_change` is called when the LAN token has changed.

    Raises:
        ConfigurationError: a secret file of the settings cannot be used.
    """

    def __init__(
        self,
        lan: Token,
        *,
        settings: Settings | None = None,
        store: TokenStore | None = None,
        uses: TokenUses | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.lan = lan
        self.uses = uses or TokenUses(now=now)
        self.on_change: Callable[[], None] = _do_nothing
        self._settings = settings
        self._store = store
        self._now = now
        self._key = secrets.token_bytes(32)
        self._hashing, self._writing = asyncio.Lock(), asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "token-hash", _take_lowest_priority)
        self._shown: dict[bytes, bytes] = {}  # plain tokens by their hashes
        self._trouble = ""
        self._accepted: list[AcceptedToken] = []
        self._known: dict[bytes, AcceptedToken] = {}
        self._accept(self._sources())

    @property
    def guess_rate(self) -> float:
        """How many short tokens an address may try each second."""
        return 1.0 if self._settings is None else self._settings.guess_rate

    def digits_for(self, role: Role) -> int:
        """Return how many digits a new token gets: those of tills are typed into forms, all others are long."""
        by_hand = role in {Role.LAN, Role.TILL} and self._settings is not None
        return self._settings.token_digits if by_hand and self._settings is not None else 0

    # ---- for the gatekeeper -------------------------------------------------

    def find(self, token: bytes) -> AcceptedToken | None:
        """Return the token if it is accepted, as far as that is known without hashing."""
        return self.by_key(self.key_of(token))

    def key_of(self, token: bytes) -> bytes:
        """Return what `by_key` knows the token by: a digest that is of no use to anybody else."""
        return hmac.digest(self._key, token, "sha256")

    def by_key(self, key: bytes) -> AcceptedToken | None:
        """Return the token of a key if it is still accepted."""
        found = self._known.get(key)
        return found if found is not None and found.ends > self._now() else None

    @property
    def needs_hash(self) -> bool:
        """Whether a token that `find` does not know may be one that was not shown yet."""
        return any(token.hash and token.hash not in self._shown for token in self.all())

    @property
    def guessable(self) -> bool:
        """Whether guesses must be slowed down: a token is short, or a guess costs a hash."""
        return self.needs_hash or any(token.is_short for token in self.all())

    async def verify(self, token: bytes) -> AcceptedToken | None:
        """Return the token if it is accepted, hashed if need be; one is hashed at a time."""
        async with self._hashing:
            if self._store is not None and self.find(token) is None and self.needs_hash:
                found = await self._hash(self._store, token)
                if any(other.hash == found for other in self._accepted):
                    self._show(found, token)
            return self.find(token)

    # ---- for operators ------------------------------------------------------

    def all(self) -> list[AcceptedToken]:
        """Return the tokens that count now, older ones behind the present one of their name."""
        return [token for token in self._accepted if token.ends > self._now()]

    def named(self, name: str) -> list[AcceptedToken]:
        """Return the tokens of this name, the present one first.

        Raises:
            TokenUnknown: there is none.
        """
        found = [token for token in self.all() if token.name == name]
        if not found:
            raise TokenUnknown(Text("there is no token {name!r}", "es gibt kein Token {name!r}"), name=name)
        return found

    async def add(self, wanted: NewToken, digits: int) -> str:
        """Make a token and return it; it cannot be shown again. `digits` as of `new_token`.

        Raises:
            TokenRefused: the name is taken, or there are too many.
            ConfigurationError: it cannot be kept.
        """
        async with self._writing:
            store, taken = self._kept_here(), self.all()
            if any(token.name == wanted.name for token in taken):
                raise TokenRefused(
                    Text(
                        "there is a token {name!r} already: rotate or revoke it",
                        "ein Token {name!r} gibt es schon: es erneuern oder widerrufen",
                    ),
                    name=wanted.name,
                )
            if len(taken) >= _MOST:
                raise TokenRefused(
                    Text("there are {most} tokens already: revoke one", "es gibt schon {most} Token: eines widerrufen"),
                    most=_MOST,
                )
            return await self._make(store, wanted, digits, list(store.tokens))

    async def rotate(self, name: str, overlap: float, digits: int) -> str:
        """Replace a token and return the new one; the one before counts for `overlap` seconds more.

        Raises:
            TokenUnknown, TokenRefused: there is none, or it stands in a file or in the settings.
            ConfigurationError: it cannot be kept.
        """
        async with self._writing:
            store, present, ends = self._kept_here(), self._own(name), self._now() + overlap
            if name == LAN:
                before = (DatedToken(present.secret, ends),) if overlap else ()
                made = new_token(digits)
                await self._keep_lan(Token(made, older=(*before, *self.lan.older)))
                return made
            others = [
                replace(token, ends=min(token.ends, ends)) if token.hash == present.hash else token
                for token in store.tokens
            ]
            wanted = NewToken(name, present.role, present.tses, present.clients, present.ends)
            return await self._make(store, wanted, digits, others)

    async def revoke(self, name: str, *, old_only: bool = False) -> None:
        """End a token and those before it, or only these.

        Raises:
            TokenUnknown, TokenRefused: there is none, it is the LAN token, or it stands in a file or in the settings.
            ConfigurationError: that cannot be written.
        """
        async with self._writing:
            store, present = self._kept_here(), self._own(name)
            if name != LAN:
                rest = [it for it in store.tokens if it.name != name or (old_only and it.hash == present.hash)]
                await self._save(store, rest)
            elif old_only:
                await self._keep_lan(replace(self.lan, older=()))
            else:
                raise TokenRefused(
                    Text(
                        "tills need the LAN token: rotate it, or revoke only those before it",
                        "Kassen brauchen das LAN-Token: es erneuern, oder nur die früheren widerrufen",
                    )
                )
            self.uses.forget(name)

    # ---- files --------------------------------------------------------------

    async def keep_fresh(self) -> None:
        """Read all files anew each minute, and write the uses, also at the end. Never returns."""
        try:
            while True:
                await asyncio.sleep(_READ_EVERY)
                await self.refresh()
        finally:
            self._save_uses()

    async def refresh(self) -> None:
        """Read all files anew, and write the uses; what cannot be used changes nothing and is told once."""
        async with self._writing:
            lan = self.lan
            try:
                found = await asyncio.to_thread(self._sources)
            except ConfigurationError as error:
                if str(error) != self._trouble:
                    log.error("the tokens stay as they were: %s", error, extra=event(Event.TOKENS_REFUSED))  # noqa: TRY400 (told by it)
                self._trouble = str(error)
                return
            self._trouble = ""
            if {_identity(token) for token in found} != {_identity(token) for token in self._accepted}:
                log.info("the tokens have changed", extra=event(Event.TOKENS_CHANGED))
            self._accept(found)
            if self.lan != lan:
                self.on_change()
            await asyncio.to_thread(self._save_uses)

    # ---- below: how ---------------------------------------------------------

    def _sources(self) -> list[AcceptedToken]:
        """Return what the settings, their files and the store hold now. Blocks."""
        settings = self._settings
        found: list[AcceptedToken] = []
        if settings is not None:
            self.lan = lan_token.known_token(settings) or self.lan
        lan_role = Role.LAN if settings is None else Role(settings.api_token_role)
        in_file = settings is not None and settings.secret_file("api_token") is not None
        place: Place = ("file" if in_file else "settings") if self.lan.configured else "gateway"
        found += in_clear([DatedToken(self.lan.value), *self.lan.older], AcceptedToken(LAN, lan_role, place))
        for table in () if settings is None else settings.tokens:
            like = AcceptedToken(table.name, Role(table.role), "file", tses=table.tses, clients=table.clients)
            try:
                found += in_clear(dated_tokens(read_secret(str(table.token_file))), like)
            except ValueError as error:
                raise ConfigurationError(
                    Text("tokens, {name}: {error}", "Token, {name}: {error}"), name=table.name, error=error
                ) from None
        if self._store is not None:
            self._store.refresh()
            found += of_store(self._store.tokens)
        return found

    def _accept(self, found: list[AcceptedToken]) -> None:
        for token in found:
            if token.secret:
                keep_out_of_logs(token.secret)
        known = {self.key_of(token.secret.encode()): token for token in reversed(found) if token.secret}
        for token in found:
            plain = self._shown.get(token.hash)
            if plain is not None:
                known[self.key_of(plain)] = replace(token, is_short=possible(plain.decode()) < LONG)
        self._accepted, self._known = found, known

    def _save_uses(self) -> None:
        try:
            self.uses.save()
        except ConfigurationError as error:  # nothing depends on them
            log.debug("uses of tokens are not kept: %s", error)

    def _kept_here(self) -> TokenStore:
        if self._store is None:
            raise TokenRefused(Text("this gateway keeps no tokens", "dieses Gateway bewahrt keine Token auf"))
        return self._store

    def _own(self, name: str) -> AcceptedToken:
        present = self.named(name)[0]
        if present.place != "gateway":
            raise TokenRefused(
                Text(
                    "the token {name} stands in a secret file or in the settings: put the new one on its first line, "
                    "the one before behind it as `TOKEN until 2026-12-31`; a file is read anew within a minute",
                    "das Token {name} steht in einer Geheimnisdatei oder in den Einstellungen: das neue in ihre erste "
                    "Zeile schreiben, das bisherige dahinter als `TOKEN until 2026-12-31`; eine Datei wird binnen "
                    "einer Minute neu gelesen",
                ),
                name=name,
            )
        return present

    async def _make(self, store: TokenStore, wanted: NewToken, digits: int, others: list[StoredToken]) -> str:
        made = new_token(digits)
        keep_out_of_logs(made)
        found = await self._hash(store, made.encode())
        new = StoredToken(wanted.name, wanted.role, found, self._now(), wanted.ends, wanted.tses, wanted.clients)
        await self._save(store, [*others, new])
        self._show(found, made.encode())
        return made

    async def _save(self, store: TokenStore, tokens: list[StoredToken]) -> None:
        now = self._now()
        await asyncio.to_thread(store.save, tuple(token for token in tokens if token.ends > now))
        self._accept(await asyncio.to_thread(self._sources))

    async def _keep_lan(self, token: Token) -> None:
        if self._settings is None:
            raise TokenRefused(Text("this gateway keeps no tokens", "dieses Gateway bewahrt keine Token auf"))
        now = self._now()
        kept = replace(token, older=tuple(it for it in token.older if it.ends > now))
        await asyncio.to_thread(lan_token.keep, self._settings.state_dir, kept)
        self._accept(await asyncio.to_thread(self._sources))
        self.on_change()

    async def _hash(self, store: TokenStore, token: bytes) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._thread, store.hash_of, token)

    def _show(self, found: bytes, token: bytes) -> None:
        self._shown[found] = token
        self._accept(self._accepted)


def _identity(token: AcceptedToken) -> tuple[object, ...]:
    return token.name, token.role, token.secret, token.hash, token.ends, token.tses, token.clients


def _take_lowest_priority() -> None:
    """Let every other thread of the machine go first: priorities are those of threads in Linux."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


def _do_nothing() -> None:
    pass
