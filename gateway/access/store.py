"""Tokens that operators make, kept as scrypt hashes: tokens.json in the state directory.

{"salt": "<hex>", "tokens": [{"name": "...", "role": "till", "hash": "<hex>", "made": "...", "ends": null, ...}]}

All hashes have one salt, so that a token is hashed once however many there are; it differs in each state directory.
"""

import hashlib
import json
import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.access.caller import Role
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, write_private

FILE = "tokens.json"
_SALT_BYTES = 16
_COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32, "maxmem": 2**26}  # 16 MiB and about 50 ms


@dataclass(frozen=True, slots=True)
class StoredToken:
    """One token; `ends` (Unix seconds) is infinite unless it is an older one, or was made for a while."""

    name: str
    role: Role
    hash: bytes
    made: float
    ends: float = math.inf
    tses: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


class TokenStore:
    """The file in `path`; has one writer. Every method blocks.

    Raises:
        ConfigurationError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._salt = secrets.token_bytes(_SALT_BYTES)
        self.tokens: tuple[StoredToken, ...] = ()
        self._read = b""
        self.refresh()

    def refresh(self) -> bool:
        """Read the file anew and return whether it has changed."""
        content = read_private(self.path)
        if content is None or content == self._read:
            return False
        try:
            plain = strict_json.parse(content)
            self._salt, self.tokens = bytes.fromhex(plain["salt"]), tuple(map(_decoded, plain["tokens"]))
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(
                Text(
                    "{path} is damaged: restore it, or remove it and make the tokens anew (`tse-gateway token add`)",
                    "{path} ist beschädigt: die Datei zurückholen, oder löschen und die Token neu anlegen "
                    "(`tse-gateway token add`)",
                ),
                path=self.path,
            ) from None
        self._read = content
        return True

    def save(self, tokens: tuple[StoredToken, ...]) -> None:
        """Replace the tokens."""
        plain = {"salt": self._salt.hex(), "tokens": [_plain(token) for token in tokens]}
        content = json.dumps(plain, indent=1).encode() + b"\n"
        write_private(self.path, content)
        self._read, self.tokens = content, tokens

    def hash_of(self, token: bytes) -> bytes:
        """Return the scrypt hash of a token; takes long on purpose."""
        return hashlib.scrypt(token, salt=self._salt, **_COST)


def text_of(moment: float) -> str | None:
    """Return a moment as ISO 8601, `None` for one that never comes."""
    return None if moment == math.inf else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _plain(token: StoredToken) -> dict[str, Any]:
    return {
        "name": token.name,
        "role": token.role.value,
        "hash": token.hash.hex(),
        "made": text_of(token.made),
        "ends": text_of(token.ends),
        "tses": list(token.tses),
        "clients": list(token.clients),
    }


def _decoded(plain: dict[str, Any]) -> StoredToken:
    ends = plain["ends"]
    return StoredToken(
        str(plain["name"]),
        Role(plain["role"]),
        bytes.fromhex(plain["hash"]),
        datetime.fromisoformat(plain["made"]).timestamp(),
        math.inf if ends is None else datetime.fromisoformat(ends).timestamp(),
        tuple(map(str, plain["tses"])),
        tuple(map(str, plain["clients"])),
    )
