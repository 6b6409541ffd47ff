"""The dashboards as they are committed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.names import metrics_in, scraped_names
from tests.monitoring.test_rules import PROMTOOL, RECORDED, promtool

FOLDER = Path("compose/monitoring/dashboards")
FILES = sorted(FOLDER.glob("*.json"))
BUILT_IN = {"datasource", "__rate_interval"}


def load(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return board


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels") or []
        else:
            yield panel


def expressions(board: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    found += [marks["expr"] for marks in board["annotations"]["list"] if "expr" in marks]
    queries = [variable.get("query") or "" for variable in board["templating"]["list"]]
    return found + [query for query in queries if query.startswith("label_values")]


def asked_of(expr: str) -> str:
    """As Grafana asks with "all" chosen everywhere."""
    query = re.sub(r"label_values\((.*), \w+\)", r"\1", expr).replace("$__rate_interval", "1m")
    return re.sub(r"\$[a-z_]\w*", ".*", query)


def test_the_dashboards_are_what_their_code_makes() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="needs grafana-foundation-sdk")
    from compose.monitoring.source.__main__ import dashboards

    made = dashboards()
    assert {path.name for path in FILES} == set(made)
    for path in FILES:
        assert path.read_text(encoding="utf-8") == made[path.name], "run python -m compose.monitoring.source"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_metrics_that_there_are(path: Path, tmp_path: Path) -> None:
    there = scraped_names(tmp_path) | set(RECORDED) | {"up", "ALERTS"}
    for expression in expressions(load(path)):
        asked = metrics_in(expression)
        assert asked, expression
        assert asked <= there, expression


@PROMTOOL
def test_prometheus_understands_each_query(tmp_path: Path) -> None:
    asked = {asked_of(expression) for path in FILES for expression in expressions(load(path))}
    rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(sorted(asked))]
    (tmp_path / "queries.json").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert len(rules) > 80
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(tmp_path / "queries.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_panel_says_what_it_shows_in_which_unit(path: Path) -> None:
    board = load(path)
    assert len(list(panels(board))) > 15
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["thresholds"]["steps"], panel["title"]
        units = [
            item for rule in panel["fieldConfig"]["overrides"] for item in rule["properties"] if item["id"] == "unit"
        ]
        assert defaults.get("unit") or units, panel["title"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_lie_within_the_grid_and_beside_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(load(path)):
        at = panel["gridPos"]
        cells = {(at["x"] + column, at["y"] + row) for column in range(at["w"]) for row in range(at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_variable_that_is_used_is_there(path: Path) -> None:
    board = load(path)
    known = {variable["name"] for variable in board["templating"]["list"]} | BUILT_IN
    assert {"datasource", "site"} <= known
    for expression in expressions(board):
        assert set(re.findall(r"\$([a-z_]\w*)", expression)) <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_outages_are_marked_in_all_curves(path: Path) -> None:
    (marks,) = load(path)["annotations"]["list"]
    assert (marks["name"], marks["enable"], marks["titleFormat"]) == ("Outages", True, "{{site}}: TSE out of order")
    assert "tse_outage_active" in marks["expr"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_shows_gateways_only_and_knows_none_by_its_job(path: Path) -> None:
    for expression in expressions(load(path)):
        assert "job=" not in expression
        for selector in re.findall(r"(?:ALERTS|\bup)({[^}]*})", expression):
            assert 'component="tse-gateway"' in selector


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_reads_more_than_a_day_only_of_what_is_recorded(path: Path) -> None:
    for expression in expressions(load(path)):
        for name, _ in re.findall(r"([\w:]+)(?:{[^}]*})?\[(\d+d|2\dh)\]", expression):
            assert name in RECORDED, expression
