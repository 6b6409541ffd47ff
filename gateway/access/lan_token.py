"""The LAN token, which tills share and session.txt shows: the configured one, or the one that is made and kept."""

import base64
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.secret import DatedToken, dated_tokens, read_secret, token_line
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.i18n.text import Language, Text, text_of
from gateway.storage.atomic import read_private, write_private
from gateway.telemetry.log import register_secret

USER = b"lantse"
FILE = "api_token"
LONG = 10**10  # possible tokens; from here on nobody can try them all
_LONG_TOKEN_BYTES = 20
_COST = Text(
    "half of all tokens like it are tried within {days} days from one address, and within {hours} hours from a "
    "hundred: take ten digits or more unless the form of the POS takes no more",
    "die Hälfte aller solchen Token ist von einer Adresse aus in {days} Tagen probiert, von hundert aus in {hours} "
    "Stunden: zehn Ziffern oder mehr nehmen, wenn das Formular der Kasse sie nimmt",
)
_IN_PLACE = Text("{place}: the token {error}", "{place}: das Token {error}")


@dataclass(frozen=True, slots=True)
class Token:
    """The LAN token and where it comes from; `older` are those before it that still count."""

    value: str = field(repr=False)
    configured: bool = False
    older: tuple[DatedToken, ...] = field(default=(), repr=False)


def new_token(digits: int) -> str:
    """Return a new token of so many digits, or a long one with letters for 0."""
    if digits:
        return f"{secrets.randbelow(10**digits):0{digits}}"
    return secrets.token_hex(_LONG_TOKEN_BYTES)


def possible(token: str) -> int:
    """Return how many tokens are as long as this one and made of the same kinds of characters."""
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase, string.punctuation + " ")
    return int(sum(len(kind) for kind in kinds if set(kind) & set(token)) ** len(token))


def cost_of(token: str, rate: float = 1.0, language: Language = "en") -> str | None:
    """Return what it means that all tokens like this could be tried, `rate` a second; `None` if it is long enough."""
    if possible(token) >= LONG:
        return None
    days = possible(token) / rate / 2 / 86_400
    return _COST.in_language(language, days=f"{days:.1f}", hours=f"{24 * days / 100:.1f}")


def is_as_wanted(settings: Settings, token: Token) -> bool:
    """Return whether a kept token has as many digits as the setting says, if it is given."""
    digits = settings.token_digits
    if token.configured or "token_digits" not in settings.model_fields_set:
        return True
    return token.value.isdecimal() and len(token.value) == digits if digits else possible(token.value) >= LONG


def load_or_create_token(settings: Settings) -> Token:
    """Return the configured token, else the kept one, else a new one that is kept from now on.

    Raises:
        ConfigurationError: the kept token cannot be read or written.
    """
    token = known_token(settings)
    if token is None:
        token = Token(new_token(settings.token_digits))
        keep(settings.state_dir, token)
    return token


def load_token(settings: Settings) -> Token:
    """Return the token of the gateway that runs with these settings.

    Raises:
        ConfigurationError: it never ran.
    """
    token = known_token(settings)
    if token is None:
        raise ConfigurationError(
            Text(
                "there is no token in {state_dir}: start the gateway once, or set api_token",
                "in {state_dir} liegt kein Token: das Gateway einmal starten, oder api_token setzen",
            ),
            state_dir=settings.state_dir,
        )
    return token


def known_token(settings: Settings) -> Token | None:
    """Return the token of the settings, read anew if it lies in a file, else the kept one, `None` if there is neither.

    Raises:
        ConfigurationError: it cannot be read or used; no value is shown.
    """
    file = settings.secret_file("api_token")
    if settings.api_token is not None:
        text = settings.api_token.get_secret_value() if file is None else _read(file)
        return _token(text, "GATEWAY_API_TOKEN_FILE" if file else "GATEWAY_API_TOKEN", configured=True)
    stored = read_private(settings.state_dir / FILE)
    if stored is None:
        return None
    text = stored.decode("ascii", errors="replace").strip()
    try:
        return _token(text, "")
    except ConfigurationError as error:
        raise ConfigurationError(
            Text(
                "the token in {file} cannot be used, it {error}: restore the file, or remove it to get a new token",
                "das Token in {file} ist nicht zu gebrauchen, es {error}: die Datei zurückholen, oder für ein neues "
                "Token löschen",
            ),
            file=settings.state_dir / FILE,
            error=error,
        ) from None


def keep(state_dir: Path, token: Token) -> None:
    """Keep the token and those before it.

    Raises:
        ConfigurationError: they cannot be written.
    """
    lines = [token.value, *map(token_line, token.older)]
    write_private(state_dir / FILE, "".join(f"{line}\n" for line in lines).encode())


def keep_out_of_logs(token: str) -> None:
    """Never let a token into a log line, neither as it is nor as clients send it."""
    register_secret(token)
    register_secret(base64.b64encode(USER + b":" + token.encode()).decode())


def _read(file: Path) -> str:
    try:
        return read_secret(str(file))
    except ValueError as error:
        raise ConfigurationError(
            Text("GATEWAY_API_TOKEN_FILE: {error}", "GATEWAY_API_TOKEN_FILE: {error}"), error=error
        ) from None


def _token(text: str, place: str, *, configured: bool = False) -> Token:
    try:
        present, *older = dated_tokens(text)
    except ValueError as error:
        raise ConfigurationError(_IN_PLACE if place else text_of(error), place=place, error=error) from None
    for token in (present, *older):
        keep_out_of_logs(token.value)
    return Token(present.value, configured, tuple(older))
