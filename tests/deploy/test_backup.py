"""The backup that compose/README.md tells, really made, lost and restored."""

import asyncio
import re
import shutil
import subprocess
import time
from pathlib import Path

import aiohttp

from tests.deploy.guide import GUIDE, blocks
from tests.lan_client import trusting
from tests.process import Process, gateway
from tests.support import CLIENT, set_up

_WISH = {"client_id": CLIENT.decode(), "process_type": "Kassenbeleg-V1", "process_data": "Beleg^1.00"}
_KEY = {"Idempotency-Key": "receipt-17"}


async def sign(running: Process, serial: str) -> tuple[str, bool]:
    """Of the one receipt, its signature; and whether it was there already."""
    headers = {**_KEY, "Authorization": aiohttp.encode_basic_auth("lantse", running.token)}
    url = f"https://127.0.0.1:{running.port}/api/v1/tses/{serial}/sign"
    async with (
        aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=trusting())) as session,
        session.post(url, json=_WISH) as answer,
    ):
        assert answer.status == 200, await answer.text()
        told = await answer.json()
        return told["signature"], told["replayed"]


def tar(line: str, state: Path, archive: Path) -> None:
    """A command of the guide, with other places."""
    words = line.replace("sudo ", "").replace("/var/lib/tse-gateway", str(state))
    subprocess.run(words.replace("/root/tse-gateway-state.tgz", str(archive)).split(), check=True)


def line_of(way: str) -> str:
    (line,) = [line for line in blocks(way)[0].splitlines() if "tar -C /var/lib/tse-gateway" in line]
    return line


async def test_token_certificate_and_signed_receipts_survive_a_lost_disk(tmp_path: Path) -> None:
    state, archive = tmp_path / "state", tmp_path / "state.tgz"
    async with gateway(state, "--simulator", "1") as running:
        await running.until_it_serves()
        till = await running.client()
        async with till.locked():
            await set_up(till.send_command, bytes.fromhex(till.serial), now=int(time.time()))
        first, _ = await sign(running, till.serial)
        token, authority = running.token, (state / "tls/ca.pem").read_bytes()
        await till.close()
        assert await running.stop() == 0
    modes = {path.relative_to(state): path.stat().st_mode for path in state.rglob("*")}
    await asyncio.to_thread(tar, line_of("bare-backup"), state, archive)
    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    await asyncio.to_thread(tar, line_of("bare-restore"), state, archive)
    assert {path.relative_to(state): path.stat().st_mode for path in state.rglob("*")} == modes
    async with gateway(state, "--simulator", "1") as again:
        await again.until_it_serves()
        assert again.token == token
        assert (state / "tls/ca.pem").read_bytes() == authority
        assert await sign(again, till.serial) == (first, True)
        assert await again.stop() == 0


def test_the_guide_stops_the_gateway_for_its_backup() -> None:
    commands = blocks("bare-backup")[0]
    assert commands.index("systemctl stop") < commands.index("tar -C /var/lib") < commands.index("systemctl start")
    assert "systemctl stop tse-gateway`:\n\n<!-- guide: bare-restore -->" in GUIDE.read_text(encoding="utf-8")
    assert re.search(
        r"compose/site.yaml stop\n.*-cz .*\n.*compose/site.yaml start\n", GUIDE.read_text(encoding="utf-8")
    )
