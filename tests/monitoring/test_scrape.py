"""What a gateway that runs exports: the pages, rules and dashboards are checked against the code, and the code here."""

import re
from pathlib import Path

from gateway.app.gateway import running
from tests.monitoring.names import families
from tests.monitoring.test_rules import PROMTOOL, promtool
from tests.server.shop import settings_for
from tests.support import receipt, set_up


async def scrape_of_a_shop(directory: Path) -> str:
    """In which something was sold."""
    async with running(settings_for(directory, site="Köln", metrics_clients=True)) as gateway:
        device = gateway.registry.devices()[0]
        await set_up(device.command, gateway.simulators[0].serial)
        await receipt(device.command, device)
        return gateway.metrics.exposition()[0].decode()


@PROMTOOL
async def test_promtool_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    assert promtool("check", "metrics", fed=await scrape_of_a_shop(tmp_path)) == ""


async def test_a_gateway_exports_what_is_checked_elsewhere(tmp_path: Path) -> None:
    text = await scrape_of_a_shop(tmp_path / "shop")
    shown = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.MULTILINE))
    expected = {family.name + "_total" * (family.type == "counter"): family.type for family in families(tmp_path)}
    assert shown == expected


async def test_each_series_tells_its_site(tmp_path: Path) -> None:
    samples = [line for line in (await scrape_of_a_shop(tmp_path)).splitlines() if not line.startswith("#")]
    assert len(samples) > 300
    assert [line for line in samples if 'site="Köln"' not in line] == []
