"""The mixin: the same rules and dashboards, for those who gather monitoring with jsonnet."""

import json
from typing import Any

import pytest

from tests.monitoring.test_dashboards import FILES, load
from tests.monitoring.test_rules import ALERTS, RECORDED

_ALL = """
local shipped = import 'mixin.libsonnet';
local mixin = shipped + {_config+:: {tseRunbook: 'https://wiki.example/tse'}};
{
  shipped: shipped.prometheusAlerts.groups,
  rules: mixin.prometheusRules.groups,
  alerts: mixin.prometheusAlerts.groups,
  boards: {[name]: mixin.grafanaDashboards[name] for name in std.objectFieldsAll(mixin.grafanaDashboards)},
}
"""


def test_the_mixin_holds_all_rules_and_dashboards() -> None:
    jsonnet = pytest.importorskip("rjsonnet", reason="needs rjsonnet (.ci/requirements-chart.txt)")
    found: dict[str, Any] = json.loads(jsonnet.evaluate_snippet("all", _ALL, jpathdir="compose/monitoring"))
    assert {rule["record"] for group in found["rules"] for rule in group["rules"]} == set(RECORDED)
    assert [rule for group in found["shipped"] for rule in group["rules"]] == list(ALERTS.values())
    alerts = {rule["alert"]: rule for group in found["alerts"] for rule in group["rules"]}
    assert set(alerts) == set(ALERTS)
    assert all(rule["annotations"]["runbook_url"].startswith("https://wiki.example/tse#") for rule in alerts.values())
    assert found["boards"] == {path.name: load(path) for path in FILES}
