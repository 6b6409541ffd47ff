"""The primary of a pool fails, comes back and fails again while tills of both protocols sell: nothing is signed twice.

POOL_RECEIPTS=1000 makes it the long run, POOL_SEED another story. Tills of the REST API repeat each key until it is
answered. Tills of the LAN protocol take the TSE from the list, and give up a receipt that ended with an error.
"""

import asyncio
import itertools
import json
import os
import random
from collections import Counter, deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.tse.commands import TransactionStep
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from gateway.tse.unfinished import Unfinished
from tests.history.checker import check
from tests.history.events import Action, History, Step
from tests.history.recorder import RecordedLan, signature_of
from tests.lan_client import BASE as LAN
from tests.lan_client import LanError
from tests.pool.shop import BASE, PoolShop, reached, serial_of, shop
from tests.server.shop import TOKEN
from tests.support import export

RECEIPTS = int(os.environ.get("POOL_RECEIPTS", "24"))
SEED = int(os.environ.get("POOL_SEED", "1"))
ROUNDS = max(2, RECEIPTS // 100)
FAULTS = ("unplugged", "lost_response", "busy_forever")
API_TILLS, LAN_TILLS = ("POS-1", "POS-2", "POS-3"), ("POS-4", "POS-5")
KIND = "SonstigerVorgang"
PAUSE = 0.1 if RECEIPTS < 500 else 0.01  # seconds of a till between two receipts


@dataclass
class Books:
    """What the tills asked and were told, for each TSE, and the receipts that they printed: TSE, till and data."""

    histories: dict[str, History]
    printed: list[tuple[str, str, str]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    trouble: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, count: float) -> None:
        """Wait until so many more receipts are printed."""
        wanted = len(self.printed) + count
        await reached(lambda: len(self.printed) >= wanted)


async def sell_by_api(pool: PoolShop, books: Books, client: str) -> None:
    """Sell one receipt after the other; those without an answer are asked for again in between."""
    unanswered: deque[str] = deque()
    numbers = itertools.count(1)
    while unanswered or not books.over.is_set():
        if not books.over.is_set():
            unanswered.append(f"{client} receipt {next(numbers)}")
        key = unanswered.popleft()
        books.keys.add(key)
        if not await ask(pool, books, client, key):
            unanswered.append(key)
        await asyncio.sleep(PAUSE)


async def ask(pool: PoolShop, books: Books, client: str, key: str) -> bool:
    """Ask for the signature of a receipt once, and return whether it is printed."""
    body = {"client_id": client, "process_type": KIND, "process_data": key}
    step = Step(key, Action.SIGN, client.encode(), process_type=KIND.encode(), data=key.encode())
    with ExitStack() as stack, suppress(aiohttp.ClientError):
        answered = {serial: stack.enter_context(known.asking(step)) for serial, known in books.histories.items()}
        reply = await pool.sign(body, key.replace(" ", "-"))
        if reply.status == 200:
            serial = reply.json["tse_serial"]
            answered[serial](signature_of(reply.json))
            books.printed.append((serial, client, key))
            return True
        books.trouble[reply.json["code"]] += 1
    return False


async def sell_by_lan(pool: PoolShop, books: Books, client: str) -> None:
    """Sell with the TSE of the list; start and finish of a receipt are asked for at the same one."""
    till = RecordedLan(pool.gateway.port, TOKEN)
    for number in itertools.count(1):
        data = f"{client} receipt {number}"
        try:
            listed = await till.request("GET", f"{LAN}/tses")
            if listed:
                assert len(listed) == 1, "a standby is offered beside the TSE that serves"
                await print_by_lan(till, books, listed[0], client, data)
            else:
                books.trouble["no TSE in the list"] += 1
                await asyncio.sleep(PAUSE)
        except LanError as error:
            books.trouble[f"LAN {error.number:#x}"] += 1
            await asyncio.sleep(PAUSE)
        if books.over.is_set():
            break
    await till.close()


async def print_by_lan(till: RecordedLan, books: Books, serial: str, client: str, data: str) -> None:
    till.serial, till.history = serial, books.histories[serial]
    async with till.locked():
        started = await till.sign(TransactionStep.START, client.encode(), 0, b"", b"")
    async with till.locked():
        number = started.transaction_number
        await till.sign(TransactionStep.FINISH, client.encode(), number, data.encode(), KIND.encode(), data)
        books.printed.append((serial, client, data))


async def fail_and_come_back(pool: PoolShop, books: Books, chance: random.Random) -> None:
    first, second = serial_of(pool.primary), serial_of(pool.standby)
    few = RECEIPTS / ROUNDS / 4
    for number in range(ROUNDS):
        await books.more(chance.uniform(few / 2, few))
        await fail_within_a_signature(pool, FAULTS[number % len(FAULTS)])
        await reached(lambda: pool.serving() == second)
        await books.more(few)
        pool.primary.faults.clear()
        await reached(lambda: pool.ready(pool.primary))
        await books.more(few)
        assert pool.serving() == second
        assert (await pool.ask("POST", f"{BASE}/pool/use", {"serial": first})).status == 200
        await books.more(few)


async def fail_within_a_signature(pool: PoolShop, fault: str) -> None:
    """Let the primary fail between the announcement of a signature and its end, so that this is not clear."""
    announced: asyncio.Queue[Lease] = asyncio.Queue()

    async def note(device: Device, lease: Lease) -> None:
        if device.serial == serial_of(pool.primary):
            announced.put_nowait(lease)

    pool.gateway.registry.before_signing["test"] = note
    lease = await announced.get()
    while Unfinished.IMPORT not in lease.unfinished and announced.empty():  # noqa: ASYNC110 (a state of the lease)
        await asyncio.sleep(0)
    pool.primary.faults.set(fault)
    del pool.gateway.registry.before_signing["test"]


@pytest.mark.timeout(200 + RECEIPTS)
async def test_each_printed_receipt_is_signed_once_while_the_primary_fails_comes_back_and_fails(
    tmp_path: Path,
) -> None:
    limits = {"command_timeout": 2, "late_after": 1, "lost_answer_wait": 2, "lock_wait": 10, "log_level": "ERROR"}
    async with shop(tmp_path, *API_TILLS, *LAN_TILLS, **limits) as pool:
        serials = serial_of(pool.primary), serial_of(pool.standby)
        books = Books({serial: History() for serial in serials})
        async with asyncio.TaskGroup() as group:
            for client in API_TILLS:
                group.create_task(sell_by_api(pool, books, client))
            for client in LAN_TILLS:
                group.create_task(sell_by_lan(pool, books, client))
            await fail_and_come_back(pool, books, random.Random(SEED))
            await reached(lambda: len(books.printed) >= RECEIPTS)
            books.over.set()
        stores = {serial: await messages_of(pool, serial) for serial in serials}
        changes = (await pool.ask("GET", f"{BASE}/outages")).json["outages"]
    judge(books, stores)
    assert sum(bool(change["served_by"]) for change in changes) == ROUNDS


async def messages_of(pool: PoolShop, serial: str) -> list[LogMessage]:
    tar = await export(pool.gateway.registry.find(serial))
    return [LogMessage.decode(member.data) for member in list(members(tar))[2:]]


def judge(books: Books, stores: dict[str, list[LogMessage]]) -> None:
    finishes, untold = Counter[tuple[str, str]](), 0
    for serial, messages in stores.items():
        report = check(books.histories[serial], messages)
        assert not report.violations, "\n".join(report.violations)
        assert not books.keys.intersection(report.untold), "a key was signed here, and its till told another TSE"
        untold += len(report.untold)
        started = {message.transaction_number for message in messages if message.operation.lower().startswith("start")}
        for message in messages:
            if message.operation.lower().startswith("finish"):
                assert message.transaction_number in started, "begun on another TSE"
                finishes[message.client_id, message.process_data.decode()] += 1
    assert "key_reused" not in books.trouble, "a key was asked for at another TSE than that where it was begun"
    printed = [(client, data) for _, client, data in books.printed]
    assert len(set(printed)) == len(printed) >= RECEIPTS
    assert [receipt for receipt in printed if finishes[receipt] != 1] == []
    assert {data for _, data in printed} >= books.keys
    signed = Counter((client in LAN_TILLS, serial) for serial, client, _ in books.printed)
    by = {protocol: [signed[lan, serial] for serial in stores] for lan, protocol in ((False, "API"), (True, "LAN"))}
    print(json.dumps({"printed": len(printed), **by, "LAN steps untold": untold, "trouble": dict(books.trouble)}))
    assert all(map(sum, zip(*by.values(), strict=True)))
    assert all(count > 0 for counts in by.values() for count in counts) or RECEIPTS < 500
