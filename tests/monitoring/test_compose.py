"""compose/monitoring.yaml and what it mounts."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.monitoring.test_rules import ALERTS, PROMTOOL, promtool

COMPOSE = Path("compose")
MESSAGES = (COMPOSE / "monitoring" / "alertmanager.yaml").read_text(encoding="utf-8")
_HOURS = {"m": 1 / 60, "h": 1, "d": 24}
DOCUMENT: dict[str, Any] = yaml.safe_load((COMPOSE / "monitoring.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = DOCUMENT["services"]


def test_each_service_is_hardened_and_reachable_from_this_machine_only() -> None:
    assert set(SERVICES) == {"prometheus", "alertmanager", "grafana"}
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_everything_that_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    files = [COMPOSE / path for path in mounted if path.startswith("./")]
    assert len(files) == 6
    assert [path for path in files if not path.exists()] == []
    assert {path for path in mounted if not path.startswith("./")} == set(DOCUMENT["volumes"])
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(DOCUMENT["secrets"])


def test_no_secret_is_committed() -> None:
    ignored = (COMPOSE / "monitoring" / "secrets" / ".gitignore").read_text(encoding="utf-8").split()
    assert ignored == ["*", "!.gitignore"]
    for secret in DOCUMENT["secrets"].values():
        assert secret["file"].startswith("./monitoring/secrets/")


@PROMTOOL
def test_an_agent_takes_its_configuration_and_tells_shops_apart(tmp_path: Path) -> None:
    text = (COMPOSE / "monitoring" / "agent.yaml").read_text(encoding="utf-8")
    (tmp_path / "remote_write_password").write_text("x")
    (tmp_path / "agent.yaml").write_text(text.replace("/run/secrets", str(tmp_path)))
    said = promtool("check", "config", "--agent", str(tmp_path / "agent.yaml"))
    assert "is valid prometheus config file syntax" in said
    (sent,) = yaml.safe_load(text)["remote_write"]
    assert [rule["target_label"] for rule in sent["write_relabel_configs"]] == ["instance"]


def test_the_agents_of_compose_and_quadlet_are_the_same_and_hardened() -> None:
    (agent,) = yaml.safe_load((COMPOSE / "agent.yaml").read_text(encoding="utf-8"))["services"].values()
    unit = (COMPOSE / "quadlet" / "tse-agent.container").read_text(encoding="utf-8")
    assert (agent["read_only"], agent["cap_drop"]) == (True, ["ALL"])
    assert f"Exec={' '.join(agent['command'])}\n" in unit
    assert f"Image=docker.io/{agent['image']}\n" in unit
    assert agent["image"] == SERVICES["prometheus"]["image"]
    assert "--storage.agent.wal-truncate-frequency=48h" in agent["command"]
    assert not {"ports"} & agent.keys()


def test_an_agent_is_given_the_password_alone_since_its_user_cannot_read_the_secrets_of_the_gateway() -> None:
    document = yaml.safe_load((COMPOSE / "agent.yaml").read_text(encoding="utf-8"))
    (agent,) = document["services"].values()
    (name,) = agent["secrets"]
    assert document["secrets"] == {name: {"file": f"./monitoring/secrets/{name}"}}
    mounted = [volume.split(":")[1] for volume in agent["volumes"]]
    unit = (COMPOSE / "quadlet" / "tse-agent.container").read_text(encoding="utf-8")
    assert re.findall(r"^Volume=[^:]+:([^:\n]+)", unit, re.MULTILINE) == [
        mounted[0],
        f"/run/secrets/{name}",
        mounted[1],
    ]
    (sent,) = yaml.safe_load((COMPOSE / "monitoring" / "agent.yaml").read_text(encoding="utf-8"))["remote_write"]
    assert sent["basic_auth"]["password_file"] == f"/run/secrets/{name}"


@PROMTOOL
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    text = (COMPOSE / "monitoring" / "prometheus.yaml").read_text(encoding="utf-8")
    secrets = re.findall(r"/run/secrets/(\w+)", text)
    assert set(secrets) == set(SERVICES["prometheus"]["secrets"])
    for secret in secrets:
        (tmp_path / secret).write_text("x")
    for name in ("rules.yaml", "targets/gateways.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((COMPOSE / "monitoring" / name).read_bytes())
    (tmp_path / "prometheus.yaml").write_text(text.replace("/run/secrets", str(tmp_path)))
    assert "is valid prometheus config file syntax" in promtool("check", "config", str(tmp_path / "prometheus.yaml"))


def hours(duration: str) -> float:
    return float(duration[:-1]) * _HOURS[duration[-1]]


def test_alertmanager_remembers_what_it_sent_until_it_repeats_it() -> None:
    routes = yaml.safe_load(MESSAGES)["route"]["routes"]
    (kept,) = [
        argument.partition("=")[2]
        for argument in SERVICES["alertmanager"]["command"]
        if argument.startswith("--data.retention=")
    ]
    assert max(hours(route["repeat_interval"]) for route in routes) < hours(kept)


def test_messages_are_grouped_by_site_and_many_missing_sites_are_one_message() -> None:
    found = yaml.safe_load(MESSAGES)
    assert found["route"]["group_by"] == ["site"]
    silenced = {
        alert
        for rule in found["inhibit_rules"]
        for pattern in re.findall(r'alertname=~?"(.*)"', " ".join(rule["target_matchers"]))
        for alert in ALERTS
        if rule["source_matchers"] == ['alertname="SitesMissing"'] and re.fullmatch(pattern, alert)
    }
    assert silenced == {"SiteMissing", "GatewayMissing"}


def test_each_pattern_of_alerts_names_some_that_there_are() -> None:
    patterns = re.findall(r'alertname=~?"([^"]*)"', MESSAGES)
    assert len(patterns) > 8
    for pattern in patterns:
        for name in pattern.split("|"):
            assert any(re.fullmatch(name, alert) for alert in ALERTS), name


def test_the_example_for_mail_logs_in_over_tls() -> None:
    (mail,) = [receiver for receiver in yaml.safe_load(MESSAGES)["receivers"] if receiver["name"] == "mail"]
    (example,) = mail["email_configs"]
    assert example["require_tls"] is True
    assert example["auth_username"]


def test_a_target_has_its_site() -> None:
    targets = yaml.safe_load((COMPOSE / "monitoring/targets/gateways.yaml").read_text(encoding="utf-8"))
    assert all(group["labels"]["site"] for group in targets)
