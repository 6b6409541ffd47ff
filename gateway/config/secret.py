"""Secrets that a person gives to the gateway. No error here shows one, nor the path that was given for it."""

import base64
import binascii
import math
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_OWN_NAMES = frozenset({"lan", "local"})
_UNTIL = "until"
_WEBHOOK_PREFIX = "whsec_"  # of Standard Webhooks (https://www.standardwebhooks.com)
_WEBHOOK_KEY_BYTES = range(24, 65)
_SHORTEST_TOKEN, _LONGEST_TOKEN = 6, 128


def checked_token(text: str) -> str:
    """Return `text` if it can be an API token.

    Raises:
        ValueError: it cannot; the message completes "the token ...".
    """
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("may have printable ASCII characters only, and no spaces")
    if not _SHORTEST_TOKEN <= len(text) <= _LONGEST_TOKEN:
        raise ValueError(f"should have {_SHORTEST_TOKEN} to {_LONGEST_TOKEN} characters")
    return text


def checked_name(name: str) -> str:
    """Return `name` if a token can be called so.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name) or name in _OWN_NAMES:
        raise ValueError("has 1 to 40 letters, digits, dots, hyphens and underscores; lan and local are taken")
    return name


class DatedToken(NamedTuple):
    """A token and the moment (Unix seconds) from which on it counts no more."""

    value: str
    ends: float = math.inf


def dated_tokens(text: str) -> list[DatedToken]:
    """Return the tokens of a secret file: the present one, then older ones that count for a while, a line each.

    `0815471142` on the first line, `4711081542 until 2026-12-31` on the others; a day counts to its end, local time.

    Raises:
        ValueError: a line cannot be used; the message completes "the token ..." and shows none.
    """
    first, *older = text.splitlines() or [""]
    return [DatedToken(checked_token(first)), *map(_older_token, filter(str.strip, older))]


def _older_token(line: str) -> DatedToken:
    value, word, moment = f"{line}  ".split(" ", 2)
    if word != _UNTIL:
        raise ValueError("may be followed by older ones, a line each with its end: TOKEN until 2026-12-31")
    try:
        ends = datetime.fromisoformat(moment.strip())
        if len(moment.strip()) <= len("2026-12-31"):
            ends += timedelta(days=1)
        return DatedToken(checked_token(value), ends.timestamp())
    except (ValueError, OverflowError):
        raise ValueError("is followed by a line that is none: TOKEN until 2026-12-31") from None


def token_line(token: DatedToken) -> str:
    """Return the line of an older token, as `dated_tokens` reads it."""
    return f"{token.value} {_UNTIL} {datetime.fromtimestamp(token.ends).astimezone().isoformat(timespec='seconds')}"


def checked_digits(digits: int) -> int:
    """Return `digits` if a token of so many digits can be made, or 0, which stands for a long token.

    Raises:
        ValueError: the token would be too short.
    """
    if 0 < digits < _SHORTEST_TOKEN:
        raise ValueError(f"should be 0, or {_SHORTEST_TOKEN} and more")
    return digits


def read_secret(path: str) -> str:
    """Return the text of the file at `path` without the white space around it.

    Raises:
        ValueError: it cannot be read. Its path is not shown: it may be the secret itself, given by mistake.
    """
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("the file that it names is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise ValueError(f"the file that it names cannot be read: {reason}") from None


def webhook_key(secret: str) -> bytes:
    """Return the key in a secret of the form `whsec_` and base64.

    Raises:
        ValueError: it has another form.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_WEBHOOK_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_WEBHOOK_PREFIX) or len(key) not in _WEBHOOK_KEY_BYTES:
        raise ValueError(f"should be {_WEBHOOK_PREFIX} and 24 to 64 random bytes as base64")
    return key
