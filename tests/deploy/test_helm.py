"""The chart: rendered in every mode by the real Helm, and what it renders is accepted by Kubernetes and by the gateway.

Rendering needs helm-python-sdk and kubernetes-validate (see README.md); what can be read without them always runs.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import __version__
from gateway.config.settings import STOP_ALL, Settings, effective, load
from gateway.config.sources import setting_names

yaml = pytest.importorskip("yaml", reason="needs PyYAML")

CHART = Path(__file__).parents[2] / "helm/tse-gateway"
EXAMPLES = sorted(CHART.glob("examples/*.yaml"))
_VERSIONS = ("1.29", "1.35")
_SCHEMALESS = {"ServiceMonitor", "PrometheusRule", "Certificate", "ExternalSecret"}
_EXAMPLE = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
_SECRET = "98765"

SET_BY_THE_CHART = {
    *("port", "state_dir", "site", "address", "api_token", "time_admin_pin", "tls_certificate", "tls_key"),
    *("simulators", "simulator_profile", "upstreams", "tokens", "metrics_listen", "metrics_port", "metrics_token"),
}

Object = dict[str, Any]


def values(path: Path) -> Object:
    found: Object = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def rendered(given: Object) -> dict[str, str]:
    """Texts by file name."""
    helm = pytest.importorskip("helm_python", reason="needs helm-python-sdk, see tests/deploy/README.md")
    with helm.Chart.load(str(CHART)) as chart:
        texts: dict[str, str] = chart.render(given, name="shop", namespace="tse")
    return texts


def objects(given: Object) -> list[Object]:
    texts = rendered(given)
    manifests = [text for name, text in texts.items() if not name.endswith("NOTES.txt")]
    return [found for text in manifests for found in yaml.safe_load_all(text) if found]


def one(found: list[Object], kind: str) -> Object:
    (it,) = [candidate for candidate in found if candidate["kind"] == kind]
    return it


def pod(found: list[Object]) -> Object:
    spec: Object = one(found, "Deployment")["spec"]["template"]["spec"]
    return spec


def test_chart_and_gateway_have_the_same_version() -> None:
    chart = values(CHART / "Chart.yaml")
    assert chart["appVersion"] == __version__


def test_every_value_has_a_schema_and_is_explained_by_the_readme() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert list(_paths(values(CHART / "values.yaml"))) == [path for path in _schema_paths(schema) if path != "global"]
    missing = [path for path in _paths(values(CHART / "values.yaml")) if f"`{path}`" not in readme]
    assert missing == []


def test_all_modes_have_an_example() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert {values(path)["mode"] for path in EXAMPLES} == set(schema["properties"]["mode"]["enum"])
    assert len(EXAMPLES) >= 12


def test_lint_has_nothing_to_say() -> None:
    helm = pytest.importorskip("helm_python", reason="needs helm-python-sdk, see tests/deploy/README.md")
    report = helm.lint(str(CHART), strict=True)
    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert not report["errors"]


@_EXAMPLE
@pytest.mark.parametrize("version", _VERSIONS)
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    found = objects(values(path))
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    for thing in found:
        if thing["kind"] not in _SCHEMALESS:
            validate.validate(thing, version, strict=True)


@_EXAMPLE
def test_the_gateway_starts_with_what_it_is_given(path: Path, tmp_path: Path) -> None:
    settings = _settings(objects(values(path)), tmp_path)
    given = values(path)
    assert settings.port == 4433
    assert bool(settings.simulators) == (given["mode"] == "simulator")
    assert bool(settings.upstreams) == (given["mode"] == "lan")
    assert settings.discovers == (given["mode"] == "disk" or (given["mode"] == "plugin" and not settings.devices))
    assert settings.site == given.get("site", "")
    assert settings.address == given.get("address", "shop-tse-gateway.tse.svc")
    assert pod(objects(given))["terminationGracePeriodSeconds"] > STOP_ALL * settings.stop_timeout


@_EXAMPLE
def test_every_pod_is_hardened(path: Path) -> None:
    found, given = objects(values(path)), values(path)
    deployment, spec = one(found, "Deployment")["spec"], pod(found)
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = spec["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["runAsGroup"]) == (10001, 10001)
    assert not {"runAsUser", "runAsGroup", "runAsNonRoot"} & set(context)
    if given["mode"] == "disk" and given.get("disk", {}).get("privileged", True):
        # Kubernetes refuses allowPrivilegeEscalation: false here; the image has no setuid file, and see app/gateway.
        assert context == {"privileged": True, "readOnlyRootFilesystem": True}
    else:  # Pod Security "restricted", but for the volumes
        assert "privileged" not in context
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    hosts = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume} - {"state"}
    assert hosts == {"disk": {"dev", "udev"}, "volume": {"tse"}}.get(given["mode"], set())


@_EXAMPLE
def test_the_notes_tell_the_three_values(path: Path) -> None:
    (notes,) = [text for name, text in rendered(values(path)).items() if name.endswith("NOTES.txt")]
    assert values(path).get("address", "shop-tse-gateway.tse.svc") in notes
    assert "4433" in notes
    assert "session.txt" in notes
    assert ("simulated" in notes) == (values(path)["mode"] == "simulator")


@_EXAMPLE
def test_probes_ask_whether_the_gateway_is_alive(path: Path) -> None:
    container = pod(objects(values(path)))["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["lan-tse"] == 4433
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "lan-tse", "scheme": "HTTPS"}


def test_every_setting_of_the_gateway_has_a_place_in_the_values(tmp_path: Path) -> None:
    secrets = "/run/secrets/tse-gateway"
    clients = {"tls_client_ca": f"{secrets}/clients-ca", "tls_client_crl": f"{secrets}/clients-crl"}
    elsewhere = clients | {
        "archive_dir": "/var/lib/tse-gateway/archive",
        "self_test_client": "POS-1",
        "discover": False,
    }
    given = {}
    for name, field in Settings.model_fields.items():
        default = elsewhere.get(name, field.get_default(call_default_factory=True))
        if name not in SET_BY_THE_CHART and default is not None:
            plain = isinstance(default, bool | int | float)
            given[name] = default if plain else [*map(str, default)] if isinstance(default, tuple) else str(default)
    settings = _settings(objects({"mode": "simulator", "settings": given}), tmp_path)
    told = {row.name for row in effective(settings) if "gateway.toml" in row.source}
    assert set(given) <= told
    assert set(Settings.model_fields) == set(given) | SET_BY_THE_CHART


@pytest.mark.parametrize("name", sorted(setting_names(Settings)))
def test_settings_that_the_chart_sets_itself_are_refused(name: str) -> None:
    helm = pytest.importorskip("helm_python", reason="needs helm-python-sdk, see tests/deploy/README.md")
    if name in SET_BY_THE_CHART or name.removesuffix("_file") in SET_BY_THE_CHART:
        with pytest.raises(helm.HelmError, match=rf"settings\.{name} is set by the chart"):
            rendered({"settings": {name: "x"}})


def test_the_terraform_example_sets_values_that_there_are() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```hcl\n(.*?)```", readme, re.DOTALL)
    (release,) = re.findall(r'resource "helm_release" "tse" {\n(.*?)^}', example, re.DOTALL | re.MULTILINE)
    (name,) = re.findall(r'^    name  = "([\w.]+)"', release, re.MULTILINE)
    assert name in set(_paths(values(CHART / "values.yaml")))
    assert release.count("[") == release.count("]")
    assert "helm/tse-gateway" in release


def test_prometheus_finds_the_port_of_the_metrics(tmp_path: Path) -> None:
    found = objects(values(CHART / "examples/monitored.yaml"))
    monitor = one(found, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = [it for it in found if it["kind"] == "Service" and wanted <= it["metadata"]["labels"].items()]
    assert service["spec"]["ports"][0]["name"] == monitor["endpoints"][0]["port"]
    settings = _settings(found, tmp_path)
    assert (settings.metrics_listen, settings.metrics_port) == ("plain", service["spec"]["ports"][0]["port"])
    assert monitor["jobLabel"] in service["metadata"]["labels"]
    rules = yaml.safe_load((CHART / "files/rules.yaml").read_text(encoding="utf-8"))
    assert one(found, "PrometheusRule")["spec"] == rules
    elsewhere = values(CHART / "examples/monitored.yaml")
    elsewhere["metrics"]["prometheusRule"]["runbook"] = "https://wiki.example/tse"
    links = [
        rule["annotations"]["runbook_url"]
        for group in one(objects(elsewhere), "PrometheusRule")["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert all(link.startswith("https://wiki.example/tse#") for link in links)
    boards = [it for it in found if it["metadata"]["labels"].get("grafana_dashboard") == "1"]
    shown = {name: json.loads(text) for it in boards for name, text in it["data"].items()}
    files = CHART.glob("files/dashboards/*.json")
    assert shown == {path.name: json.loads(path.read_text(encoding="utf-8")) for path in files} != {}


def test_rules_know_a_gateway_by_site_whatever_chart_and_pod_are_called() -> None:
    named = {"mode": "simulator", "site": "${x} Ulm", "nameOverride": "kasse"}
    scraped = {"metrics": {"enabled": True, "serviceMonitor": {"enabled": True}}}
    (endpoint,) = one(objects(named | scraped), "ServiceMonitor")["spec"]["endpoints"]
    fixed = {rule["targetLabel"]: rule["replacement"] for rule in endpoint["relabelings"] if "replacement" in rule}
    assert fixed == {"component": "tse-gateway", "site": "$${x} Ulm"}
    rules = (CHART / "files/rules.yaml").read_text(encoding="utf-8")
    assert 'up{component="tse-gateway"} == 0' in rules
    assert "job=" not in rules
    (renamed,) = [rule for rule in endpoint["relabelings"] if rule.get("targetLabel") == "instance"]
    assert renamed["sourceLabels"] == ["namespace", "service"]
    (dropped,) = [rule for rule in endpoint["relabelings"] if rule.get("action") == "labeldrop"]
    assert dropped["regex"].split("|") == ["pod", "container", "endpoint"]


def test_a_token_for_the_metrics_comes_with_tls(tmp_path: Path) -> None:
    given = {
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": True}},
        "secrets": {"metricsToken": "metrics-only"},
    }
    found = objects({"mode": "simulator", **given})
    endpoint = one(found, "ServiceMonitor")["spec"]["endpoints"][0]
    secret = endpoint["authorization"]["credentials"]
    assert endpoint["scheme"] == "https"
    assert one(found, "Secret")["metadata"]["name"] == secret["name"]
    assert one(found, "Secret")["stringData"][secret["key"]] == "metrics-only"
    settings = _settings(found, tmp_path)
    assert settings.metrics_listen == "tls"
    assert settings.metrics_token is not None


def test_secrets_stay_in_secrets() -> None:
    found = objects(values(CHART / "examples/lan.yaml"))
    assert one(found, "Secret")["stringData"] == {"upstream-berlin": "466743", "upstream-hamburg": "123456"}
    assert "466743" not in json.dumps([it for it in found if it["kind"] != "Secret"])


def test_a_changed_secret_starts_the_gateway_anew_unless_it_is_a_token_of_tills() -> None:
    till = {"name": "kassen", "role": "till", "tokenKey": "kassen"}

    def checksum(**secrets: Any) -> str:
        found = objects({"mode": "simulator", "tokens": [till], "secrets": {"extra": {"kassen": "123456"}} | secrets})
        annotations: dict[str, str] = one(found, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        return annotations["checksum/secret"]

    assert checksum(timeAdminPin="12345") != checksum(timeAdminPin="54321")
    assert checksum(metricsToken="123456") != checksum(metricsToken="123457")
    assert checksum(extra={"kassen": "1", "more": "2"}) != checksum(extra={"kassen": "1", "more": "3"})
    replaced = checksum(apiToken="123457\n123456 until 2026-12-31", extra={"kassen": "654321"})
    assert replaced == checksum(apiToken="123456")


def test_tokens_with_names_are_settings_that_the_gateway_takes(tmp_path: Path) -> None:
    till = {"name": "kassen", "role": "till", "tokenKey": "kassen", "clients": ["POS-1"]}
    found = objects({"mode": "simulator", "tokens": [till], "secrets": {"extra": {"kassen": "123456"}}})
    assert one(found, "Secret")["stringData"] == {"kassen": "123456"}
    config = tmp_path / "gateway.toml"
    config.write_text(one(found, "ConfigMap")["data"]["gateway.toml"])
    (token,) = load({}, config).tokens
    assert (token.name, token.role, token.clients) == ("kassen", "till", ("POS-1",))
    assert str(token.token_file) == "/run/secrets/tse-gateway/kassen"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"mode": "usb"}, "mode"),
        ({"mode": "disk"}, "address is needed"),
        ({"mode": "plugin", "address": "a"}, "plugin.resource is needed"),
        ({"mode": "volume", "address": "a"}, "volume.serials is needed"),
        ({"mode": "volume", "address": "a", "volume": {"serials": ["1F00"]}}, "serials"),
        ({"mode": "lan", "address": "a"}, "lan.upstreams is needed"),
        ({"mode": "lan", "address": "a", "lan": {"upstreams": [{"url": "https://b", "tokenKey": "k"}]}}, "no key k"),
        ({"mode": "lan", "lan": {"upstreams": [{"url": "http://b", "tokenKey": "k"}]}}, "url"),
        ({"replicas": 2}, "replicas"),
        ({"address": "https://tse"}, "address"),
        ({"settings": {"port": 4434}}, "settings.port"),
        ({"settings": {"Lock-Wait": 30}}, "Lock-Wait"),
        ({"settings": {"stop_timeout": 24}}, "terminationGracePeriodSeconds"),
        ({"secrets": {"apiToken": "123"}}, "apiToken"),
        ({"secrets": {"apiToken": "123456\n123456"}}, "apiToken"),
        ({"tokens": [{"name": "a", "role": "till", "tokenKey": "k"}]}, "no key k"),
        ({"tokens": [{"name": "a", "role": "boss", "tokenKey": "k"}]}, "role"),
        ({"mode": "disk", "address": "a", "persistence": {"type": "none"}}, "persistence.type"),
        ({"persistence": {"size": "big"}}, "size"),
        ({"tls": {"secretName": "a", "certManager": {"enabled": True}}}, "keep one of them"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.enabled"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_wrong_values_are_refused_with_a_reason(wrong: Object, told: str) -> None:
    helm = pytest.importorskip("helm_python", reason="needs helm-python-sdk, see tests/deploy/README.md")
    with pytest.raises(helm.HelmError, match=told):
        rendered(wrong)


def _settings(found: list[Object], tmp_path: Path) -> Settings:
    """What the gateway makes of its ConfigMap and its environment, with every secret file there."""
    (text,) = [it["data"]["gateway.toml"] for it in found if "gateway.toml" in it.get("data", {})]
    tomllib.loads(text)
    secrets = tmp_path / "secrets"
    secrets.mkdir(exist_ok=True)
    for name in ("api-token", "time-admin-pin", "metrics-token", "upstream-berlin", "upstream-hamburg"):
        (secrets / name).write_text(_SECRET if name == "time-admin-pin" else "123456")
    (tmp_path / "gateway.toml").write_text(text.replace("/run/secrets/tse-gateway", str(secrets)))
    environment = {entry["name"]: entry["value"] for entry in pod(found)["containers"][0]["env"]}
    environment["GATEWAY_CONFIG"] = str(tmp_path / "gateway.toml")
    moved = {name: value.replace("/run/secrets/tse-gateway", str(secrets)) for name, value in environment.items()}
    return load(moved)


def _paths(table: Object, above: str = "") -> Iterator[str]:
    """Dotted names of all values; a table that is empty by default is one value."""
    for name, value in table.items():
        if isinstance(value, dict) and value and above + name not in {"resources", "metrics.dashboards.labels"}:
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + name


def _schema_paths(schema: Object, above: str = "") -> Iterator[str]:
    for name, value in schema["properties"].items():
        if "properties" in value and above + name != "resources":
            yield from _schema_paths(value, f"{above}{name}.")
        else:
            yield above + name
