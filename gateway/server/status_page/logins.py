"""Who has shown the administrator's token at the status page: cookies, kept in memory only."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

LIFETIME = 8 * 3600  # seconds; a working day
_MOST = 64  # the oldest has to show the token again


class Visitors:
    """Cookies by their hash, so that nothing in memory opens the door."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def admit(self) -> str:
        """The value of a new cookie."""
        cookie = secrets.token_urlsafe(32)
        self._until[_hash(cookie)] = self._clock() + LIFETIME
        while len(self._until) > _MOST:
            self._until.popitem(last=False)
        return cookie

    def knows(self, cookie: str | None) -> bool:
        """Is it one of ours, and not too old?"""
        return cookie is not None and self._until.get(_hash(cookie), float("-inf")) > self._clock()

    def dismiss(self, cookie: str | None) -> None:
        """It opens nothing any more; harmless if it never did."""
        if cookie is not None:
            self._until.pop(_hash(cookie), None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", errors="replace")).digest()
