"""monitoring.yaml: Prometheus finds each gateway, checks its certificate, and knows it by its site."""

import json
from pathlib import Path

import yaml

from tests.deploy.chart.chart import CHART, Object, example, objects, one, settings_of

_SCRAPED = {"metrics": {"enabled": True, "serviceMonitor": {"enabled": True}}}


def endpoint(given: Object) -> Object:
    (it,) = one(objects(given), "ServiceMonitor")["spec"]["endpoints"]
    found: Object = it
    return found


def test_prometheus_finds_the_port_of_the_metrics(tmp_path: Path) -> None:
    found = objects(example("monitored"))
    monitor = one(found, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = [it for it in found if it["kind"] == "Service" and wanted <= it["metadata"]["labels"].items()]
    assert service["spec"]["ports"][0]["name"] == monitor["endpoints"][0]["port"]
    settings = settings_of(found, tmp_path)
    assert (settings.metrics_listen, settings.metrics_port) == ("plain", service["spec"]["ports"][0]["port"])
    assert monitor["jobLabel"] in service["metadata"]["labels"]


def test_rules_and_dashboards_are_those_of_compose() -> None:
    found = objects(example("monitored"))
    rules = yaml.safe_load((CHART / "files/rules.yaml").read_text(encoding="utf-8"))
    assert one(found, "PrometheusRule")["spec"] == rules
    elsewhere = example("monitored")
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
    scraped = endpoint({"site": "${x} Ulm", "nameOverride": "kasse"} | _SCRAPED)
    fixed = {rule["targetLabel"]: rule["replacement"] for rule in scraped["relabelings"] if "replacement" in rule}
    assert fixed == {"component": "tse-gateway", "site": "$${x} Ulm"}
    rules = (CHART / "files/rules.yaml").read_text(encoding="utf-8")
    assert 'up{component="tse-gateway"} == 0' in rules
    assert "job=" not in rules
    (renamed,) = [rule for rule in scraped["relabelings"] if rule.get("targetLabel") == "instance"]
    assert renamed["sourceLabels"] == ["namespace", "service"]
    (dropped,) = [rule for rule in scraped["relabelings"] if rule.get("action") == "labeldrop"]
    assert dropped["regex"].split("|") == ["pod", "container", "endpoint"]


def test_labels_of_a_shop_come_after_those_of_the_chart() -> None:
    region: Object = {"targetLabel": "region", "replacement": "south"}
    dropped: Object = {"action": "labeldrop", "regex": "le"}
    monitor = {"enabled": True, "relabelings": [region], "metricRelabelings": [dropped]}
    for site in ("", "Ulm"):
        scraped = endpoint({"site": site, "metrics": {"enabled": True, "serviceMonitor": monitor}})
        assert scraped["relabelings"][-1] == region
        assert scraped["metricRelabelings"][-1] == dropped
        assert len(scraped["metricRelabelings"]) == (2 if site else 1)


def test_a_token_for_the_metrics_comes_with_tls(tmp_path: Path) -> None:
    given = _SCRAPED | {"secrets": {"metricsToken": "metrics-only"}}
    found = objects(given)
    secret = endpoint(given)["authorization"]["credentials"]
    assert endpoint(given)["scheme"] == "https"
    assert endpoint(given)["tlsConfig"] == {"insecureSkipVerify": True}
    assert one(found, "Secret")["metadata"]["name"] == secret["name"]
    assert one(found, "Secret")["stringData"][secret["key"]] == "metrics-only"
    settings = settings_of(found, tmp_path)
    assert settings.metrics_listen == "tls"
    assert settings.metrics_token is not None


def test_with_a_ca_prometheus_checks_the_certificate_for_the_address_that_it_names() -> None:
    ca = {"ca": {"secret": {"name": "shop-tls", "key": "ca.crt"}}}
    given = {
        "address": "tse.shop.example",
        "secrets": {"metricsToken": "metrics-only"},
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": True, "tlsConfig": ca}},
    }
    assert endpoint(given)["tlsConfig"] == ca | {"serverName": "tse.shop.example"}
    given["metrics"] = {"enabled": True, "serviceMonitor": {"enabled": True, "tlsConfig": ca | {"serverName": "x"}}}
    assert endpoint(given)["tlsConfig"] == ca | {"serverName": "x"}
