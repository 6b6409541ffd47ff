"""Archives and outages from a terminal, with and without the TSE that they are of."""

import csv
import io
import json
import time
from pathlib import Path

import pytest

from gateway.cli.verify import verify_files
from tests.cli.background import Running, call, make_ready, pull, running, settings_of


def test_an_archive_is_brought_up_to_date_shown_and_taken_out(shop: Running) -> None:
    done = json.loads(shop.call("archive run --json").out)
    assert (done["verdict"], done["messages"]) == ("ok", 4)
    assert shop.serial[:8] in shop.call("archive status").out
    assert json.loads(shop.call(f"archive status {shop.serial[:5]} --json").out)["messages"] == 4
    assert shop.call("archive export -o archived.tar").status == 0
    assert shop.call("export -o exported.tar").status == 0
    assert Path("archived.tar").read_bytes() == Path("exported.tar").read_bytes()
    assert verify_files(["archived.tar"], complete=True) == 0
    assert shop.call("archive export -o archived.tar").status == 1  # nothing is overwritten
    assert "0 neue Nachrichten" in shop.call("archive run --language de").out


def test_an_archive_outlives_its_tse_and_its_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(settings_of(tmp_path / "state")) as gateway:
        gateway.do(make_ready)
        assert gateway.call("archive run").status == 0
    nothing = {"GATEWAY_STATE_DIR": "state", "GATEWAY_PORT": "1"}
    assert json.loads(call("archive status --json", nothing).out)[0]["messages"] == 4
    assert call("archive export -o later.tar", nothing).status == 0
    assert verify_files(["later.tar"], complete=True) == 0


def outages_after_pulling(gateway: Running) -> list[dict[str, object]]:
    """Once the gateway has noted that its TSE is gone."""
    gateway.do(pull)
    deadline = time.monotonic() + 20
    while not (known := json.loads(gateway.call("outages --json").out)["outages"]):
        assert time.monotonic() < deadline
    return list(known)


def test_outages_for_people_programs_and_excel(shop: Running) -> None:
    assert "no outage" in shop.call("outages --language en").out
    known = outages_after_pulling(shop)
    assert [(outage["tse_serial"], outage["reason"]) for outage in known] == [(shop.serial, "device_gone")]
    assert shop.serial[:8] in shop.call(f"outages {shop.serial[:4]}").out
    rows = list(csv.reader(io.StringIO(shop.call("outages --csv --language de").out.lstrip("\ufeff")), delimiter=";"))
    assert shop.serial in rows[1]
    assert json.loads(shop.call("outages --to 2020-01-01 --json").out)["outages"] == []


def test_outages_of_a_tse_that_is_gone(tmp_path: Path) -> None:
    with running(settings_of(tmp_path / "state")) as gateway:
        gateway.do(make_ready)
        outages_after_pulling(gateway)
        serial = gateway.serial
    with running(settings_of(tmp_path / "state", simulators=0, devices=(tmp_path / "none",))) as later:
        known = json.loads(later.call(f"outages {serial[:4]} --json").out)["outages"]
    assert {outage["tse_serial"] for outage in known} >= {serial}
