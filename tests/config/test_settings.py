"""Settings: where they come from, what is refused, and that no value is ever shown by an error."""

import contextlib
import errno
import json
import re
import socket
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.config.mail import mail_server
from gateway.config.meanings import MEANINGS
from gateway.config.settings import Settings, effective, load
from gateway.config.sources import setting_names
from gateway.errors import ConfigurationError

TOKEN = "471100471100"


def refused(environ: dict[str, str], config: Path | None = None, **overrides: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, config, **overrides)
    return str(caught.value)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_stand() -> None:
    settings = load({"HOME": "/home/shop"})
    assert (settings.port, settings.api_token, settings.devices) == (4433, None, ())
    assert settings.state_dir == Path("/home/shop/.local/state/tse-gateway")
    assert re.fullmatch(r"[0-9a-f:.]+", settings.address)


def test_a_host_without_network_announces_itself_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> socket.socket:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", unreachable)
    assert load({}).address == "127.0.0.1"


def test_state_follows_xdg() -> None:
    assert load({"XDG_STATE_HOME": "/var/lib"}).state_dir == Path("/var/lib/tse-gateway")


def test_all_kinds_of_values_come_from_the_environment() -> None:
    settings = load(
        {
            "GATEWAY_PORT": "4434",
            "GATEWAY_BIND": "127.0.0.1, ::1",
            "GATEWAY_DEVICES": "/dev/sda, /mnt/tse,",
            "GATEWAY_API_TOKEN": TOKEN,
            "GATEWAY_LOCK_WAIT": "1.5",
            "GATEWAY_LOG_LEVEL": "debug",
            "GATEWAY_METRICS": "off",
            "GATEWAY_SITE": "",
            "PATH": "/bin",
        }
    )
    assert [str(address) for address in settings.bind] == ["127.0.0.1", "::1"]
    assert settings.devices == (Path("/dev/sda"), Path("/mnt/tse"))
    assert settings.api_token == SecretStr(TOKEN)
    assert (settings.port, settings.lock_wait, settings.log_level, settings.metrics) == (4434, 1.5, "DEBUG", False)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "gateway.toml", 'port = 1\nsite = "file"\ndevices = ["/a", "/b"]\nlock_idle = 30\n')
    environ = {"GATEWAY_CONFIG": str(file), "GATEWAY_PORT": "2", "GATEWAY_SITE": "environment"}
    settings = load(environ, port=3)
    assert (settings.port, settings.site, settings.lock_idle) == (3, "environment", 30)
    assert settings.devices == (Path("/a"), Path("/b"))
    sources = {row.name: row.source for row in effective(settings)}
    assert sources["port"] == "--port"
    assert sources["site"] == "GATEWAY_SITE"
    assert sources["lock_idle"] == f"lock_idle in {file}"
    assert sources["bind"] == "default"


def test_the_named_file_wins_over_gateway_config(tmp_path: Path) -> None:
    one, two = written(tmp_path / "1", "port = 1"), written(tmp_path / "2", "port = 2")
    assert load({"GATEWAY_CONFIG": str(one)}, two).port == 2


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("bind", "local"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("192.0.2.7,::", "192.0.2.7"), ("::1", "[::1]")],
)
def test_the_local_address_fits_into_a_url(bind: str, local: str) -> None:
    assert load({"GATEWAY_BIND": bind}).local_address == local


def test_an_unknown_name_in_the_environment_stops_the_start_with_the_nearest_one() -> None:
    assert "GATEWAY_PROT in the environment: did you mean GATEWAY_PORT?" in refused({"GATEWAY_PROT": "1"})
    assert "did you mean GATEWAY_API_TOKEN_FILE?" in refused({"GATEWAY_APITOKEN_FILE": "/x"})
    message = refused({"GATEWAY_XYZZY": "1"})
    assert "unknown setting GATEWAY_XYZZY in the environment\n" in message
    assert "tse-gateway config" in message


def test_names_that_kubernetes_sets_are_explained() -> None:
    assert "enableServiceLinks" in refused({"GATEWAY_SERVICE_HOST": "10.0.0.1", "GATEWAY_SERVICE_PORT": "4433"})


def test_an_unknown_key_in_the_file_stops_the_start(tmp_path: Path) -> None:
    file = written(tmp_path / "gateway.toml", "lock_wiat = 3")
    assert f"lock_wiat in {file}: did you mean lock_wait?" in refused({}, file)


