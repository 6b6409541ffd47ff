"""Archives and outages from a terminal, with and without the TSE that they are of."""

import csv
import io
import json
import time
from pathlib import Path

from gateway.app import Gateway
from gateway.verify.command import verify_files
from tests.cli.background import Running, call


def test_an_archive_is_brought_up_to_date_shown_and_taken_out(shop: Running) -> None:
    done = json.loads(shop.call("archive run --json").out)
    assert (done["verdict"], done["messages"]) == ("ok", 4)
    assert shop.serial[:16] in shop.call("archive status").out
    assert json.loads(shop.call(f"archive status {shop.serial[:5]} --json").out)["messages"] == 4
    assert shop.call("archive export -o archived.tar").status == 0
    assert shop.call("export -o exported.tar").status == 0
    assert Path("archived.tar").read_bytes() == Path("exported.tar").read_bytes()
    assert verify_files(["archived.tar"], complete=True) == 0
    assert shop.call("archive export -o archived.tar").status == 1  # nothing is overwritten
    assert "0 neue Nachrichten" in shop.call("archive run --language de").out


def test_an_archive_outlives_its_tse_and_its_gateway(shop: Running) -> None:
    assert shop.call("archive run").status == 0
    nobody = {"GATEWAY_STATE_DIR": str(shop.gateway.settings.state_dir), "GATEWAY_PORT": "1", "GATEWAY_SIMULATORS": "0"}
    Path(shop.environment["GATEWAY_STATE_DIR"], "gateway.sock").unlink()
    assert json.loads(call("archive status --json", nobody).out)[0]["messages"] == 4
    assert call("archive export -o later.tar", nobody).status == 0
    assert verify_files(["later.tar"], complete=True) == 0


def test_outages_for_people_programs_and_excel(shop: Running) -> None:
    assert "no outage" in shop.call("outages --language en").out
    shop.do(_interrupted)
    deadline = time.monotonic() + 20
    while not (known := json.loads(shop.call("outages --json").out)["outages"]):
        assert time.monotonic() < deadline
    assert [(outage["tse_serial"], outage["reason"]) for outage in known] == [(shop.serial, "device_gone")]
    assert shop.serial[:16] in shop.call(f"outages {shop.serial[:4]}").out
    rows = list(csv.reader(io.StringIO(shop.call("outages --csv --language de").out.lstrip("\ufeff")), delimiter=";"))
    assert shop.serial in rows[1]
    assert json.loads(shop.call("outages --to 2020-01-01 --json").out)["outages"] == []


async def _interrupted(gateway: Gateway) -> None:
    """The TSE is pulled, and the gateway sees it."""
    gateway.simulators[0].faults.set("unplugged")
    await gateway.registry.devices()[0].failed.wait()
