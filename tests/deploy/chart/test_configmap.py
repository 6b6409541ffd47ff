"""configmap.yaml: settings that the gateway takes."""

from pathlib import Path

from gateway.config.settings import load
from tests.deploy.chart.chart import objects, one, settings_of


def test_tokens_with_names_are_settings_that_the_gateway_takes(tmp_path: Path) -> None:
    till = {"name": "kassen", "role": "till", "tokenKey": "kassen", "clients": ["POS-1"]}
    found = objects({"tokens": [till], "secrets": {"extra": {"kassen": "123456"}}})
    assert one(found, "Secret")["stringData"] == {"kassen": "123456"}
    config = tmp_path / "gateway.toml"
    config.write_text(one(found, "ConfigMap")["data"]["gateway.toml"])
    (token,) = load({}, config).tokens
    assert (token.name, token.role, token.clients) == ("kassen", "till", ("POS-1",))
    assert str(token.token_file) == "/run/secrets/tse-gateway/kassen"


def test_settings_keep_their_kind(tmp_path: Path) -> None:
    given = {"lock_wait": 12.5, "set_time": False, "ntp_servers": ["a.example", "b.example"], "log_level": "debug"}
    settings = settings_of(objects({"settings": given}), tmp_path)
    assert (settings.lock_wait, settings.set_time, settings.log_level) == (12.5, False, "DEBUG")
    assert len(settings.ntp_servers) == 2
