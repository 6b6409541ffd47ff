"""Every knob of the gateway, once. Nothing else in the package reads the environment.

A setting `port` is GATEWAY_PORT in the environment and `port` in the TOML file that GATEWAY_CONFIG
names; the environment wins. A secret may also lie in a file of its own: GATEWAY_API_TOKEN_FILE.
"""

import json
import os
import socket
import tomllib
from collections.abc import Iterable, Mapping
from datetime import time
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)
from pydantic import model_validator as check_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.clock.sntp import Server
from gateway.config.pins import Pins
from gateway.errors import ConfigurationError

PREFIX = "GATEWAY_"
_CONFIG = "GATEWAY_CONFIG"
_FILE = "_file"
_DEFAULT = "default"
_SHORTEST_TOKEN, _LONGEST_TOKEN = 6, 128
_CLIENT_PATIENCE = 60  # seconds; then a till gives up its request


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _addresses(value: object) -> object:
    parts = _split(value)
    return tuple(ip_address(str(part)) for part in parts) if isinstance(parts, tuple) else parts


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be a JSON list of tables; easier to write as [[upstreams]] in a TOML file") from None


def _sane_token(value: object) -> object:
    if isinstance(value, str):
        if not (value.isprintable() and value.isascii() and value == value.strip()):
            raise ValueError("may have printable ASCII characters only, and no space at its ends")
        if not _SHORTEST_TOKEN <= len(value) <= _LONGEST_TOKEN:
            raise ValueError(f"should have {_SHORTEST_TOKEN} to {_LONGEST_TOKEN} characters")
    return value


def _sane_digits(value: int) -> int:
    if 0 < value < _SHORTEST_TOKEN:
        raise ValueError(f"should be 0, or {_SHORTEST_TOKEN} and more")
    return value


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Where programs of this user keep their state (XDG)."""
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home(), ".local", "state")
    return Path(base, "tse-gateway")


def primary_address() -> str:
    """The address by which this host reaches others; asks the kernel's routes and sends nothing."""
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))  # a datagram socket only looks up the route
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"


