"""compose/, read as data: what an administrator starts is hardened, complete and consistent with the gateway."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.config.settings import STOP_ALL, Settings, load
from gateway.config.sources import setting_names

yaml = pytest.importorskip("yaml", reason="needs PyYAML")

from tests.deploy.compose_files import COMPOSE, FILES, hardening, mounts, service  # noqa: E402
from tests.deploy.guide import blocks, commands_of  # noqa: E402

_SETTING = re.compile(r"^#?([A-Z][A-Z_]*)=(.*)$")
# The parser of compose-spec fills in no variables.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}")
_NEEDED = {
    "GATEWAY_SITE": "hamburg",
    "TSE_ADDRESS": "192.168.10.5",
    "TSE_PARENT": "eth0",
    "TSE_SUBNET": "192.168.10.0/24",
    "TSE_ROUTER": "192.168.10.1",
}
_EXAMPLE = (COMPOSE / ".env.example").read_text(encoding="utf-8")
_UNIT = (COMPOSE / "systemd/tse-gateway.service").read_text(encoding="utf-8")
_QUADLET = (COMPOSE / "quadlet/tse-gateway.container").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(COMPOSE.glob("*.yaml")), ids=lambda path: path.name)
def test_compose_files_are_valid(path: Path) -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="needs compose-spec (pip install compose-spec)")
    text = _VARIABLE.sub(lambda found: found["default"] or _NEEDED[found["name"]], path.read_text(encoding="utf-8"))
    text = re.sub(r"(image: \S+?):[\w.-]+@sha256:", r"\1@sha256:", text)  # engines take a tag beside the digest, too
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(text)))  # it knows no anchors either


@pytest.mark.parametrize("name", FILES)
def test_every_gateway_is_hardened(name: str) -> None:
    gateway = service(name)
    assert gateway["user"] == "10001:10001"
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "restart", "logging"} <= set(gateway)
    assert not {"privileged", "cap_add", "devices", "tmpfs", "pid", "ipc", "userns_mode"} & set(gateway)
    assert "state:/var/lib/tse-gateway" in gateway["volumes"]
    assert "--read-only" in hardening(gateway)


@pytest.mark.parametrize("name", FILES)
def test_the_engine_waits_longer_than_the_gateway_needs_to_stop(name: str) -> None:
    assert _seconds(service(name)["stop_grace_period"]) > STOP_ALL * Settings.model_fields["stop_timeout"].default


@pytest.mark.parametrize("name", ["site.yaml", "site-macvlan.yaml"])
def test_a_site_sees_sticks_come_and_go(name: str) -> None:
    gateway = service(name)
    assert "--volume=/dev:/dev:rslave" in mounts(gateway)
    assert "--volume=/run/udev:/run/udev:ro" in mounts(gateway)
    assert gateway["device_cgroup_rules"] == ["b 8:* rw", "b 179:* rw"]


def test_the_simulator_is_served_to_this_machine_only() -> None:
    gateway = service("simulator.yaml")
    assert gateway["ports"] == ["127.0.0.1:4433:4433"]
    assert load(gateway["environment"], discover=False).simulators == 1


def test_no_site_serves_a_simulated_tse() -> None:
    for path in (COMPOSE / ".env.example", *COMPOSE.glob("fleet/sites/*/.env")):
        assert "SIMULATOR" not in path.read_text(encoding="utf-8")
    assert all("environment" not in service(name) for name in ("site.yaml", "site-macvlan.yaml"))


def test_every_line_of_the_example_is_explained() -> None:
    explained = True
    for line in _EXAMPLE.splitlines():
        if _SETTING.match(line):
            assert explained, line
        else:
            explained = line.startswith("# ") if line else False
            assert not line or explained, line


def test_the_example_has_settings_that_there_are(tmp_path: Path) -> None:
    given = _settings(_EXAMPLE, with_commented=True)
    known = {"GATEWAY_" + name.upper() for name in setting_names(Settings)}
    assert {name for name in given if name.startswith("GATEWAY_")} <= known
    used = set(re.findall(r"\$\{([A-Z_]+)", "".join(path.read_text() for path in COMPOSE.glob("site*.yaml"))))
    used |= set(re.findall(r"\$\{([A-Z_]+)", (COMPOSE / "hardened.yaml").read_text()))
    assert {name for name in given if not name.startswith("GATEWAY_")} == used | {"TZ"}
    for name in [name for name in given if name.endswith("_FILE")]:
        path = tmp_path / Path(given[name]).name
        path.write_text("98765" if "pin" in path.name else "466743")
        given[name] = str(path)
    settings = load({name: value for name, value in given.items() if name.startswith("GATEWAY_")})
    assert settings.site == "Berlin"


@pytest.mark.parametrize("path", sorted(COMPOSE.glob("fleet/sites/*/.env")), ids=lambda path: path.parent.name)
def test_each_site_of_the_fleet_starts(path: Path) -> None:
    given = _settings(path.read_text(encoding="utf-8"), with_commented=False)
    secrets = {"GATEWAY_API_TOKEN_FILE", "GATEWAY_TIME_ADMIN_PIN_FILE", "GATEWAY_METRICS_TOKEN_FILE"}
    settings = load(
        {name: value for name, value in given.items() if name.startswith("GATEWAY_") and name not in secrets}
    )
    assert settings.site.lower() == path.parent.name
    inventory = yaml.safe_load((COMPOSE / "fleet/inventory.yaml").read_text())
    hosts: dict[str, Any] = inventory["all"]["children"]["tse_boxes"]["hosts"]
    assert hosts[path.parent.name]["ansible_host"] == settings.address


def test_the_playbook_copies_files_that_there_are() -> None:
    """What it does with them is tried by tests/deploy/fleet/run."""
    fleet = COMPOSE / "fleet"
    *_, waves = yaml.safe_load((fleet / "playbook.yaml").read_text())
    assert waves["serial"] == [1, 5, "10%", "30%"]
    (shop, _) = waves["tasks"]
    included = [task["ansible.builtin.include_tasks"] for part in ("block", "rescue") for task in shop[part]]
    assert sorted(included) == sorted(f"tasks/{path.name}" for path in fleet.glob("tasks/*.yaml"))
    tasks = yaml.safe_load((fleet / "tasks/update.yaml").read_text())
    copied = next(task for task in tasks if task["name"] == "Compose files")["loop"]
    assert all((COMPOSE / name).is_file() for name in copied)
    assert (COMPOSE.parent / "udev/install.sh").is_file()


def test_the_quadlet_is_hardened_like_the_site() -> None:
    keys = dict(line.split("=", 1) for line in _QUADLET.splitlines() if "=" in line and not line.startswith("#"))
    site = service("site.yaml")
    assert keys["User"] + ":" + keys["Group"] == site["user"]
    assert (keys["ReadOnly"], keys["ReadOnlyTmpfs"]) == ("true", "false")
    assert (keys["DropCapability"], keys["NoNewPrivileges"]) == ("all", "true")
    assert keys["Network"] == site["network_mode"]
    assert keys["PidsLimit"] == str(site["pids_limit"])
    assert keys["StopTimeout"] == site["stop_grace_period"].removesuffix("s")
    assert int(keys["TimeoutStopSec"]) > int(keys["StopTimeout"])
    assert all(f'--device-cgroup-rule="{rule}"' in keys["PodmanArgs"] for rule in site["device_cgroup_rules"])
    assert "Volume=/dev:/dev:rslave" in _QUADLET
    assert "Volume=/run/udev:/run/udev:ro" in _QUADLET


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "tse-gateway.service"
    unit.write_text(_UNIT.replace("/opt/tse-gateway/bin/python", shutil.which("sh") or "/bin/sh"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_thinks_well_of_the_unit() -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--threshold=25",
        str(COMPOSE / "systemd/tse-gateway.service"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_waits_longer_than_the_gateway_needs_to_stop() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", _UNIT, re.MULTILINE)
    assert found is not None
    assert int(found[1]) > STOP_ALL * Settings.model_fields["stop_timeout"].default


@pytest.mark.parametrize("name", ["systemd/tse-gateway.sysusers", "systemd/tse-gateway.tmpfiles"])
def test_user_and_group_are_those_of_the_host_and_the_container(name: str) -> None:
    text = (COMPOSE / name).read_text(encoding="utf-8")
    assert "tse 10001" in text or "root tse" in text
    assert "User=tse\nGroup=tse\n" in _UNIT


@pytest.mark.parametrize("folder", ["compose", "helm/tse-gateway"])
def test_the_readme_names_files_that_there_are(folder: str) -> None:
    place = COMPOSE.parent / folder
    text = (place / "README.md").read_text(encoding="utf-8")
    linked = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert [target for target in linked if not (place / target).exists()] == []
    used = re.findall(r"(?<![\w/])(?:compose|udev|\.ci)/[\w./-]*\w", text)
    made = {"compose/.env", "compose/secrets"}  # by the administrator
    missing = [path for path in used if not (COMPOSE.parent / path).exists() and not path.startswith(tuple(made))]
    assert missing == []
    assert len(linked) > 1


def test_the_guide_is_followed_by_a_test() -> None:
    """`python -m tests.deploy.guide` does it; here only that there is something to follow."""
    commands = [
        command
        for way in ("bare", "bare-backup", "bare-restore", "bare-update")
        for block in blocks(way)
        for command in commands_of(block)
    ]
    assert sum("systemctl" in command for command in commands) >= 5
    assert any("tse-gateway setup" in command for command in commands)


def _settings(text: str, *, with_commented: bool) -> dict[str, str]:
    lines = [line for line in text.splitlines() if with_commented or not line.startswith("#")]
    return {found[1]: found[2] for line in lines if (found := _SETTING.match(line))}


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))
