"""The chart as a whole: Helm, Kubernetes and the gateway accept each example; each template has its tests."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway import __version__
from gateway.config.settings import STOP_ALL, Settings, effective
from gateway.config.sources import setting_names
from tests.deploy.chart.chart import (
    CHART,
    EXAMPLES,
    Object,
    each_example,
    everything,
    helm,
    objects,
    pod,
    refused,
    rendered,
    settings_of,
    values,
)

_VERSIONS = ("1.29", "1.36")
_SCHEMALESS = {"ServiceMonitor", "PrometheusRule", "Certificate", "ExternalSecret"}
_SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
_DEFAULTS = values(CHART / "values.yaml")

SET_BY_THE_CHART = {
    *("port", "state_dir", "site", "address", "api_token", "time_admin_pin", "tls_certificate", "tls_key"),
    *("simulators", "simulator_profile", "upstreams", "tokens", "metrics_listen", "metrics_port", "metrics_token"),
}
FROM_SECRETS = {"notify_mail_password", "notify_webhook_secret"}  # by secrets.extra and settings.NAME_file


def test_each_template_has_tests_of_its_own() -> None:
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    templates = {path.stem.lower() for path in CHART.glob("templates/**/[!_]*.*")}
    assert templates - tests == set()


def test_chart_and_gateway_have_the_same_version() -> None:
    assert values(CHART / "Chart.yaml")["appVersion"] == __version__


def test_registries_are_told_the_licence_who_keeps_the_chart_and_where_it_comes_from() -> None:
    chart = values(CHART / "Chart.yaml")
    told = chart["annotations"]
    assert told["org.opencontainers.image.licenses"] == told["artifacthub.io/license"] == "Apache-2.0"
    assert all(isinstance(value, str) for value in told.values())
    assert chart["maintainers"]
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert [chart["home"], *chart["sources"]] == [project["Source"]] * 2
    (link,) = yaml.safe_load(told["artifacthub.io/links"])
    assert link["url"].startswith(project["Source"])


def test_every_value_has_a_schema_and_is_explained_by_the_readme() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert list(_paths(_DEFAULTS)) == [path for path in _schema_paths(_SCHEMA) if path != "global"]
    missing = [path for path in _paths(_DEFAULTS) if f"`{path}`" not in readme]
    assert missing == []


def test_all_modes_have_an_example() -> None:
    assert {values(path)["mode"] for path in EXAMPLES} == set(_SCHEMA["properties"]["mode"]["enum"])
    assert len(EXAMPLES) >= 12


def test_lint_has_nothing_to_say() -> None:
    report = helm().lint(str(CHART), {"mode": "simulator"}, strict=True)
    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert not report["errors"]


def test_without_a_mode_nothing_is_installed() -> None:
    refused({"mode": ""}, "'/mode': value must be one of 'simulator', 'disk'")


@each_example
@pytest.mark.parametrize("version", _VERSIONS)
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    found = everything(values(path))
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    for thing in found:
        if thing["kind"] not in _SCHEMALESS:
            validate.validate(thing, version, strict=True)


@each_example
def test_the_gateway_starts_with_what_it_is_given(path: Path, tmp_path: Path) -> None:
    settings = settings_of(objects(values(path)), tmp_path)
    given = values(path)
    assert settings.port == 4433
    assert bool(settings.simulators) == (given["mode"] == "simulator")
    assert bool(settings.upstreams) == (given["mode"] == "lan")
    assert settings.discovers == (given["mode"] == "disk" or (given["mode"] == "plugin" and not settings.devices))
    assert settings.site == given.get("site", "")
    assert settings.address == given.get("address", "shop-tse-gateway.tse.svc")
    assert pod(objects(given))["terminationGracePeriodSeconds"] > STOP_ALL * settings.stop_timeout


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
    settings = settings_of(objects({"settings": given}), tmp_path)
    told = {row.name for row in effective(settings) if "gateway.toml" in row.source}
    assert set(given) <= told
    assert set(Settings.model_fields) == set(given) | SET_BY_THE_CHART | FROM_SECRETS


@pytest.mark.parametrize("name", sorted(setting_names(Settings)))
def test_settings_that_the_chart_sets_itself_are_refused(name: str) -> None:
    if name in SET_BY_THE_CHART or name.removesuffix("_file") in SET_BY_THE_CHART:
        with pytest.raises(helm().HelmError, match=rf"settings\.{name} is set by the chart|/settings/{name}'"):
            rendered({"settings": {name: "x"}})


def test_the_terraform_example_sets_values_that_there_are() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```hcl\n(.*?)```", readme, re.DOTALL)
    (release,) = re.findall(r'resource "helm_release" "tse" {\n(.*?)^}', found, re.DOTALL | re.MULTILINE)
    (name,) = re.findall(r'^    name  = "([\w.]+)"', release, re.MULTILINE)
    assert name in set(_paths(_DEFAULTS))
    assert release.count("[") == release.count("]")
    assert "helm/tse-gateway" in release


def test_the_example_for_flux_is_a_release_that_renders(tmp_path: Path) -> None:
    source, release = yaml.safe_load_all((CHART / "examples/gitops/flux.yaml").read_text(encoding="utf-8"))
    assert release["spec"]["chartRef"] == {"kind": source["kind"], "name": source["metadata"]["name"]}
    assert source["spec"]["ref"]["tag"] == __version__
    assert settings_of(objects(release["spec"]["values"]), tmp_path).site == "Berlin"


def test_the_example_for_argo_names_the_chart_and_takes_the_wave_from_a_value_that_there_is() -> None:
    application = values(CHART / "examples/gitops/argocd.yaml")["spec"]["template"]
    chart, shops = application["spec"]["sources"]
    assert (chart["chart"], chart["targetRevision"]) == ("tse-gateway", __version__)
    assert chart["helm"]["valueFiles"][0].startswith(f"${shops['ref']}/")
    assert '"podLabels" "wave"' in application["metadata"]["labels"]["wave"]
    assert "podLabels" in _DEFAULTS


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
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"settings": {"port": 4434}}, "settings.port"),
        ({"settings": {"Lock-Wait": 30}}, "Lock-Wait"),
        ({"settings": {"lock_wiat": 30}}, "lock_wiat"),
        ({"settings": {"lock_wait": 60}}, "lock_wait"),
        ({"settings": {"log_format": "xml"}}, "log_format"),
        ({"settings": {"stop_timeout": 24}}, "terminationGracePeriodSeconds"),
        ({"secrets": {"apiToken": "123"}}, "apiToken"),
        ({"secrets": {"apiToken": "123456\n123456"}}, "apiToken"),
        ({"secrets": {"existing": "mine"}}, "secrets.keys is needed"),
        ({"secrets": {"external": {"enabled": True, "store": "a", "remoteKey": "b"}}}, "secrets.keys is needed"),
        ({"secrets": {"keys": ["api-token"]}}, "secrets.keys are those of a Secret of yours"),
        (
            {"secrets": {"existing": "mine", "keys": ["api-token"], "apiToken": "123456"}},
            "secrets.apiToken is not read",
        ),
        ({"tokens": [{"name": "a", "role": "till", "tokenKey": "k"}]}, "no key k"),
        ({"tokens": [{"name": "a", "role": "boss", "tokenKey": "k"}]}, "role"),
        ({"mode": "disk", "address": "a", "persistence": {"type": "none"}}, "persistence.type"),
        ({"persistence": {"size": "big"}}, "size"),
        ({"tls": {"secretName": "a", "certManager": {"enabled": True}}}, "keep one of them"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.enabled"),
        ({"service": {"nodePort": 30443}}, "service.nodePort needs service.type"),
        ({"service": {"type": "NodePort", "nodePort": 4433}}, "nodePort"),
        ({"extraEnv": [{"name": "GATEWAY_PORT", "value": "1"}]}, "GATEWAY_PORT is a setting"),
        ({"extraObjects": [{"metadata": {"name": "a"}}]}, "extraObjects"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_wrong_values_are_refused_with_a_reason(wrong: Object, told: str) -> None:
    refused(wrong, told)


def _paths(table: Object, above: str = "") -> Iterator[str]:
    """Dotted names of all values; a table that is empty by default is one value."""
    for name, value in table.items():
        if isinstance(value, dict) and value and above + name not in {"resources", "metrics.dashboards.labels"}:
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + name


def _schema_paths(schema: Object, above: str = "") -> Iterator[str]:
    for name, value in schema["properties"].items():
        if "properties" in value and above + name not in {"resources", "settings"}:
            yield from _schema_paths(value, f"{above}{name}.")
        else:
            yield above + name
