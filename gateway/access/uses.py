"""When each token was used last and from where, and which tills still use one that was replaced."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.access.caller import Caller
from gateway.errors import ConfigurationError
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, write_private

FILE = "token_uses.json"
_MOST_LAGGARDS = 256  # of one token
_OLD = " (old)"


@dataclass(frozen=True, slots=True)
class Use:
    """One use: `at` in Unix seconds, the address without port, and the client id, empty if none was seen."""

    at: float
    address: str
    client_id: str = ""


class TokenUses:
    """The last uses, kept in `path` if there is one. `now` in Unix seconds."""

    def __init__(self, path: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._last: dict[str, Use] = {}
        self._laggards: dict[str, OrderedDict[str, Use]] = {}
        self._saved: dict[str, Use] = {}
        self._read()

    def note(self, caller: Caller, client_id: str = "") -> None:
        """Note a request of `caller`, and the client id that it acts for."""
        use = Use(self._now(), caller.address, client_id)
        self._last[_key(caller.name, old=caller.old)] = use
        laggards, till = self._laggards.get(caller.name), client_id or caller.address
        if laggards is not None:
            laggards.pop(till, None)
        if caller.old:
            laggards = self._laggards.setdefault(caller.name, OrderedDict())
            laggards[till] = use
            if len(laggards) > _MOST_LAGGARDS:
                laggards.popitem(last=False)

    def last(self, name: str, *, old: bool) -> Use | None:
        """Return the last use of the present token of this name, or of those before it."""
        return self._last.get(_key(name, old=old))

    def laggards(self, name: str) -> list[Use]:
        """Return who used an older token of this name last, and has not come with the present one since.

        An address is left out if client ids behind it are known.
        """
        found = list(self._laggards.get(name, OrderedDict[str, Use]()).values())
        named = {use.address for use in found if use.client_id}
        return [use for use in found if use.client_id or use.address not in named]

    def forget(self, name: str) -> None:
        """Forget the uses of a token that is no more, or of those before it."""
        self._last.pop(_key(name, old=True), None)
        self._laggards.pop(name, None)

    def save(self) -> None:
        """Write what is new. Blocks.

        Raises:
            ConfigurationError: it cannot be written.
        """
        last = dict(self._last)
        if self._path is None or last == self._saved:
            return
        plain = {key: {"at": use.at, "address": use.address} for key, use in last.items()}
        write_private(self._path, json.dumps(plain).encode() + b"\n")
        self._saved = last

    def _read(self) -> None:
        try:
            content = None if self._path is None else read_private(self._path)
            plain = strict_json.parse(content or b"{}")
            self._last = {str(key): Use(float(it["at"]), str(it["address"])) for key, it in plain.items()}
        except (ConfigurationError, ValueError, KeyError, TypeError, AttributeError):
            self._last = {}  # nothing depends on it


def _key(name: str, *, old: bool) -> str:
    return name + _OLD if old else name