def test_an_unknown_override_is_refused() -> None:
    assert "--prot" in refused({}, prot=1)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "65536", "65535"),
        ("PORT", "http", "whole number"),
        ("BIND", "localhost", "should be IP addresses"),
        ("BIND", ",", "should be IP addresses"),
        ("ADDRESS", "a b", "form"),
        ("TOKEN_DIGITS", "4", "6 and more"),
        ("SIMULATORS", "17", "16"),
        ("SIMULATOR_PROFILE", "fast", "'instant', 'hardware'"),
        ("LOCK_WAIT", "60", "less than 60"),
        ("LOCK_IDLE", "0", "must be more than 0"),
        ("LOCK_IDLE", "inf", "finite"),
        ("LOG_LEVEL", "LOUD", "'TRACE'"),
        ("METRICS", "perhaps", "true or false"),
        ("MAX_BODY_BYTES", "1000", "1048576"),
    ],
)
def test_a_bad_value_is_told_with_its_name_the_bounds_and_the_meaning(name: str, value: str, says: str) -> None:
    message = refused({f"GATEWAY_{name}": value})
    assert re.search(rf"^  GATEWAY_{name}: .*{re.escape(says)}.*; {_meaning(name)}$", message, re.MULTILINE)
    assert "pydantic" not in message.lower()


def _meaning(name: str) -> str:
    return re.escape(MEANINGS[name.lower()].en)


def test_all_bad_values_are_told_at_once(tmp_path: Path) -> None:
    file = written(tmp_path / "gateway.toml", 'port = "x"\nsimulators = -1')
    message = refused({"GATEWAY_BIND": "a,b"}, file)
    assert [line.split(": ")[0].strip() for line in message.splitlines()[1:]] == [
        f"port in {file}",
        "GATEWAY_BIND",
        f"simulators in {file}",
    ]


def test_certificate_and_key_come_together() -> None:
    assert "tls_certificate and tls_key must be given together" in refused({"GATEWAY_TLS_KEY": "/key.pem"})


@pytest.mark.parametrize("name", ["api_token", "metrics_token"])
@pytest.mark.parametrize(
    "token", ["s3cr3", "s3cr3t-ümlaut", "s3cr3t ", "s3cr3t s3cr3t", "s3cr3t\nx", "s3cr3t" * 30, "\0" * 8, " " * 8]
)
def test_a_bad_token_is_refused_and_never_shown(name: str, token: str, tmp_path: Path) -> None:
    file = written(tmp_path / "c.toml", f"{name} = {json.dumps(token)}")
    for message in (refused({}, file), refused({f"GATEWAY_{name.upper()}": token})):
        assert name in message.lower()
        assert "s3cr3" not in message


def test_a_token_of_the_wrong_type_is_refused_and_never_shown(tmp_path: Path) -> None:
    message = refused({}, written(tmp_path / "c.toml", f"api_token = {TOKEN}"))
    assert "api_token" in message
    assert TOKEN not in message


def test_a_secret_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = written(tmp_path / "token", f"  {TOKEN}\n")
    file = written(tmp_path / "c.toml", f'api_token_file = "{secret}"')
    assert load({"GATEWAY_API_TOKEN_FILE": str(secret)}).api_token == SecretStr(TOKEN)
    assert load({}, file).api_token == SecretStr(TOKEN)


def test_trouble_with_the_secret_file_is_told_by_the_name_of_the_setting(tmp_path: Path) -> None:
    missing, binary, empty = tmp_path / "none", tmp_path / "binary", written(tmp_path / "empty", "\n")
    binary.write_bytes(b"\xff\xfe")
    assert "GATEWAY_API_TOKEN_FILE: the file that it names cannot be read: No such file" in refused(
        {"GATEWAY_API_TOKEN_FILE": str(missing)}
    )
    assert "not UTF-8" in refused({"GATEWAY_API_TOKEN_FILE": str(binary)})
    assert "GATEWAY_API_TOKEN_FILE: should have 6" in refused({"GATEWAY_API_TOKEN_FILE": str(empty)})
    assert "both given" in refused({"GATEWAY_API_TOKEN_FILE": str(empty), "GATEWAY_API_TOKEN": TOKEN})


