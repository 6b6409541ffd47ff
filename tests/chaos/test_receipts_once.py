"""The gateway is killed at random while a till signs under keys and repeats: each receipt is signed once.

The generations of the TSE share the receipts. RECEIPTS_ONCE=1000 makes it the long run, RECEIPTS_ONCE_SEED another.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.commands import SelfTest
from gateway.tse.fields import Generation
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.history.checker import demand_explained
from tests.history.events import Action, History, Step
from tests.history.recorder import signature_of
from tests.process import Process, gateway
from tests.support import PREPARE, TIME_ADMIN_PIN, export

RECEIPTS = int(os.environ.get("RECEIPTS_ONCE", "16")) // len(Generation)
SEED = int(os.environ.get("RECEIPTS_ONCE_SEED", "1"))
TILLS = 4
LIFE = (0.01, 0.3 if RECEIPTS <= 100 else 1.2)  # seconds from the first request to the kill


class Street:
    """Where the gateway is found now; `None` while it is dead."""

    def __init__(self) -> None:
        self.running: Process | None = None
        self.asked = asyncio.Event()  # set with each request
        self.kills = 0
        self.answers: dict[str, dict[str, object]] = {}
        self.history = History()
        self.repeats = 0
        self.trouble: Counter[str] = Counter()


@pytest.mark.timeout(200 + 5 * RECEIPTS)  # each of its gateways takes seconds to start where others work, too
@pytest.mark.parametrize("generation", Generation)
async def test_each_receipt_is_signed_once_however_often_the_gateway_is_killed(
    generation: Generation, tmp_path: Path
) -> None:
    street = Street()
    serial = await _made_ready(tmp_path / "simulator-1", generation)
    selling = [asyncio.create_task(_sell(street, serial, till)) for till in range(TILLS)]
    chance = random.Random(SEED)
    async with asyncio.timeout(100 + 3 * RECEIPTS):
        while not all(task.done() for task in selling):
            async with gateway(tmp_path, "--simulator", "1") as running:
                await running.until_it_serves()
                await _warmed_up(running, serial)
                street.asked.clear()
                street.running = running
                await street.asked.wait()
                await asyncio.wait(selling, timeout=chance.uniform(*LIFE))
                street.running = None
                with suppress(ProcessLookupError):
                    running.process.send_signal(signal.SIGKILL)
                await running.process.wait()
                street.kills += 1
    await asyncio.gather(*selling)
    tar = await _stored(tmp_path / "simulator-1", generation)
    assert demand_explained(street.history, tar).untold == ()
    _judge(street, [LogMessage.decode(member.data) for member in list(members(tar))[2:]])


def _judge(street: Street, messages: list[LogMessage]) -> None:
    operations = Counter(message.operation.lower() for message in messages)
    starts, finishes = operations["starttransaction"], operations["finishtransaction"]
    report = {"kills": street.kills, "repeats": street.repeats, "starts": starts}
    print(json.dumps(report | {"finishes": finishes, "trouble": dict(street.trouble)}))
    assert len(street.answers) >= RECEIPTS
    assert (starts, finishes) == (len(street.answers), len(street.answers))
    assert street.kills > 1
    assert street.repeats > 0


async def _sell(street: Street, serial: str, till: int) -> None:
    for number in count(till, TILLS):
        if number >= RECEIPTS and street.repeats:  # on a machine under load a kill may hit nobody
            return
        key = f"till-{till}-{number}"
        body: dict[str, object] = {
            "client_id": f"POS-{till}",
            "process_type": "SonstigerVorgang",
            "process_data": _data(key),
        }
        tries = 0
        while key not in street.answers:
            running = street.running
            if running is None:
                await asyncio.sleep(0.01)
                continue
            street.repeats += tries > 0
            tries += 1
            street.asked.set()
            client, kind, data = (str(text).encode() for text in body.values())
            step = Step(key, Action.SIGN, client, process_type=kind, data=data)
            try:
                with street.history.asking(step) as answered:
                    status, answer = await _post(running, f"{serial}/sign", body, key)
                    if status == 200:
                        answered(signature_of(answer))
            except (aiohttp.ClientError, OSError) as error:
                street.trouble[type(error).__name__] += 1
                continue
            if status == 200:
                street.answers[key] = answer
            else:
                street.trouble[str(answer["code"])] += 1


def _data(key: str) -> str:
    return f"receipt {key}"


async def _made_ready(directory: Path, generation: Generation) -> str:
    tse = SimulatedTse.create(directory, Make(generation=generation))
    driver = BlockDriver(SimulatedTransport(tse))
    await PREPARE[generation](driver.send_command, tse.serial, *(f"POS-{till}".encode() for till in range(TILLS)))
    await driver.close()
    tse.close()
    return tse.serial.hex().upper()


async def _warmed_up(running: Process, serial: str) -> None:
    """Each start of the simulator is a power cycle: self test and time, as an operator does."""
    await _post(running, f"{serial}/self-test", {"client_id": "POS-0"})
    status, answer = await _post(
        running, f"{serial}/time", {"pin": TIME_ADMIN_PIN.decode(), "trust_system_clock": True}
    )
    assert status == 200, answer


async def _post(
    running: Process, path: str, body: Mapping[str, object], key: str | None = None
) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {running.token}"} | ({"Idempotency-Key": key} if key else {})
    url = f"https://127.0.0.1:{running.port}/api/v1/tses/{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers, ssl=False) as answer:
        return answer.status, await answer.json(content_type=None)


async def _stored(directory: Path, generation: Generation) -> bytes:
    tse = SimulatedTse.open_or_create(directory)
    driver = BlockDriver(SimulatedTransport(tse))
    await driver.send_command(SelfTest(b"POS-0").encode(generation))
    tar = await export(driver)
    await driver.close()
    tse.close()
    return tar
