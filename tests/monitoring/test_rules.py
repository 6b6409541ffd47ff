"""The alert rules, evaluated by Prometheus' own tool."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import alert_cases, site_cases
from tests.monitoring.alert_cases import Case, Series
from tests.monitoring.names import metrics_in, scraped_names
from tests.monitoring.prometheus import hurried

MONITORING = Path("compose/monitoring").resolve()
RULES = MONITORING / "rules.yaml"
CASES = (*alert_cases.CASES, *site_cases.CASES)
SOURCE = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (package prometheus)")

_GROUPS = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
_ALL = [rule for group in _GROUPS for rule in group["rules"]]
ALERTS: dict[str, Any] = {rule["alert"]: rule for rule in _ALL if "alert" in rule}
RECORDED: dict[str, Any] = {rule["record"]: rule for rule in _ALL if "record" in rule}


def promtool(*arguments: str, fed: str = "") -> str:
    """What it prints; `fed` is its input."""
    done = subprocess.run(["promtool", *arguments], input=fed, capture_output=True, text=True, timeout=240, check=False)
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


def needed_by(expr: str) -> list[dict[str, object]]:
    """The recording rules whose series it asks for, those that they need before them."""
    found: list[dict[str, object]] = []
    for name in sorted(metrics_in(expr) & set(RECORDED)):
        found += [rule for rule in (*needed_by(RECORDED[name]["expr"]), RECORDED[name]) if rule not in found]
    return found


@PROMTOOL
def test_the_rules_are_such_as_prometheus_takes() -> None:
    assert f"{len(ALERTS) + len(RECORDED)} rules found" in promtool("check", "rules", str(RULES))


@PROMTOOL
def test_each_alert_fires_when_it_must_and_is_silent_when_it_must(tmp_path: Path) -> None:
    files = []
    for number, case in enumerate(CASES):
        rule = tmp_path / f"{case.alert}.json"  # JSON is YAML, too; alone, since promtool evaluates all of a file
        rules = [*needed_by(ALERTS[case.alert]["expr"]), ALERTS[case.alert]]
        rule.write_text(json.dumps({"groups": [{"name": case.alert, "rules": rules}]}))
        tests = [unit_test(case, case.fires, [{"labels": "{}", "value": 1}])]
        if case.silent is not None:
            tests.append(unit_test(case, case.silent, []))
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
    duration = r"(for: |interval: |\[|offset )\d+[smhd]"
    assert re.sub(duration, "", quick) == re.sub(duration, "", text)
    assert not re.search(r"(for: [1-9]\d*|\[\d+|offset \d+)[mhd]", quick)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_it_means_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["component"] == "tse-gateway"
    assert rule["labels"]["severity"] in {"info", "warning", "critical"} or name == "DeadMansSwitch"
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    notes = rule["annotations"]
    assert notes["summary"]
    assert notes["description"].endswith(".")
    page, _, anchor = notes["runbook_url"].partition("#")
    assert page.startswith(f"{SOURCE}/blob/main/")
    path = Path(page.removeprefix(f"{SOURCE}/blob/main/"))
    headings = re.findall(r"^### (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}


@pytest.mark.parametrize("name", ALERTS | RECORDED)
def test_each_rule_asks_for_metrics_that_there_are(name: str, tmp_path: Path) -> None:
    asked = metrics_in((ALERTS | RECORDED)[name]["expr"])
    assert asked or name == "DeadMansSwitch"
    assert asked <= scraped_names(tmp_path) | set(RECORDED) | {"up"}


def test_no_rule_reads_more_than_a_day_of_what_is_scraped() -> None:
    for rule in _ALL:
        for name, window in re.findall(r"([\w:]+)(?:{[^}]*})?\[(\d+[dw])\]", rule["expr"]):
            assert name in RECORDED, (rule, window)
