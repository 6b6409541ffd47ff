"""The examples for developers do what their page says; those of other languages run in tests/openapi/lint."""

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.docs.markdown import ROOT
from tests.needs import CURL
from tests.server.api.client import api_of, make_ready
from tests.server.shop import TOKEN, Served, serve, settings_for

EXAMPLES = ROOT / "docs/developers/examples"


def environment(served: Served) -> dict[str, str]:
    trust = served.settings.state_dir / "tls" / "ca.pem"
    given = {"TSE_URL": served.url, "TSE_TOKEN": TOKEN, "TSE_SERIAL": served.serial, "TSE_CA": str(trust)}
    return {**os.environ, **given}


async def ran(directory: Path, given: dict[str, str], *command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, env=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


@CURL
async def test_the_example_for_the_shell_signs_and_draws_the_code(served: Served, tmp_path: Path) -> None:
    await make_ready(served)
    status, out = await ran(tmp_path, environment(served), "sh", str(EXAMPLES / "receipt.sh"), "1.19")
    assert (status, json.loads(out)["process_data"]) == (0, "Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar")
    assert (tmp_path / "qr.svg").read_text().startswith("<?xml")


async def test_the_till_sells_and_repeats_what_it_had_not_finished(served: Served, tmp_path: Path) -> None:
    await make_ready(served)
    till = sys.executable, str(EXAMPLES / "till.py")
    status, out = await ran(tmp_path, environment(served), *till, "1.19", "2.20")
    assert (status, out.splitlines()[0]) == (0, "Beleg^1.19_2.20_0.00_0.00_0.00^3.39:Bar")
    assert "SIMULATED" in out
    assert "\u2580" in out or "\u2588" in out  # the blocks of the code
    async with api_of(served) as api:
        body = {
            "client_id": "POS-1",
            "receipt": {"amounts": {"zero": "5"}, "payments": [{"type": "Bar", "amount": "5"}]},
        }
        first = (await api.post("/sign", body, key="crashed")).json
    (tmp_path / "unsigned.json").write_text(json.dumps({"key": "crashed", "body": body}))
    _, out = await ran(tmp_path, environment(served), *till)
    assert f"Signature {first['signature_counter']} of" in out
    assert not (tmp_path / "unsigned.json").exists()
    refused, _ = await ran(tmp_path, environment(served) | {"TSE_SERIAL": "0" * 64}, *till, "1", "1")
    assert refused == 1


async def test_the_till_survives_a_restart_of_the_gateway(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, simulator_fresh=False)
    async with serve(settings) as first:
        given = environment(first)
    till = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "till.py"), "1.19", "0"),
        cwd=tmp_path,
        env=given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert till.stderr is not None
    assert b"asking again" in await till.stderr.readline()  # nobody serves now
    async with serve(settings.model_copy(update={"port": first.port})):
        out, _ = await till.communicate()
    assert out.decode().startswith("Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar\n")
