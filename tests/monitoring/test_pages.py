"""What is written down about metrics is what the gateway exports."""

import re
from pathlib import Path

from compose.monitoring.source.page import PAGE, with_table
from gateway.fleet.outages.log import CRASHED, STOPPED
from gateway.fleet.status.readiness import OUTAGES, REASONS
from tests.monitoring.names import families
from tests.monitoring.test_rules import ALERTS

MONITORING = Path("compose/monitoring")
CHART = Path("helm/tse-gateway/files")


def test_the_page_lists_each_metric_with_its_meaning(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = families(tmp_path)
    assert with_table(page, found) == page, "run python -m compose.monitoring.source"
    assert all(family.documentation for family in found)
    assert page.count("| `tse_") > 50


def test_the_page_knows_each_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for reason in (*REASONS, *OUTAGES, STOPPED, CRASHED):
        assert f"`{reason}`" in page


def test_each_section_of_the_runbook_is_of_an_alert() -> None:
    headings = re.findall(r"^### (\w+)$", (MONITORING / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)


def test_the_chart_has_the_same_rules_and_dashboards() -> None:
    copies = {path.relative_to(CHART) for path in CHART.rglob("*") if path.suffix in {".json", ".yaml"}}
    originals = {path.relative_to(MONITORING) for path in MONITORING.glob("dashboards/*.json")} | {Path("rules.yaml")}
    assert len(originals) == 3
    assert copies == originals
    for path in originals:
        assert (CHART / path).read_bytes() == (MONITORING / path).read_bytes(), (
            "run python -m compose.monitoring.source"
        )
