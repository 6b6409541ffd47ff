"""The command: what a running gateway exported agrees with itself; report, language, JSON, exit status."""

import json
from pathlib import Path

import pytest

from tests.cli.background import Running
from tests.support import receipt


@pytest.fixture
def exported(shop: Running) -> Running:
    """A shop with the export of its TSE, and the DSFinV-K files of that."""

    async def sell(gateway: object) -> None:
        from gateway.app.gateway import Gateway

        assert isinstance(gateway, Gateway)
        device = gateway.registry.devices()[0]
        for _ in range(3):
            await receipt(device.command, device)

    shop.do(sell)
    assert shop.call("export -o export.tar --dsfinvk dsfinvk").status == 0
    return shop


def test_what_the_gateway_exports_agrees_with_what_was_signed(exported: Running) -> None:
    said = exported.call("reconcile export.tar --dsfinvk dsfinvk --language de")
    assert (said.status, said.err) == (0, "")
    assert "Zeilen der Kasse" in said.out
    assert "alles Geprüfte ist in Ordnung" in said.out
    found = json.loads(exported.call("reconcile export.tar --dsfinvk dsfinvk --json").out)
    assert found["rows"] == found["agreeing"] == found["transactions"] >= 3
    assert (found["severity"], found["findings"]) == ("ok", [])


def test_a_difference_is_an_error_and_its_place_is_told(exported: Running) -> None:
    file = Path("dsfinvk/transactions_tse.csv")
    file.write_text(file.read_text().replace("Kassenbeleg-V1", "Bestellung-V1", 1))
    said = exported.call("reconcile export.tar --dsfinvk dsfinvk")
    assert said.status == 2
    assert "ERRORS: the till's export and what was signed do not agree" in said.out
    assert "transactions_tse.csv:2" in said.out
    found = json.loads(exported.call("reconcile export.tar --dsfinvk dsfinvk --json --html page.html").out)
    assert [(one["class"], one["code"]) for one in found["findings"]] == [("500-549", "dsfinvk.differs")]
    assert "500-549 DSFinV-K" in Path("page.html").read_text()


def test_the_list_of_outages_is_what_the_gateway_writes(exported: Running) -> None:
    Path("outages.json").write_text(exported.call("outages --json").out)
    assert exported.call("reconcile export.tar --dsfinvk dsfinvk --outages outages.json").status == 0


def test_what_cannot_be_compared_is_one_line(exported: Running) -> None:
    for line, status in (
        ("reconcile export.tar --dsfinvk nowhere", 2),
        ("reconcile nowhere.tar --dsfinvk dsfinvk", 2),
        ("reconcile export.tar --dsfinvk dsfinvk --outages export.tar", 2),
        ("reconcile export.tar --dsfinvk dsfinvk --from yesterday", 2),
        ("reconcile export.tar", 2),
    ):
        said = exported.call(line)
        assert (said.status, said.out) == (status, ""), line
        assert said.err
    assert exported.call("export -o other.tar --dsfinvk dsfinvk").err.count("exists already") == 1
