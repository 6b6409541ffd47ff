"""Kinds of values that settings have. Error messages never show a value: it may be a secret."""

import itertools
import json
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from yarl import URL

from gateway.clock.sntp import TimeServer
from gateway.config.mail import checked_address, mail_server
from gateway.config.pins import Pins
from gateway.config.secret import checked_digits, checked_name, dated_tokens, webhook_key
from gateway.errors import UnfitValue
from gateway.i18n.text import Text

_ADDRESSES = Text(
    "should be IP addresses, separated by commas", "sollte aus IP-Adressen bestehen, durch Kommas getrennt"
)
_TABLES = Text(
    "must be a JSON list of tables; easier to write as tables, such as [[upstreams]], in a TOML file",
    "muss eine JSON-Liste von Tabellen sein; leichter sind Tabellen wie [[upstreams]] in einer TOML-Datei",
)
_NO_PATH = Text(
    "should be a path: no control characters, and one line", "sollte ein Pfad sein: keine Steuerzeichen, eine Zeile"
)
_NO_URL = Text(
    "cannot be understood: write https://<host>:<port>", "ist nicht zu verstehen: https://<Host>:<Port> schreiben"
)
_WITH_PASSWORD = Text(
    "may hold no user and no password: what lets the gateway in is the token, or token_file",
    "darf weder Benutzer noch Passwort enthalten: Zugang gibt dem Gateway das Token, oder token_file",
)
_NO_ORDER = Text(
    "should be two serials or more, or the first 4 or more hex digits of each, separated by commas",
    "sollten zwei oder mehr Seriennummern sein, oder die ersten 4 oder mehr Hex-Ziffern jeder, durch Kommas getrennt",
)
_TWICE = Text("names a TSE twice", "nennt eine TSE zweimal")
_NO_WEBHOOK = Text("should be https://<host>/<path>, without a user", "sollte https://<Host>/<Pfad> ohne Benutzer sein")
_OTHER_URL = Text(
    "must be https://<host>:<port>, perhaps with a path", "muss https://<Host>:<Port> sein, vielleicht mit einem Pfad"
)


def _listed(value: object) -> object:
    """Split text at commas; return anything else as it is, such as the lists of a TOML file."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _addresses(value: object) -> object:
    parts = _listed(value)
    if not isinstance(parts, tuple | list):
        return value
    try:
        return tuple(ip_address(str(part)) for part in parts)
    except ValueError:
        raise UnfitValue(_ADDRESSES) from None


def _not_empty(addresses: tuple[IPv4Address | IPv6Address, ...]) -> tuple[IPv4Address | IPv6Address, ...]:
    if not addresses:
        raise UnfitValue(_ADDRESSES)
    return addresses


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise UnfitValue(_TABLES) from None


def _path(path: Path) -> Path:
    if any(ord(character) < ord(" ") for character in str(path)):
        raise UnfitValue(_NO_PATH)
    return path


def _checked_pins(text: str) -> None:
    Pins(text)


def _secret(check: Callable[[str], object]) -> AfterValidator:
    def checked(value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check(value.get_secret_value())
        return value

    return AfterValidator(checked)


def _time_servers(value: tuple[str, ...]) -> tuple[str, ...]:
    if value == ("none",):
        return ()
    for server in value:
        TimeServer.parse(server)
    return value


def _pool_order(value: tuple[str, ...]) -> tuple[str, ...]:
    if any(not re.fullmatch("[0-9A-Fa-f]{4,64}", beginning) for beginning in value) or len(value) == 1:
        raise UnfitValue(_NO_ORDER)
    if any(two.upper().startswith(one.upper()) for one, two in itertools.permutations(value, 2)):
        raise UnfitValue(_TWICE)
    return value


def _connector_url(text: str) -> str:
    try:
        url = URL(text)
    except ValueError:
        raise UnfitValue(_NO_URL) from None
    if url.user is not None or url.password is not None:
        raise UnfitValue(_WITH_PASSWORD)
    if url.scheme != "https" or not url.host or url.query_string or url.fragment:
        raise UnfitValue(_OTHER_URL)
    return text


def _mail_server(text: str) -> str:
    if text:
        mail_server(text)
    return text


def _mail_address(text: str) -> str:
    return checked_address(text) if text else text


def _mail_addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(checked_address, value))


def _webhook_url(text: str) -> str:
    if not text:
        return text
    try:
        url = URL(text)
    except ValueError:
        raise UnfitValue(_NO_WEBHOOK) from None
    if url.scheme not in {"http", "https"} or not url.host or url.user is not None or url.fragment:
        raise UnfitValue(_NO_WEBHOOK)
    return text


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
TokenDigits = Annotated[int, Field(ge=0, le=32), AfterValidator(checked_digits)]
Token = Annotated[SecretStr | None, _secret(dated_tokens)]
TokenName = Annotated[str, AfterValidator(checked_name)]
TimeAdminPins = Annotated[SecretStr | None, _secret(_checked_pins)]
FilePath = Annotated[Path, AfterValidator(_path)]
FilePaths = Annotated[tuple[FilePath, ...], BeforeValidator(_listed)]
Addresses = Annotated[tuple[IPv4Address | IPv6Address, ...], BeforeValidator(_addresses)]
SomeAddresses = Annotated[Addresses, AfterValidator(_not_empty)]
RoleNames = Annotated[tuple[Literal["lan", "till", "operator", "auditor", "monitor"], ...], BeforeValidator(_listed)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
PoolOrder = Annotated[Texts, AfterValidator(_pool_order)]
TimeServers = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_time_servers)]
ConnectorUrl = Annotated[str, AfterValidator(_connector_url)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
MailAddresses = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_mail_addresses)]
MailServerName = Annotated[str, AfterValidator(_mail_server)]
WebhookUrl = Annotated[str, AfterValidator(_webhook_url)]
WebhookSecret = Annotated[SecretStr | None, _secret(webhook_key)]
JsonTables = BeforeValidator(_from_json)
UpperCase = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
