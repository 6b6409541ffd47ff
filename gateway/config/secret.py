"""Secrets that a person gives to the gateway. No error here shows one, nor the path that was given for it."""

import base64
import binascii
import math
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gateway.errors import UnfitValue
from gateway.i18n.text import Text, reason_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_OWN_NAMES = frozenset({"lan", "local"})
_UNTIL = "until"
_NO_NAME = Text("no file can have this name", "so kann keine Datei heißen")
_WEBHOOK_PREFIX = "whsec_"  # of Standard Webhooks (https://www.standardwebhooks.com)
_WEBHOOK_KEY_BYTES = range(24, 65)
_NO_WEBHOOK_KEY = Text(
    "should be whsec_ and 24 to 64 random bytes as base64", "sollte whsec_ und 24 bis 64 zufällige Bytes in Base64 sein"
)
_SHORTEST_TOKEN, _LONGEST_TOKEN = 6, 128


def checked_token(text: str) -> str:
    """Return `text` if it can be an API token.

    Raises:
        ValueError: it cannot; the message completes "the token ...".
    """
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise UnfitValue(
            Text(
                "may have printable ASCII characters only, and no spaces",
                "darf nur aus druckbaren ASCII-Zeichen bestehen, ohne Leerzeichen",
            )
        )
    if not _SHORTEST_TOKEN <= len(text) <= _LONGEST_TOKEN:
        raise UnfitValue(
            Text("should have {least} to {most} characters", "sollte {least} bis {most} Zeichen haben"),
            least=_SHORTEST_TOKEN,
            most=_LONGEST_TOKEN,
        )
    return text


def checked_name(name: str) -> str:
    """Return `name` if a token can be called so.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name) or name in _OWN_NAMES:
        raise UnfitValue(
            Text(
                "has 1 to 40 letters, digits, dots, hyphens and underscores; lan and local are taken",
                "hat 1 bis 40 Buchstaben, Ziffern, Punkte, Binde- und Unterstriche; lan und local sind vergeben",
            )
        )
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
        raise UnfitValue(
            Text(
                "may be followed by older ones, a line each with its end: TOKEN until 2026-12-31",
                "darf von älteren gefolgt sein, je eine Zeile mit dem Ende: TOKEN until 2026-12-31",
            )
        )
    try:
        ends = datetime.fromisoformat(moment.strip())
        if len(moment.strip()) <= len("2026-12-31"):
            ends += timedelta(days=1)
        return DatedToken(checked_token(value), ends.timestamp())
    except (ValueError, OverflowError):
        raise UnfitValue(
            Text(
                "is followed by a line that is none: TOKEN until 2026-12-31",
                "ist von einer Zeile gefolgt, die anders aussieht als: TOKEN until 2026-12-31",
            )
        ) from None


def token_line(token: DatedToken) -> str:
    """Return the line of an older token, as `dated_tokens` reads it."""
    return f"{token.value} {_UNTIL} {datetime.fromtimestamp(token.ends).astimezone().isoformat(timespec='seconds')}"


def checked_digits(digits: int) -> int:
    """Return `digits` if a token of so many digits can be made, or 0, which stands for a long token.

    Raises:
        ValueError: the token would be too short.
    """
    if 0 < digits < _SHORTEST_TOKEN:
        raise UnfitValue(
            Text("should be 0, or {least} and more", "sollte 0 sein, oder {least} und mehr"), least=_SHORTEST_TOKEN
        )
    return digits


def read_secret(path: str) -> str:
    """Return the text of the file at `path` without the white space around it.

    Raises:
        ValueError: it cannot be read. Its path is not shown: it may be the secret itself, given by mistake.
    """
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise UnfitValue(
            Text("the file that it names is not UTF-8 text", "die genannte Datei ist kein Text in UTF-8")
        ) from None
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else _NO_NAME
        raise UnfitValue(
            Text(
                "the file that it names cannot be read: {reason}", "die genannte Datei lässt sich nicht lesen: {reason}"
            ),
            reason=reason,
        ) from None


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
        raise UnfitValue(_NO_WEBHOOK_KEY)
    return key
