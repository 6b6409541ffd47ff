"""The alert rules, evaluated by Prometheus' own tool."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.alert_cases import CASES, Case, Series
from tests.monitoring.names import metrics_in, scraped_names
from tests.monitoring.prometheus import hurried

MONITORING = Path("compose/monitoring").resolve()
RULES = MONITORING / "rules.yaml"
PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (package prometheus)")

_GROUPS = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS: dict[str, Any] = {rule["alert"]: rule for group in _GROUPS for rule in group["rules"]}


def promtool(*arguments: str, fed: str = "") -> str:
    """What it prints; `fed` is its input."""
    done = subprocess.run(["promtool", *arguments], input=fed, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unit_test(case: Case, series: Series, expected: list[dict[str, object]]) -> dict[str, object]:
    """How many alerts of that name fire."""
    firing = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}})'
    return {
        "interval": case.step,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": case.at, "exp_samples": expected}],
    }


@PROMTOOL
def test_the_rules_are_such_as_prometheus_takes() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(RULES))


@PROMTOOL
def test_each_alert_fires_when_it_must_and_is_silent_when_it_must(tmp_path: Path) -> None:
    files = []
    for number, case in enumerate(CASES):
        rule = tmp_path / f"{case.alert}.json"  # JSON is YAML, too; alone, since promtool evaluates all of a file
        rule.write_text(json.dumps({"groups": [{"name": case.alert, "rules": [ALERTS[case.alert]]}]}))
        tests = [unit_test(case, case.fires, [{"labels": "{}", "value": 1}]), unit_test(case, case.silent, [])]
        files.append(tmp_path / f"test-{number}.json")
        files[-1].write_text(json.dumps({"rule_files": [str(rule)], "evaluation_interval": case.step, "tests": tests}))
    promtool("test", "rules", *map(str, files))


def test_each_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


@PROMTOOL
def test_rules_in_a_hurry_ask_the_same(tmp_path: Path) -> None:
    text = RULES.read_text(encoding="utf-8")
    quick = hurried(text)
    (tmp_path / "rules.yaml").write_text(quick)
    promtool("check", "rules", str(tmp_path / "rules.yaml"))
    duration = r"(for: |\[|offset )\d+[smhd]"
    assert re.sub(duration, "", quick) == re.sub(duration, "", text)
    assert not re.search(r"(for: [1-9]\d*|\[\d+|offset \d+)[mhd]", quick)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_it_means_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    notes = rule["annotations"]
    assert notes["summary"]
    assert notes["description"].endswith(".")
    path, _, anchor = notes["runbook_url"].partition("#")
    headings = re.findall(r"^### (\w+)$", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_asks_for_metrics_that_there_are(name: str, tmp_path: Path) -> None:
    asked = metrics_in(ALERTS[name]["expr"])
    assert asked
    assert asked <= scraped_names(tmp_path) | {"up"}
