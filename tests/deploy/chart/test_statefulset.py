"""statefulset.yaml: one owner of a TSE, hardened, and restarted by changed data only."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart.chart import (
    CHART,
    Object,
    container,
    each_example,
    example,
    helm,
    objects,
    one,
    pod,
    template,
    values,
)


@each_example
def test_a_tse_has_one_owner_and_a_pod_that_never_started_holds_no_rollback_up(path: Path) -> None:
    spec = one(objects(values(path)), "StatefulSet")["spec"]
    assert spec["replicas"] == 1
    assert spec["podManagementPolicy"] == "Parallel"
    assert "volumeClaimTemplates" not in spec
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


@each_example
def test_every_pod_is_hardened(path: Path) -> None:
    spec, given = pod(objects(values(path))), values(path)
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
    else:
        assert "privileged" not in context
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    hosts = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume} - {"state"}
    assert hosts == {"disk": {"dev", "udev"}, "volume": {"tse"}}.get(given["mode"], set())


@each_example
def test_probes_ask_whether_the_gateway_is_alive(path: Path) -> None:
    gateway = container(objects(values(path)))
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports["lan-tse"] == 4433
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert gateway[probe]["httpGet"] == {"path": "/healthz", "port": "lan-tse", "scheme": "HTTPS"}


@pytest.mark.parametrize("name", ["monitored", "lan", "secrets-external"])
def test_a_release_of_the_chart_restarts_no_gateway_whose_image_is_chosen(name: str, tmp_path: Path) -> None:
    helm()
    newer = tmp_path / "newer"
    shutil.copytree(CHART, newer)
    chart = values(CHART / "Chart.yaml") | {"version": "9.9.9", "appVersion": "9.9.9"}
    (newer / "Chart.yaml").write_text(yaml.safe_dump(chart))
    given = example(name) | {"image": {"repository": "r", "tag": "0.2.0"}}
    assert template(objects(given)) == template(objects(given, newer))
    assert one(objects(given, newer), "StatefulSet")["metadata"]["labels"]["helm.sh/chart"] == "tse-gateway-9.9.9"
    del given["image"]
    assert container(objects(given, newer))["image"] == "tse-gateway:9.9.9"


def test_a_digest_counts_instead_of_the_tag() -> None:
    digest = "sha256:" + "ab" * 32
    given = {"image": {"repository": "registry.example/tse-gateway", "tag": "0.2.0", "digest": digest}}
    assert container(objects(given))["image"] == f"registry.example/tse-gateway@{digest}"


def test_a_changed_secret_starts_the_gateway_anew_unless_it_is_a_token_of_tills() -> None:
    till = {"name": "kassen", "role": "till", "tokenKey": "kassen"}

    def checksum(**secrets: Any) -> str:
        found = objects({"tokens": [till], "secrets": {"extra": {"kassen": "123456"}} | secrets})
        annotations: dict[str, str] = template(found)["metadata"]["annotations"]
        return annotations["checksum/secret"]

    assert checksum(timeAdminPin="12345") != checksum(timeAdminPin="54321")
    assert checksum(metricsToken="123456") != checksum(metricsToken="123457")
    assert checksum(extra={"kassen": "1", "more": "2"}) != checksum(extra={"kassen": "1", "more": "3"})
    replaced = checksum(apiToken="123457\n123456 until 2026-12-31", extra={"kassen": "654321"})
    assert replaced == checksum(apiToken="123456")


def test_changed_settings_start_the_gateway_anew_and_how_secrets_are_fetched_does_not() -> None:
    def metadata(given: Object) -> Any:
        return template(objects(given))["metadata"]

    assert metadata({"settings": {"lock_wait": 30}}) != metadata({"settings": {"lock_wait": 31}})
    external = example("secrets-external")
    before = metadata(external)
    external["secrets"]["external"]["refresh"] = "5m"
    assert metadata(external) == before


def test_what_a_shop_adds_goes_into_the_pod_beside_what_the_chart_needs() -> None:
    added = {
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        "extraVolumes": [{"name": "roots", "configMap": {"name": "roots"}}],
        "extraVolumeMounts": [{"name": "roots", "mountPath": "/etc/roots", "readOnly": True}],
        "podLabels": {"shop": "berlin"},
        "podAnnotations": {"note": "1"},
    }
    plain, found = objects({}), objects(added)
    assert container(found)["env"] == container(plain)["env"] + added["extraEnv"]
    assert container(found)["volumeMounts"] == container(plain)["volumeMounts"] + added["extraVolumeMounts"]
    assert pod(found)["volumes"] == pod(plain)["volumes"] + added["extraVolumes"]
    assert template(found)["metadata"]["labels"]["shop"] == "berlin"
    assert template(found)["metadata"]["annotations"]["note"] == "1"
