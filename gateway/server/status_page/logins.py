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
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def begin(self) -> str:
        """Return the value of a new cookie."""
        cookie = secrets.token_urlsafe(32)
        self._ends[_hash(cookie)] = self._clock() + LIFETIME
        while len(self._ends) > _MOST:
            self._ends.popitem(last=False)
        return cookie

    def is_open(self, cookie: str | None) -> bool:
        """Return whether the cookie is of a login that has not ended."""
        return cookie is not None and self._ends.get(_hash(cookie), float("-inf")) > self._clock()

    def end(self, cookie: str | None) -> None:
        """End the login of a cookie; any other value does no harm."""
        if cookie is not None:
            self._ends.pop(_hash(cookie), None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", errors="replace")).digest()
