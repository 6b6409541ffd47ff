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
_KEY_NEEDED = Text(
    "tls_certificate and tls_key must be given together", "tls_certificate und tls_key gehören zusammen angegeben"
)
_TOGETHER = Text("{first} and {second} must be given together", "{first} und {second} gehören zusammen angegeben")
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
    """All settings; durations in seconds. Only `load` reads the environment and files."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    port: Port = Field(4433, description="TCP port of the LAN-TSE protocol; 0 takes any free one")
    bind: SomeAddresses = Field(
        (IPv4Address("0.0.0.0"),), description="addresses to listen on, separated by commas; :: for IPv6"
    )
    address: str = Field(
        default_factory=primary_address,
        min_length=1,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="host name or address that tills are told to use; also goes into the certificate",
    )
    site: str = Field("", max_length=64, description="name of the shop, for people who look after several")
    state_dir: FilePath = Field(
        default_factory=lambda: default_state_dir(os.environ),
        description="directory for token, certificates and session.txt; keep it over updates",
    )
    api_token: Token = Field(None, description="token that tills send; without it one is made and kept")
    token_digits: TokenDigits = Field(
        10, description="digits of the token that is made; fewer are guessed sooner, 0 makes a long one with letters"
    )
    api_token_role: Literal["lan", "till"] = Field(
        "lan", description="what the api_token opens: lan is all but the tokens, till no more than tills need"
    )
    tokens: Annotated[tuple[TokenSettings, ...], JsonTables] = Field(
        (), description="more tokens in secret files: tables of name, role, token_file, tses, clients"
    )
    guess_rate: float = Field(
        1.0,
        gt=0,
        le=100,
        description="tokens of fewer than ten digits that an address may try per second after ten errors",
    )
    devices: FilePaths = Field((), description="TSEs: mount directories or block devices, separated by commas")
    discover: bool | None = Field(
        None, description="look for TSEs at every disk and mount; without it only if no devices or simulators are named"
    )
    rescan: Seconds = Field(30, description="how often everything is looked at again, whatever the kernel tells")
    pool: PoolOrder = Field(
        (), description="TSEs that stand in for each other, by beginnings of serials: the primary, then its standbys"
    )
    pool_after: Annotated[float, Field(ge=1, le=3600)] = Field(
        30, description="how long the TSE that serves must have failed before a standby of its pool serves"
    )
    upstreams: Annotated[tuple[UpstreamSettings, ...], JsonTables] = Field(
        (), description="other LAN-TSE connectors whose TSEs are served here too: tables of url, token, ca_file, ..."
    )
    simulators: int = Field(0, ge=0, le=16, description="how many simulated TSEs to serve; never a certified one")
    simulator_fresh: bool = Field(
        False, description="leave simulated TSEs as from the factory; else they are set up and kept ready"
    )
    simulator_generation: int = Field(1, ge=1, le=2, description="generation of the simulated TSEs that are made")
    simulator_profile: Literal["instant", "hardware"] = Field(
        "instant", description="instant, or hardware with the times of a real TSE"
    )
    lock_wait: Annotated[Seconds, Field(lt=_CLIENT_PATIENCE)] = Field(
        45, description="how long a till waits for a TSE that another one holds; below 60, when tills give up"
    )
    lock_idle: Seconds = Field(90, description="when the lock of a silent till lapses")
    lock_orphaned: Seconds = Field(10, description="when the lock of a till lapses whose connection broke")
    lock_longest: Annotated[float, Field(ge=0)] = Field(
        0, description="when the lock of any till is taken back, however busy it is; 0 never"
    )
    filter_exports: bool = Field(
        True, description="make filtered exports of tills from the store of a TSE of generation 2, which refuses them"
    )
    old_tills: Texts = Field(
        (),
        description="TSEs of generation 2 for tills with software for generation 1: beginnings of serials, or all",
    )
    command_timeout: Annotated[Seconds, Field(le=600)] = Field(45, description="longest time of an ordinary command")
    self_test_timeout: Annotated[Seconds, Field(le=3600)] = Field(
        180, description="longest time of a self test or firmware update"
    )
    lost_answer_wait: Annotated[float, Field(ge=0, le=50)] = Field(
        20, description="how long a till waits for a TSE that failed to come back and tell whether it signed"
    )
    late_after: Annotated[Seconds, Field(le=600)] = Field(
        5, description="when a TSE whose answer does not come is not ready any more; a self test has a minute"
    )
    keep_alive: Annotated[Seconds, Field(ge=0.01, le=3600)] = Field(
        5, description="how often an idle TSE is read, which keeps USB awake"
    )
    time_admin_pin: TimeAdminPins = Field(
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
    archive_dir: FilePath | None = Field(
        None, description="directory of the archives; without it the folder archive in state_dir"
    )
    archive_at: time = Field(time(3, 30), description="local time of the nightly archive run, after the self test")
    archive_min_free_mib: int = Field(
        256, ge=0, description="room that the archive leaves on its disk for everything else"
    )
    archive_trust: FilePaths = Field(
        (), description="files or directories with the root certificates that archived chains must lead to"
    )
    archive_targets: Annotated[tuple[ArchiveTargetSettings, ...], JsonTables] = Field(
        (),
        description="where archives are copied to: tables of name, url (bucket, SFTP or share), secret_file, ...",
    )
    archive_timestamp_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="authority (RFC 3161) that stamps the newest manifest of each archive, http or https",
    )
    archive_timestamp_trust: FilePaths = Field(
        (), description="files or directories with the root certificates of that authority"
    )
    ntp_servers: TimeServers = Field(
        ("pool.ntp.org",),
        description="time servers, or none; asked only while the kernel does not say that its clock is right",
    )
    stop_timeout: Annotated[Seconds, Field(le=300)] = Field(
        20,
        description="how long tills may go on when the gateway stops; it has ended after 5/4 of this, whatever hangs",
    )
    hang_timeout: Annotated[float, Field(ge=1, le=3600)] = Field(
        30, description="when a gateway whose event loop stands still ends itself, so that it is started anew"
    )
    tls_certificate: FilePath | None = Field(None, description="your own certificate chain (PEM) instead of a made one")
    tls_key: FilePath | None = Field(None, description="the private key (PEM, no password) of tls_certificate")
    tls_client_ca: FilePath | None = Field(
        None, description="CA certificates (PEM): a client certificate of theirs that names a token stands for it"
    )
    tls_client_crl: FilePath | None = Field(
        None, description="revocation lists (PEM) of tls_client_ca, read anew each minute; all must be in date"
    )
    tls_client_required: RoleNames = Field(
        (), description="roles whose tokens count only with the client certificate of their name, separated by commas"
    )
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto is text on a terminal, else json")
    log_level: Annotated[Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"], UpperCase] = Field(
        "INFO", description="TRACE, DEBUG, INFO, WARNING or ERROR"
    )
    max_body_bytes: int = Field(64 * 2**20, ge=2**20, le=2**30, description="largest request body")
    local_socket: bool = Field(
        True, description="serve programs of this user or root by gateway.sock in state_dir, without token"
    )
    mdns: bool = Field(
        False,
        description="announce the gateway in its network by multicast DNS; needs the extra mdns, and no container",
    )
    status_page: bool = Field(True, description="serve the status page for people at / on the port of the tills")
    metrics: bool = Field(True, description="serve /metrics for Prometheus on the port of the tills")
    metrics_listen: Literal["off", "plain", "tls"] = Field(
        "off", description="a port for /metrics alone: off, plain, or tls with a bearer token"
    )
    metrics_port: Port = Field(9464, description="that port; 0 takes any free one")
    metrics_bind: Addresses = Field(
        (), description="addresses of that port, separated by commas; without it those of bind"
    )
    metrics_clients: bool = Field(False, description="also tell what each till has signed, and when it last did")
    metrics_token: Token = Field(
        None, description="bearer token of that port, which opens nothing else; without it the api_token"
    )

    notify_mail_to: MailAddresses = Field(
        (), description="mail addresses that are told once what needs attention, separated by commas"
    )
    notify_mail_server: MailServerName = Field(
        "", description="host or host:port that takes these mails; port 465 for TLS, any other (587) for STARTTLS"
    )
    notify_mail_from: MailAddress = Field(
        "", description="sender of these mails; without it the user if it is an address, else the first that is told"
    )
    notify_mail_user: str = Field("", description="login at the mail server; without it none")
    notify_mail_password: SecretStr | None = Field(None, description="password of that login")
    notify_webhook_url: WebhookUrl = Field("", description="address that is told the same by a signed POST of JSON")
    notify_webhook_secret: WebhookSecret = Field(
        None, description="key of that signature: whsec_ and 24 to 64 random bytes as base64"
    )
    notify_language: Literal["de", "en"] = Field("de", description="language of mails and webhook: de or en")

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
            raise UnfitValue(_KEY_NEEDED)
        return self

    @check_model(mode="after")
    def _archive_targets_have_names_of_their_own(self) -> Self:
        names = [target.name for target in self.archive_targets]
        if len(names) != len(set(names)):
            raise ValueError("archive_targets: each needs a name of its own")
        return self

    @check_model(mode="after")
    def _stamps_can_be_verified(self) -> Self:
        if bool(self.archive_timestamp_url) != bool(self.archive_timestamp_trust):
            raise ValueError("archive_timestamp_url and archive_timestamp_trust must be given together")
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
            field.description or "",
            _shown(places.get(name, _DEFAULT), language),
        )
        for name, field in Settings.model_fields.items()
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
        yield _LINE_OF.filled(place=place, message=message, meaning=Settings.model_fields[name].description)


_UNUSABLE = Text("the settings cannot be used:\n{lines}", "die Einstellungen sind nicht zu gebrauchen:\n{lines}")
_LINE = Text("  {message}", "  {message}")
_LINE_OF = Text("  {place}: {message}; {meaning}", "  {place}: {message}; {meaning}")
_UNKNOWN_NAME = Text("unknown name", "unbekannter Name")
_DEFAULT, _NOT_SET = Text("default", "Vorgabe"), Text("not set", "nicht gesetzt")
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
