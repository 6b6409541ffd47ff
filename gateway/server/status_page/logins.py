"""The administrators who are logged in at the status page: their cookies, kept in memory only."""

import functools
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.server.pages.sent import Sent

LIFETIME = 8 * 3600  # seconds; a working day
_MOST = 64  # the oldest login ends when there are more


@dataclass(slots=True)
class BrowserLogin:
    """One login. `key` is that of its token, `ends` in seconds of the clock; each form shows `form_token`.

    `sent` is the form that was sent last, for the page that tells what became of it.
    """

    key: bytes
    ends: float
    form_token: str = field(default_factory=functools.partial(secrets.token_urlsafe, 16), repr=False)
    sent: Sent | None = None

    def forget(self, sent: Sent) -> None:
        """Forget a form, unless another one was sent since."""
        if self.sent is sent:
            self.sent = None


class Logins:
    """Cookies by their SHA-256, so that nothing in memory can be used to log in. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, BrowserLogin] = OrderedDict()

    def begin(self, key: bytes) -> str:
        """Return the value of a new cookie for whoever has shown the token with this key."""
        cookie = secrets.token_urlsafe(32)
        self._open[_hash(cookie)] = BrowserLogin(key, self._clock() + LIFETIME)
        while len(self._open) > _MOST:
            self._open.popitem(last=False)
        return cookie

    def find(self, cookie: str | None) -> BrowserLogin | None:
        """Return the login of a cookie; `None` if there is none, or it has ended."""
        found = self._open.get(_hash(cookie or ""))
        return found if found is not None and found.ends > self._clock() else None

    def end(self, cookie: str | None) -> None:
        """End the login of a cookie; any other value does no harm."""
        if cookie is not None:
            self._open.pop(_hash(cookie), None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", errors="replace")).digest()
