"""The support bundle holds what helps, and no secret, wherever that may have got to."""

import base64
import io
import json
import stat
import zipfile
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.config.tables import UpstreamSettings
from gateway.doctor.bundle import packed
from gateway.telemetry.log import register_secret
from tests.cli.background import Running, call, make_ready, running, settings_of

TOKEN, PIN, METRICS, UPSTREAM = "token-of-this-shop", "48151", "metrics-token-1623", "upstream-token-4242"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIsecretsecret\n-----END EC PRIVATE KEY-----"


def contents(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture
def careless_log(tmp_path: Path) -> Path:
    """A log into which somebody wrote everything that must not be there."""
    basic = base64.b64encode(f"lantse:{TOKEN}".encode()).decode()
    secrets = [TOKEN, PIN, METRICS, UPSTREAM, KEY, f"Authorization: Basic {basic}", "Bearer a-token-of-somebody-else"]
    file = tmp_path / "gateway.log"
    file.write_text("it began\n" + "".join(f'line with "{secret}" in it\n' for secret in secrets) + "it went on\n")
    return file


def test_it_holds_what_helps_and_no_secret(tmp_path: Path, careless_log: Path) -> None:
    upstream = UpstreamSettings(url="https://127.0.0.1:1", token=SecretStr(UPSTREAM), fingerprint="ab" * 32)
    settings = settings_of(tmp_path / "state", api_token=TOKEN, time_admin_pin=PIN, metrics_token=METRICS).model_copy(
        update={"upstreams": (upstream,)}
    )
    given = {
        "GATEWAY_API_TOKEN": TOKEN,
        "GATEWAY_TIME_ADMIN_PIN": PIN,
        "GATEWAY_METRICS_TOKEN": METRICS,
        "GATEWAY_UPSTREAMS": json.dumps([{"url": "https://127.0.0.1:1", "token": UPSTREAM, "fingerprint": "ab" * 32}]),
    }
    with running(settings) as gateway:
        gateway.do(make_ready)
        said = gateway.call(f"support-bundle -o {tmp_path}/support.zip --log {careless_log} --json", **given)
        serial = gateway.serial
    assert said.status == 0, said.err
    file = tmp_path / "support.zip"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    parts = contents(file)
    assert sorted(parts) == json.loads(said.out)["parts"]
    for name, text in parts.items():
        for secret in (TOKEN, PIN, METRICS, UPSTREAM, "MHcCAQEE", "somebody-else"):
            assert secret not in text, name
        assert base64.b64encode(f"lantse:{TOKEN}".encode()).decode() not in text, name
    assert "it began" in parts["log.txt"]
    assert "it went on" in parts["log.txt"]
    assert json.loads(parts[f"tse-{serial[:16]}/info.json"])["lifecycle"] == "initialized"
    assert "BEGIN CERTIFICATE" in parts[f"tse-{serial[:16]}/certificates.pem"]
    assert {finding["layer"] for finding in json.loads(parts["doctor.json"])} >= {"usb", "pins", "clock"}
    assert {row["name"]: row["value"] for row in json.loads(parts["settings.json"])}["api_token"] == "***"
    assert "tse_" in parts["metrics.txt"]
    assert "simulator-1" in parts["state.txt"]


def test_json_stays_json_when_a_number_holds_the_digits_of_a_pin() -> None:
    register_secret("73737")
    with zipfile.ZipFile(io.BytesIO(packed({"a.json": '{"bytes": 1737379, "73737": ["73737"]}'}))) as archive:
        assert json.loads(archive.read("a.json")) == {"bytes": "1***9", "***": ["***"]}


def test_it_is_made_where_nothing_works(tmp_path: Path) -> None:
    nothing = {"GATEWAY_STATE_DIR": str(tmp_path / "none"), "GATEWAY_PORT": "1", "GATEWAY_NTP_SERVERS": "none"}
    said = call(f"support-bundle -o {tmp_path}/support.zip", nothing)
    assert said.status == 0, said.err
    parts = contents(tmp_path / "support.zip")
    assert json.loads(parts["versions.json"])["kernel"]
    assert "cannot be listed" in parts["state.txt"]
    assert any(finding["verdict"] == "fail" for finding in json.loads(parts["doctor.json"]))
    assert not (tmp_path / "none").exists()


def test_of_a_gateway_elsewhere_it_holds_what_its_api_tells(shop: Running, tmp_path: Path) -> None:
    state = shop.gateway.settings.state_dir
    target = f"--url https://127.0.0.1:{shop.gateway.port} --token-file {state}/api_token --ca {state}/tls/ca.pem"
    elsewhere = {"GATEWAY_STATE_DIR": str(tmp_path / "elsewhere")}
    assert call(f"support-bundle -o {tmp_path}/support.zip {target}", elsewhere).status == 0
    parts = contents(tmp_path / "support.zip")
    assert f"tse-{shop.serial[:16]}/info.json" in parts
    assert "log.txt" not in parts
    assert shop.gateway.token.value not in "".join(parts.values())