def _sane_pins(value: object) -> object:
    if isinstance(value, str):
        try:
            Pins(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
    return value


def _sane_servers(value: tuple[str, ...]) -> tuple[str, ...]:
    if value == ("none",):
        return ()
    for server in value:
        Server.parse(server)
    return value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Address = IPv4Address | IPv6Address


class UpstreamSettings(BaseModel):
    """Another LAN-TSE connector: the vendor's, or a gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    token: SecretStr
    ca_file: Path | None = None
    fingerprint: str = ""

    @check_model(mode="before")
    @classmethod
    def _token_from_its_file(cls, values: object) -> object:
        if not isinstance(values, dict) or "token_file" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "token_file"}
        try:
            return rest | {"token": Path(str(values["token_file"])).read_text(encoding="utf-8").strip()}
        except OSError as error:
            raise ValueError(f"token_file {values['token_file']} cannot be read: {error.strerror}") from None


# Shares of stop_timeout: tills that hold a TSE, then other requests; the process has ended after the last one.
STOP_HOLDERS, STOP_REQUESTS, STOP_ALL = 0.75, 0.25, 1.25


class Settings(BaseSettings):
    """How this gateway is to run. Durations in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        4433, description="TCP port of the LAN-TSE protocol; 0 takes any free one"
    )
    bind: Annotated[tuple[Address, ...], BeforeValidator(_addresses), Field(min_length=1)] = Field(
        (IPv4Address("0.0.0.0"),), description="addresses to listen on, separated by commas; :: for IPv6"
    )
    address: str = Field(
        default_factory=primary_address,
        min_length=1,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="host name or address that tills are told to use; also goes into the certificate",
    )
    site: str = Field("", max_length=64, description="name of the shop, for people who look after several")
    state_dir: Path = Field(
        default_factory=lambda: default_state_dir(os.environ),
        description="directory for token, certificates and session.txt; keep it over updates",
    )
    api_token: Annotated[SecretStr | None, BeforeValidator(_sane_token)] = Field(
        None, description="token that tills send; without it one is made and kept"
    )
    token_digits: Annotated[int, AfterValidator(_sane_digits)] = Field(
        0, ge=0, le=32, description="digits of the token that is made: 6 for POS forms that take six, 0 for a long one"
    )
    devices: Annotated[tuple[Path, ...], BeforeValidator(_split)] = Field(
        (), description="TSEs: mount directories or block devices, separated by commas"
    )
    discover: bool | None = Field(
        None, description="look for TSEs at every disk and mount; without it only if no devices or simulators are named"
    )
    rescan: Seconds = Field(30, description="how often everything is looked at again, whatever the kernel tells")
    upstreams: Annotated[tuple[UpstreamSettings, ...], BeforeValidator(_from_json)] = Field(
        (), description="other LAN-TSE connectors whose TSEs are served here too: tables of url, token, ca_file, ..."
    )
    simulators: int = Field(0, ge=0, le=16, description="how many simulated TSEs to serve; never a certified one")
    simulator_profile: Literal["instant", "hardware"] = Field(
        "instant", description="instant, or hardware with the times of a real TSE"
    )
    lock_wait: Annotated[Seconds, Field(lt=_CLIENT_PATIENCE)] = Field(
        45, description="how long a till waits for a TSE that another one holds; below 60, when tills give up"
    )
    lock_idle: Seconds = Field(90, description="when the lock of a silent till lapses")
    lock_orphaned: Seconds = Field(10, description="when the lock of a till lapses whose connection broke")
    command_timeout: Annotated[Seconds, Field(le=600)] = Field(45, description="longest time of an ordinary command")
    self_test_timeout: Annotated[Seconds, Field(le=3600)] = Field(
        180, description="longest time of a self test or firmware update"
    )
    lost_answer_wait: Annotated[float, Field(ge=0, le=50)] = Field(
        20, description="how long a till waits for a TSE that failed to come back and tell whether it signed"
    )
    keep_alive: Annotated[Seconds, Field(ge=0.01, le=3600)] = Field(
        5, description="how often an idle TSE is read, which keeps USB awake"
    )
    time_admin_pin: Annotated[SecretStr | None, BeforeValidator(_sane_pins)] = Field(
        None, description="TimeAdmin PIN, or serial:PIN for each TSE; without it the gateway only reads"
    )
    set_time: bool = Field(True, description="set the time of TSEs whose TimeAdmin PIN is known")
    self_test: bool = Field(True, description="run the self test of TSEs whose TimeAdmin PIN is known")
    self_test_client: str = Field(
        "", max_length=30, description="client id for the self test; without it one that tills use is learned"
    )
    self_test_at: time = Field(time(3, 5), description="local time of the nightly self test")
    self_test_jitter: Annotated[float, Field(ge=0, le=7200)] = Field(
        1800, description="spreads the nightly self tests and archive runs of several TSEs"
    )
    archive: bool = Field(True, description="keep an archive of what TSEs have signed, written each night")
    archive_dir: Path | None = Field(
        None, description="directory of the archives; without it the folder archive in state_dir"
    )
    archive_at: time = Field(time(3, 30), description="local time of the nightly archive run, after the self test")
    archive_min_free_mib: int = Field(
        256, ge=0, description="room that the archive leaves on its disk for everything else"
    )
    archive_trust: Annotated[tuple[Path, ...], BeforeValidator(_split)] = Field(
        (), description="files or directories with the root certificates that archived chains must lead to"
    )
    ntp_servers: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_sane_servers)] = Field(
        ("pool.ntp.org",),
        description="time servers, or none; asked only while the kernel does not say that its clock is right",
    )
    stop_timeout: Annotated[Seconds, Field(le=300)] = Field(
        20,
        description="how long tills may go on when the gateway stops; it has ended after 5/4 of this, whatever hangs",
    )
    tls_certificate: Path | None = Field(None, description="your own certificate chain (PEM) instead of a made one")
    tls_key: Path | None = Field(None, description="the private key (PEM, no password) of tls_certificate")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto is text on a terminal, else json")
    log_level: Annotated[
        Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"],
        BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    ] = Field("INFO", description="TRACE, DEBUG, INFO, WARNING or ERROR")
    max_body_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30, description="largest request body")
    local_socket: bool = Field(
        True, description="serve programs of this user or root by gateway.sock in state_dir, without token"
    )
    status_page: bool = Field(True, description="serve the status page for people at / on the port of the tills")
    metrics: bool = Field(True, description="serve /metrics for Prometheus on the port of the tills")
    metrics_listen: Literal["off", "plain", "tls"] = Field(
        "off", description="a port for /metrics alone: off, plain, or tls with a bearer token"
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(9464, description="that port; 0 takes any free one")
    metrics_bind: Annotated[tuple[Address, ...], BeforeValidator(_addresses)] = Field(
        (), description="addresses of that port, separated by commas; without it those of bind"
    )
    metrics_clients: bool = Field(False, description="also tell what each till has signed, and when it last did")
    metrics_token: Annotated[SecretStr | None, BeforeValidator(_sane_token)] = Field(
        None, description="bearer token of that port, which opens nothing else; without it the api_token"
    )

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (called by name)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (called by name)
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (called by name)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (called by name)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: it knows unknown names from right ones, and who said what."""
        return (init_settings,)

    @check_model(mode="after")
    def _key_and_certificate_belong_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must be given together")
        return self

    @property
    def discovers(self) -> bool:
        """Are TSEs looked for everywhere?"""
        return not (self.devices or self.simulators) if self.discover is None else self.discover

    @property
    def local_address(self) -> str:
        """Where a program on this host reaches the gateway; IPv6 in brackets, ready for a URL."""
        first = self.bind[0]
        if first.is_unspecified:
            return "127.0.0.1" if first.version == 4 else "[::1]"
        return str(first) if first.version == 4 else f"[{first}]"


class Shown(NamedTuple):
    """One setting for people: secrets hidden."""

    name: str
    value: str
    meaning: str
    source: str


class _Given(NamedTuple):
    value: object
    source: str


def load(environ: Mapping[str, str], config_file: Path | None = None, **overrides: object) -> Settings:
    """Settings from TOML file, environment and `overrides` (the command line), the later ones winning.

    Raises:
        ConfigurationError: something is unknown, unreadable or out of bounds; the message says what to change.
    """
    named = environ.get(_CONFIG, "")
    path = config_file or (Path(named) if named else None)
    given = _from_file(path) if path is not None else {}
    given |= _from_environment(environ)
    given |= {name: _Given(value, "--" + name.replace("_", "-")) for name, value in overrides.items()}
    values: dict[str, Any] = {name: item.value for name, item in given.items()}
    values.setdefault("state_dir", default_state_dir(environ))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(_explanation(error.errors(), given)) from None
    settings._sources.update({name: item.source for name, item in given.items()})  # noqa: SLF001 (its own module)
    return settings


def effective(settings: Settings) -> list[Shown]:
    """Every setting, what it is, and who said so."""
    shown = []
    for name, field in Settings.model_fields.items():
        source = settings._sources.get(name, _DEFAULT)  # noqa: SLF001 (its own module)
        shown.append(Shown(name, _spelled(getattr(settings, name)), field.description or "", source))
    return shown


def _from_file(path: Path) -> dict[str, _Given]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration file {path} cannot be read: {_reason(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"configuration file {path} is not valid TOML: {error}") from None
    _refuse_unknown(table, known_names(), f"in {path}")
    # TOML has arrays; tuples are what the settings hold.
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    return _with_secret_files({name: _Given(value, f"{name} in {path}") for name, value in values.items()})


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    names = [name for name in environ if name.startswith(PREFIX) and name != _CONFIG]
    _refuse_unknown(names, [PREFIX + name.upper() for name in known_names()], "in the environment")
    # Compose files and unit files pass unset variables as empty ones.
    given = {name.removeprefix(PREFIX).lower(): _Given(environ[name], name) for name in names if environ[name]}
    return _with_secret_files(given)


def known_names() -> list[str]:
    """Names of all settings in lower case, those of secret files included."""
    return [*Settings.model_fields, *(name + _FILE for name in _secret_names())]


def _secret_names() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None]


def _with_secret_files(given: dict[str, _Given]) -> dict[str, _Given]:
    for name in _secret_names():
        file = given.pop(name + _FILE, None)
        if file is None:
            continue
        if name in given:
            raise ConfigurationError(f"{given[name].source} and {file.source} are both given: keep one of them")
        try:
            secret = Path(str(file.value)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file.source}: {file.value} cannot be read: {_reason(error)}") from None
        given[name] = _Given(secret, file.source)
    return given


def _refuse_unknown(names: Iterable[str], known: list[str], where: str) -> None:
    lines = []
    bare = {name.removeprefix(PREFIX): name for name in known}  # the prefix would make all of them look alike
    for name in sorted(set(names) - set(known)):
        nearest = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=0.6)
        lines.append(f"unknown setting {name} {where}" + (f": did you mean {bare[nearest[0]]}?" if nearest else ""))
    if lines:
        hint = "`tse-gateway config` shows all settings"
        if any(line.startswith("unknown setting GATEWAY_SERVICE_") for line in lines):
            hint += "; Kubernetes sets these names for a service called gateway: use enableServiceLinks: false"
        raise ConfigurationError("\n".join([*lines, hint]))


def _explanation(errors: list[ErrorDetails], given: Mapping[str, _Given]) -> str:
    lines = ["the settings cannot be used:"]
    first = {str(error["loc"][0]) if error["loc"] else "": error for error in reversed(errors)}
    for name, error in reversed(first.items()):
        message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if name not in given:
            lines.append(f"  {name}: {message}" if name else f"  {message}")
            continue
        found = "" if name in _secret_names() else f" (is {_spelled(given[name].value)!r})"
        meaning = Settings.model_fields[name].description if name in Settings.model_fields else "no such setting"
        lines.append(f"  {given[name].source}: {message}{found}; {meaning}")
    return "\n".join(lines)


def _spelled(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return "***"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
