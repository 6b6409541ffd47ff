"""One token that counts now, and where it comes from."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.access.caller import Caller, Role
from gateway.access.lan_token import LONG, possible
from gateway.access.store import StoredToken
from gateway.config.secret import DatedToken

Place = Literal["gateway", "file", "settings"]


@dataclass(frozen=True, slots=True)
class AcceptedToken:
    """A token that counts until `ends` (Unix seconds); an `old` one was replaced.

    `place`: gateway if it keeps the token, file (a secret file), settings. Either `secret` or the scrypt `hash` is
    known. `is_short`: all tokens like it could be tried in a few years.
    """

    name: str
    role: Role
    place: Place
    ends: float = math.inf
    made: float | None = None
    tses: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    old: bool = False
    is_short: bool = False
    secret: str = field(default="", repr=False)
    hash: bytes = field(default=b"", repr=False)

    def caller(self, address: str) -> Caller:
        """Return who comes with it from `address`."""
        tses = frozenset(beginning.upper() for beginning in self.tses)
        return Caller(self.name, self.role, tses, frozenset(self.clients), self.old, address)


def in_clear(tokens: Sequence[DatedToken], like: AcceptedToken) -> Iterator[AcceptedToken]:
    """Yield the present token and the older ones of a name; `like` has all but the secrets and ends."""
    for number, token in enumerate(tokens):
        short = possible(token.value) < LONG
        yield replace(like, ends=token.ends, old=number > 0, is_short=short, secret=token.value)


def of_store(stored: Sequence[StoredToken]) -> Iterator[AcceptedToken]:
    """Yield the tokens of the store, the present one of each name before the older ones."""
    seen: set[str] = set()
    for kept in reversed(stored):
        yield AcceptedToken(
            *(kept.name, kept.role, "gateway", kept.ends, kept.made, kept.tses, kept.clients),
            old=kept.name in seen,
            hash=kept.hash,
        )
        seen.add(kept.name)
