"""compose/monitoring.yaml and what it mounts."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.monitoring.test_rules import PROMTOOL, promtool

COMPOSE = Path("compose")
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