def test_an_environment_token_wins_over_a_token_file_of_the_configuration(tmp_path: Path) -> None:
    secret = written(tmp_path / "token", "from-file")
    file = written(tmp_path / "c.toml", f'api_token_file = "{secret}"')
    assert load({"GATEWAY_API_TOKEN": TOKEN}, file).api_token == SecretStr(TOKEN)


def test_a_secret_that_stands_where_the_path_of_its_file_belongs_is_not_shown(tmp_path: Path) -> None:
    file = written(tmp_path / "c.toml", f'[[upstreams]]\nurl = "https://tse"\ntoken_file = "{TOKEN}"')
    for message in (refused({"GATEWAY_API_TOKEN_FILE": TOKEN}), refused({}, file)):
        assert "cannot be read" in message
        assert TOKEN not in message


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("tokn = 's3cr3t-token'", "upstreams in .*, entry 1, tokn: unknown name: did you mean token?; other LAN-TSE"),
        ("token = 's3cr3t-token'\ncafile = 's3cr3t'", "entry 1, cafile: unknown name: did you mean ca_file?"),
        ("token = 's3cr3t-token'\ntoken_file = 's3cr3t'", "entry 1: token and token_file are both given"),
        ("token = ['s3cr3t-token']", "entry 1, token: must be a string"),
    ],
)
def test_a_wrong_table_of_an_upstream_is_told_without_any_value(tmp_path: Path, lines: str, says: str) -> None:
    message = refused({}, written(tmp_path / "c.toml", f"[[upstreams]]\nurl = 'https://tse'\n{lines}"))
    assert re.search(says.replace("?", r"\?"), message)
    assert "s3cr3t" not in message


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://tse.example:4433", "must be https"),
        ("tse.example:4433", "must be https"),
        ("https://", "must be https"),
        ("https://tse.example/?token=s3cr3t", "must be https"),
        ("https://[::1", "cannot be understood"),
        ("https://lantse:s3cr3t@tse.example", "may hold no user and no password"),
        ("https://s3cr3t@tse.example", "may hold no user and no password"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_never_shown(tmp_path: Path, url: str, says: str) -> None:
    upstream = {"url": url, "token": TOKEN}
    file = written(tmp_path / "c.toml", f"[[upstreams]]\nurl = '{url}'\ntoken = '{TOKEN}'")
    for message in (refused({}, file), refused({"GATEWAY_UPSTREAMS": json.dumps([upstream])})):
        assert f"entry 1, url: {says}" in message
        assert not re.search(f"s3cr3t|tse.example|{TOKEN}", message)


def test_a_private_key_that_stands_where_its_path_belongs_is_not_taken(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n"
    message = refused({"GATEWAY_TLS_KEY": key, "GATEWAY_TLS_CERTIFICATE": "/chain.pem"})
    assert "GATEWAY_TLS_KEY: should be a path" in message
    assert "s3cr3t" not in message


def test_trouble_with_the_configuration_file_is_told(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused({"GATEWAY_CONFIG": str(tmp_path / "none")})
    assert "not valid TOML" in refused({}, written(tmp_path / "bad.toml", "port = = 1"))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff")
    assert "not UTF-8" in refused({}, binary)
    assert "nested too deeply" in refused({}, written(tmp_path / "deep.toml", "devices = " + 100_000 * "["))
    assert "cannot be read" in refused({}, written(tmp_path / "long.toml", "port = " + 5_000 * "9"))
    assert "cannot be read" in refused({}, Path("nul\0"))
    assert "finite" in refused({}, written(tmp_path / "endless.toml", "lock_idle = inf"))
    assert "JSON" in refused({"GATEWAY_UPSTREAMS": 100_000 * "["})


TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "token", "x"]), inner),
    max_leaves=5,
)


@hypothesis.settings(deadline=None)
@given(st.sampled_from(setting_names(Settings)), TOML)
def test_any_value_is_taken_or_refused_with_a_sentence(name: str, value: object) -> None:
    with contextlib.suppress(ConfigurationError):
        effective(load({}, None, **{name: value}))
    with contextlib.suppress(ConfigurationError):
        effective(load({f"GATEWAY_{name.upper()}": str(value)}))


