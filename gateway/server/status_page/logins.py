"""The administrators who are logged in at the status page: their cookies, kept in memory only."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

LIFETIME = 8 * 3600  # seconds; a working day
_MOST = 64  # the oldest login ends when there are more


class Logins:
    """Cookies by their SHA-256, so that nothing in memory can be used to log in. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()  # when they end, and keys of their tokens

    def begin(self, key: bytes) -> str:
        """Return the value of a new cookie for whoever has shown the token with this key."""
        cookie = secrets.token_urlsafe(32)
        self._open[_hash(cookie)] = self._clock() + LIFETIME, key
        while len(self._open) > _MOST:
            self._open.popitem(last=False)
        return cookie

    def key(self, cookie: str | None) -> bytes | None:
        """Return the key of the token that the login was made with; `None` if there is none, or it has ended."""
        ends, key = self._open.get(_hash(cookie or ""), (float("-inf"), b""))
        return key if ends > self._clock() else None

    def end(self, cookie: str | None) -> None:
        """End the login of a cookie; any other value does no harm."""
        if cookie is not None:
            self._open.pop(_hash(cookie), None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", errors="replace")).digest()
