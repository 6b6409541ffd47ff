"""Secrets that a person gives to the gateway. No error here shows one, nor the path that was given for it."""

from pathlib import Path

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