@hypothesis.settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_file_is_read_or_refused_with_a_sentence(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file, contextlib.suppress(ConfigurationError):
        file.write(content)
        file.flush()
        load({}, Path(file.name))


def test_names_of_files_need_not_be_utf_8(tmp_path: Path) -> None:
    file = written(tmp_path / "c-\udcff.toml", 'site = "Berlin"')
    rows = {row.name: row for row in effective(load({"GATEWAY_DEVICES": "/tse-\udcff"}, file))}
    assert rows["devices"].value == r"/tse-\udcff"
    assert rows["site"].source.endswith(r"c-\udcff.toml")


def test_every_setting_is_shown_with_a_meaning_and_secrets_are_hidden() -> None:
    settings = load({"GATEWAY_API_TOKEN": TOKEN, "GATEWAY_DEVICES": "/a,/b"})
    rows = {row.name: row for row in effective(settings)}
    assert list(rows) == list(Settings.model_fields)
    assert list(MEANINGS) == list(rows)
    assert [
        (row.meaning, german.meaning) for row, german in zip(rows.values(), effective(settings, "de"), strict=True)
    ] == [(meaning.en, meaning.de) for meaning in MEANINGS.values()]
    assert rows["api_token"].value == "***"
    assert rows["devices"].value == "/a, /b"
    assert rows["tls_key"].value == "not set"
    assert TOKEN not in repr(settings) + str(rows)


WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def test_notifications_are_set_up_by_two_or_three_lines(tmp_path: Path) -> None:
    secret = written(tmp_path / "password", "a password\n")
    settings = load(
        {
            "GATEWAY_NOTIFY_MAIL_TO": "chef@shop.example, it@shop.example",
            "GATEWAY_NOTIFY_MAIL_SERVER": "mail.shop.example",
            "GATEWAY_NOTIFY_MAIL_USER": "tse@shop.example",
            "GATEWAY_NOTIFY_MAIL_PASSWORD_FILE": str(secret),
            "GATEWAY_NOTIFY_WEBHOOK_URL": "https://hooks.shop.example/tse?key=1",
            "GATEWAY_NOTIFY_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
    )
    assert settings.notify_mail_to == ("chef@shop.example", "it@shop.example")
    assert settings.notify_mail_password == SecretStr("a password")


@pytest.mark.parametrize(
    ("text", "server", "tls"),
    [
        ("mail.shop.example", ("mail.shop.example", 587), False),
        ("mail.shop.example:465", ("mail.shop.example", 465), True),
        ("[2001:db8::1]:25", ("2001:db8::1", 25), False),
        ("[2001:db8::1]", ("2001:db8::1", 587), False),
    ],
)
def test_a_mail_server_has_the_port_of_its_kind_of_tls(text: str, server: tuple[str, int], *, tls: bool) -> None:
    assert mail_server(text) == server
    assert mail_server(text).tls is tls


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"MAIL_TO": "chef"}, "GATEWAY_NOTIFY_MAIL_TO: should be mail addresses such as tse@shop.example"),
        ({"MAIL_TO": "chef@shop.example"}, "notify_mail_to and notify_mail_server must be given together"),
        ({"MAIL_SERVER": "smtps://mail.example"}, "GATEWAY_NOTIFY_MAIL_SERVER: should be host or host:port"),
        ({"MAIL_SERVER": "mail.example:0"}, "should be host or host:port"),
        ({"MAIL_FROM": "me@localhost"}, "should be mail addresses"),
        ({"MAIL_FROM": "a@b.example\r\nBcc: c@d.example"}, "should be mail addresses"),
        ({"MAIL_USER": "me"}, "notify_mail_user and notify_mail_password must be given together"),
        ({"WEBHOOK_URL": "https://hooks.example"}, "notify_webhook_url and notify_webhook_secret must be given"),
        ({"WEBHOOK_URL": "ftp://hooks.example"}, "GATEWAY_NOTIFY_WEBHOOK_URL: should be https://<host>/<path>"),
        ({"WEBHOOK_URL": "https://me:secret@hooks.example"}, "without a user"),
        ({"WEBHOOK_SECRET": "swordfish"}, "should be whsec_ and 24 to 64 random bytes as base64"),
        ({"LANGUAGE": "fr"}, "GATEWAY_NOTIFY_LANGUAGE"),
    ],
)
def test_what_no_notification_can_go_by_is_refused(given: dict[str, str], says: str) -> None:
    message = refused({f"GATEWAY_NOTIFY_{name}": value for name, value in given.items()})
    assert says in message
    assert "secret@" not in message
    assert "swordfish" not in message
