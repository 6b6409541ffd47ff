"""A backup made while tills sell, the disk lost, and the gateway again from that backup."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from gateway.driver.usb.block import BlockDriver
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.tse.commands import SelfTest
from gateway.tse.fields import Generation
from tests.deploy.guide import blocks
from tests.history.checker import demand_explained
from tests.history.events import Action, History, Step
from tests.history.recorder import signature_of
from tests.process import Process, gateway
from tests.support import export

TILLS = 8
EACH = 6  # receipts of a till before the backup, and again after it


class Tills:
    """Tills that sell under keys; their history, and what they were told."""

    def __init__(self) -> None:
        self.history = History()
        self.answers: dict[str, dict[str, Any]] = {}

    async def sell(self, running: Process, serial: str, key: str) -> bool:
        """Ask for the receipt of this key; return whether it had been signed before."""
        body = {"client_id": "POS-1", "process_type": "SonstigerVorgang", "process_data": key}
        url = f"https://127.0.0.1:{running.port}/api/v1/tses/{serial}/sign"
        headers = {"Authorization": f"Bearer {running.token}", "Idempotency-Key": key}
        step = Step(key, Action.SIGN, b"POS-1", process_type=b"SonstigerVorgang", data=key.encode())
        with self.history.asking(step) as answered:
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(url, json=body, ssl=False) as answer,
            ):
                assert answer.status == 200, await answer.text()
                told = await answer.json()
            answered(signature_of(told))
        self.answers[key] = told
        return bool(told["replayed"])

    async def busy(self, running: Process, serial: str, work: Callable[[], Awaitable[None]]) -> None:
        """Sell with all tills until `work` is done and each till has sold `EACH` more receipts."""
        done = asyncio.Event()

        async def till(number: int) -> None:
            for receipt in count():
                if receipt >= EACH and done.is_set():
                    return
                await self.sell(running, serial, f"{len(self.answers)}-{number}-{receipt}")

        selling = [asyncio.create_task(till(number)) for number in range(TILLS)]
        await work()
        done.set()
        await asyncio.gather(*selling)


async def command(state: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words, "--json"),
        env={**os.environ, "GATEWAY_STATE_DIR": str(state)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, trouble = await process.communicate()
    assert process.returncode == 0, trouble.decode()
    return told.decode()


async def test_a_backup_made_while_tills_sell_knows_all_that_was_answered_before_it(tmp_path: Path) -> None:
    state, file, tills = tmp_path / "state", tmp_path / "state.tgz", Tills()
    async with gateway(state, "--simulator", "1", GATEWAY_SIMULATOR_FRESH="false") as running:
        await running.until_it_serves()
        client = await running.client()
        serial = client.serial
        await client.close()
        for number in range(TILLS):
            await tills.sell(running, serial, f"before-{number}")
        known: set[str] = set()

        async def backed_up() -> None:
            known.update(tills.answers)
            await command(state, "backup", str(file))

        await tills.busy(running, serial, backed_up)
        assert await running.stop() == 0
    token, authority = (state / "api_token").read_text(), (state / "tls/ca.pem").read_bytes()
    lost = state.rename(tmp_path / "lost")
    state.mkdir(mode=0o700)
    shutil.copytree(lost / "simulator-1", state / "simulator-1")  # a TSE is not lost with the disk
    await command(state, "restore", str(file))
    assert (running.token, (state / "tls/ca.pem").read_bytes()) == (token.strip(), authority)
    assert {path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_dir()} == {0o700, 0o755}
    async with gateway(state, "--simulator", "1", GATEWAY_SIMULATOR_FRESH="false") as again:
        await again.until_it_serves()
        assert all([await tills.sell(again, serial, key) for key in sorted(known)])
        assert not await tills.sell(again, serial, "after-the-restore")
        assert await again.stop() == 0
    assert len(tills.answers) >= TILLS * (EACH + 1)
    assert demand_explained(tills.history, await _stored(state / "simulator-1")).untold == ()


async def _stored(directory: Path) -> bytes:
    tse = SimulatedTse.open_or_create(directory)
    driver = BlockDriver(SimulatedTransport(tse))
    await driver.send_command(SelfTest(b"POS-1").encode(Generation.ONE))
    tar = await export(driver)
    await driver.close()
    tse.close()
    return tar


def test_the_guide_backs_up_without_a_stop_and_restores_before_the_start() -> None:
    assert not [line for line in blocks("bare-backup")[0].splitlines() if "systemctl" in line]
    commands = blocks("bare-restore")[0]
    assert commands.index("tse-gateway restore - <state.tgz") < commands.index("systemctl enable --now")
