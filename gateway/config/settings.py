"""All settings of the gateway. Nothing else in the package reads the environment.

A setting `port` is GATEWAY_PORT in the environment and `port` in the TOML file that GATEWAY_CONFIG
names; the environment wins. A secret may also lie in a file of its own: GATEWAY_API_TOKEN_FILE.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationError
from pydantic import model_validator as check_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.config.archive_target import ArchiveTargetSettings
from gateway.config.defaults import default_state_dir, primary_address
from gateway.config.meanings import MEANINGS
from gateway.config.sources import (
    CONFIG_FILE,
    CommandLineSource,
    EnvironmentSource,
    NamedSource,
    TomlSource,
    did_you_mean,
)
from gateway.config.tables import TokenSettings, UpstreamSettings
from gateway.config.values import (
    Addresses,
    FilePath,
    FilePaths,
    JsonTables,
    MailAddress,
    MailAddresses,
    MailServerName,
    PoolOrder,
    Port,
    RoleNames,
    Seconds,
    SomeAddresses,
    Texts,
    TimeAdminPins,
    TimeServers,
    Token,
    TokenDigits,
    UpperCase,
    WebhookSecret,
    WebhookUrl,
)
from gateway.errors import ConfigurationError, UnfitValue
from gateway.i18n.invalid_values import message_of
from gateway.i18n.text import Language, Text, joined, literal

_SOURCES = "sources"
_TOGETHER = Text("{first} and {second} must be given together", "{first} und {second} gehören zusammen angegeben")
_OWN_NAMES = Text("archive_targets: each needs a name of its own", "archive_targets: jedes braucht einen eigenen Namen")
_CA_NEEDED = Text(
    "tls_client_crl and tls_client_required need tls_client_ca",
    "tls_client_crl und tls_client_required brauchen tls_client_ca",
)
_CLIENT_PATIENCE = 60  # seconds after which a till gives up its request (LAN-TSE protocol)


_TABLES = {
    "upstreams": [*UpstreamSettings.model_fields, "token_file"],
    "tokens": [*TokenSettings.model_fields],
    "archive_targets": [*ArchiveTargetSettings.model_fields, "secret_file"],
}

# Shares of stop_timeout: tills that hold a TSE, then other requests; the process has ended after the last one.
STOP_HOLDERS, STOP_REQUESTS, STOP_ALL = 0.75, 0.25, 1.25


class Settings(BaseSettings):
    """All settings, durations in seconds; `meanings` explains each. Only `load` reads the environment and files."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    port: Port = 4433
    bind: SomeAddresses = (IPv4Address("0.0.0.0"),)
    address: str = Field(default_factory=primary_address, min_length=1, pattern=r"^[A-Za-z0-9._:-]+$")
    site: str = Field("", max_length=64)
    state_dir: FilePath = Field(default_factory=lambda: default_state_dir(os.environ))
    api_token: Token = None
    token_digits: TokenDigits = 10
    api_token_role: Literal["lan", "till"] = Field("lan")
    tokens: Annotated[tuple[TokenSettings, ...], JsonTables] = ()
    guess_rate: float = Field(1.0, gt=0, le=100)
    devices: FilePaths = ()
    discover: bool | None = None
    rescan: Seconds = 30
    pool: PoolOrder = ()
    pool_after: Annotated[float, Field(ge=1, le=3600)] = 30
    upstreams: Annotated[tuple[UpstreamSettings, ...], JsonTables] = ()
    simulators: int = Field(0, ge=0, le=16)
    simulator_fresh: bool = False
    simulator_generation: int = Field(1, ge=1, le=2)
    simulator_profile: Literal["instant", "hardware"] = "instant"
    lock_wait: Annotated[Seconds, Field(lt=_CLIENT_PATIENCE)] = 45
    lock_idle: Seconds = 90
    lock_orphaned: Seconds = 10
    lock_longest: Annotated[float, Field(ge=0)] = 0
    filter_exports: bool = True
    old_tills: Texts = ()
    command_timeout: Annotated[Seconds, Field(le=600)] = 45
    self_test_timeout: Annotated[Seconds, Field(le=3600)] = 180
    lost_answer_wait: Annotated[float, Field(ge=0, le=50)] = 20
    late_after: Annotated[Seconds, Field(le=600)] = 5
    keep_alive: Annotated[Seconds, Field(ge=0.01, le=3600)] = 5
    time_admin_pin: TimeAdminPins = None
    set_time: bool = True
    self_test: bool = True
    self_test_client: str = Field("", max_length=30)
    self_test_at: time = time(3, 5)
    self_test_jitter: Annotated[float, Field(ge=0, le=7200)] = 1800
    archive: bool = True
    archive_dir: FilePath | None = None
    archive_at: time = time(3, 30)
    archive_min_free_mib: int = Field(256, ge=0)
    archive_trust: FilePaths = ()
    archive_targets: Annotated[tuple[ArchiveTargetSettings, ...], JsonTables] = ()
    archive_timestamp_url: str = Field("", pattern=r"^(https?://[^\s]+)?$")
    archive_timestamp_trust: FilePaths = ()
    ntp_servers: TimeServers = ("pool.ntp.org",)
    stop_timeout: Annotated[Seconds, Field(le=300)] = 20
    hang_timeout: Annotated[float, Field(ge=1, le=3600)] = 30
    tls_certificate: FilePath | None = None
    tls_key: FilePath | None = None
    tls_client_ca: FilePath | None = None
    tls_client_crl: FilePath | None = None
    tls_client_required: RoleNames = ()
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Annotated[Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"], UpperCase] = "INFO"
    max_body_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30)
    local_socket: bool = True
    mdns: bool = False
    status_page: bool = True
    metrics: bool = True
    metrics_listen: Literal["off", "plain", "tls"] = "off"
    metrics_port: Port = 9464
    metrics_bind: Addresses = ()
    metrics_clients: bool = False
    metrics_token: Token = None

    notify_mail_to: MailAddresses = ()
    notify_mail_server: MailServerName = ""
    notify_mail_from: MailAddress = ""
    notify_mail_user: str = ""
    notify_mail_password: SecretStr | None = None
    notify_webhook_url: WebhookUrl = ""
    notify_webhook_secret: WebhookSecret = None
    notify_language: Literal["de", "en"] = "de"

    _places: dict[str, Text] = PrivateAttr(default_factory=dict)
    _files: dict[str, Path] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (called by name)
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources that `load` has made, the first one winning; without them only the arguments count."""
        sources: tuple[PydanticBaseSettingsSource, ...] = init_settings().pop(_SOURCES, (init_settings,))
        return sources

    @check_model(mode="after")
    def _key_and_certificate_belong_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise UnfitValue(_TOGETHER, first="tls_certificate", second="tls_key")
        return self

    @check_model(mode="after")
    def _archive_targets_have_names_of_their_own(self) -> Self:
        names = [target.name for target in self.archive_targets]
        if len(names) != len(set(names)):
            raise UnfitValue(_OWN_NAMES)
        return self

    @check_model(mode="after")
    def _stamps_can_be_verified(self) -> Self:
        if bool(self.archive_timestamp_url) != bool(self.archive_timestamp_trust):
            raise UnfitValue(_TOGETHER, first="archive_timestamp_url", second="archive_timestamp_trust")
        return self

    @check_model(mode="after")
    def _client_certificates_have_a_ca(self) -> Self:
        if self.tls_client_ca is None and (self.tls_client_crl is not None or self.tls_client_required):
            raise UnfitValue(_CA_NEEDED)
        return self

    @check_model(mode="after")
    def _notifications_are_whole(self) -> Self:
        if bool(self.notify_mail_to) != bool(self.notify_mail_server):
            raise UnfitValue(_TOGETHER, first="notify_mail_to", second="notify_mail_server")
        if bool(self.notify_mail_user) != (self.notify_mail_password is not None):
            raise UnfitValue(_TOGETHER, first="notify_mail_user", second="notify_mail_password")
        if bool(self.notify_webhook_url) != (self.notify_webhook_secret is not None):
            raise UnfitValue(_TOGETHER, first="notify_webhook_url", second="notify_webhook_secret")
        return self

    @property
    def discovers(self) -> bool:
        """Tell whether TSEs are looked for at every disk and mount."""
        return not (self.devices or self.simulators) if self.discover is None else self.discover

    def translates_old_tills(self, serial: str) -> bool:
        """Tell whether commands of generation 1 are translated for the TSE with this serial."""
        return any(name.lower() == "all" or serial.startswith(name.upper()) for name in self.old_tills)

    def secret_file(self, name: str) -> Path | None:
        """Return the file in which the secret `name` lies; `None` if it was given otherwise, or not at all."""
        return self._files.get(name)

    @property
    def local_address(self) -> str:
        """Return where a program on this host reaches the gateway; IPv6 in brackets, ready for a URL."""
        first = self.bind[0]
        if first.is_unspecified:
            return "127.0.0.1" if first.version == 4 else "[::1]"
        return str(first) if first.version == 4 else f"[{first}]"


class EffectiveSetting(NamedTuple):
    """One setting for people: secrets hidden; `source` is where its value comes from."""

    name: str
    value: str
    meaning: str
    source: str


def load(environ: Mapping[str, str], config_file: Path | None = None, **overrides: object) -> Settings:
    """Return the settings from TOML file, environment and `overrides` (the command line), the later ones winning.

    Raises:
        ConfigurationError: something is unknown, unreadable or out of bounds; the message says what to change,
            and shows no value.
    """
    named = environ.get(CONFIG_FILE)
    given: list[NamedSource] = [
        CommandLineSource(Settings, overrides),
        EnvironmentSource(Settings, environ),
        TomlSource(Settings, config_file or (Path(named) if named else None)),
    ]
    default = InitSettingsSource(Settings, {"state_dir": default_state_dir(environ)})
    places = {name: place for source in reversed(given) for name, place in source.places.items()}
    try:
        settings = Settings.model_validate({_SOURCES: (*given, default)})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = joined(_lines(problems, places), "\n")
        raise ConfigurationError(_UNUSABLE, lines=lines) from None
    settings._places.update(places)  # noqa: SLF001 (its own module)
    settings._files.update({name: path for source in reversed(given) for name, path in source.files.items()})  # noqa: SLF001
    return settings


def effective(settings: Settings, language: Language = "en") -> list[EffectiveSetting]:
    """Return every setting, its value, what it means, and where its value comes from."""
    places = settings._places  # noqa: SLF001 (its own module)
    return [
        EffectiveSetting(
            name,
            _shown(getattr(settings, name), language),
            MEANINGS[name].in_language(language),
            _shown(places.get(name, DEFAULT), language),
        )
        for name in Settings.model_fields
    ]


def _lines(problems: Iterable[ErrorDetails], places: Mapping[str, Text]) -> Iterator[Text]:
    """Say where each problem is, what it is, and what the setting means; never the value, which may be a secret."""
    for problem in problems:
        message = message_of(problem)
        if not problem["loc"]:
            yield _LINE.filled(message=message)
            continue
        name, *inner = map(str, problem["loc"])
        if problem["type"] == "extra_forbidden":  # only inside tables: the sources know all other names
            message = joined([_UNKNOWN_NAME, did_you_mean(inner[-1], _TABLES[name])], "")
        within = [_ENTRY.filled(number=int(part) + 1) if part.isdecimal() else literal(part, part) for part in inner]
        place = joined([places.get(name, literal(name, name)), *within], ", ")
        yield _LINE_OF.filled(place=place, message=message, meaning=MEANINGS[name])


_UNUSABLE = Text("the settings cannot be used:\n{lines}", "die Einstellungen sind nicht zu gebrauchen:\n{lines}")
_LINE = Text("  {message}", "  {message}")
_LINE_OF = Text("  {place}: {message}; {meaning}", "  {place}: {message}; {meaning}")
_UNKNOWN_NAME = Text("unknown name", "unbekannter Name")
DEFAULT, _NOT_SET = Text("default", "Vorgabe"), Text("not set", "nicht gesetzt")
_ENTRY = Text("entry {number}", "Eintrag {number}")


def _shown(value: object, language: Language) -> str:
    if value is None:
        return _NOT_SET.in_language(language)
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, Text):
        return _printable(value.in_language(language))
    return _printable(", ".join(map(str, value)) if isinstance(value, tuple) else str(value))


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # file names need not be UTF-8
