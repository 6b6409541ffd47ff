"""Eight tills sign while their connections are cut at random: no receipt is lost, none is signed twice.

The generations of the TSE share the receipts: CHAOS_RECEIPTS, 400 by default.
"""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.app.gateway import running
from gateway.config.settings import load
from gateway.tse.certificates import by_serial, key_of
from gateway.tse.certificates import load as load_certificates
from gateway.tse.commands import ListTransactions, TransactionReply, TransactionStep
from gateway.tse.fields import Generation
from gateway.tse.lists import TransactionListReply
from gateway.tse.logmessage import LogMessage, verify
from gateway.tse.tar import members
from tests.chaos.cutter import Cutter
from tests.history.checker import demand_explained
from tests.history.events import Action, History, Signature, Step
from tests.history.recorder import RecordedLan
from tests.lan_client import LanError
from tests.support import PREPARE, export

TILLS = 8
RECEIPTS = int(os.environ.get("CHAOS_RECEIPTS", "400")) // len(Generation)
CHANCE = 0.02  # of a cut, for each piece that is relayed


class Till:
    """A POS that asks the TSE what happened whenever it does not know."""

    def __init__(self, number: int, port: int, token: str, history: History) -> None:
        self.client_id = f"POS-{number}".encode()
        self.lan = RecordedLan(port, token, history=history)
        self.signed: dict[bytes, TransactionReply] = {}
        self.errors: Counter[int] = Counter()

    async def sell(self, receipts: range) -> None:
        await self._insist(self.lan.select)
        for number in receipts:
            data = b"Beleg^%d.00_0.00_0.00_0.00_0.00^%d.00:Bar" % (number, number)
            transaction = await self._start(f"start of receipt {number}")
            self.signed[data] = await self._finish(transaction, data)

    async def _start(self, name: str) -> int:
        """An open transaction of this till; one whose answer was lost is found again, not started anew."""
        while True:
            try:
                async with self.lan.locked():
                    pending = await self._open_ones()
                    if pending:
                        return pending[0]
                    return (
                        await self.lan.sign(TransactionStep.START, self.client_id, 0, b"", b"", name)
                    ).transaction_number
            except LanError as error:
                self.errors[error.number] += 1

    async def _finish(self, transaction: int, data: bytes) -> TransactionReply:
        name, kind = data.decode(), b"Kassenbeleg-V1"
        while True:
            try:
                async with self.lan.locked():
                    if transaction not in await self._open_ones():
                        reply = await self.lan.last(self.client_id)
                        step = Step(name, Action.FINISH, self.client_id, transaction, kind, data)
                        self.lan.history.told(step, Signature.of(reply))
                        return reply
                    return await self.lan.sign(TransactionStep.FINISH, self.client_id, transaction, data, kind, name)
            except LanError as error:
                self.errors[error.number] += 1

    async def _open_ones(self) -> tuple[int, ...]:
        command = ListTransactions(0, self.client_id).encode()
        return TransactionListReply.decode(await self.lan.send_command(command)).numbers

    async def _insist(self, call: object) -> None:
        while True:
            try:
                await call()  # type: ignore[operator]
            except LanError as error:
                self.errors[error.number] += 1
            else:
                return


@pytest.mark.parametrize("generation", Generation, ids=["first", "second, by old tills"])
async def test_no_receipt_is_lost_and_none_is_signed_twice(tmp_path: Path, generation: Generation) -> None:
    local: dict[str, Any] = {
        "simulators": 1,
        "simulator_fresh": True,
        "port": 0,
        "bind": "127.0.0.1",
        "address": "127.0.0.1",
    }
    settings = load({}, state_dir=tmp_path, simulator_generation=int(generation), old_tills=("all",), **local)
    async with running(settings) as gateway:
        device = gateway.registry.devices()[0]
        names = [f"POS-{number}".encode() for number in range(TILLS)]
        await PREPARE[generation](device.command, gateway.simulators[0].serial, *names)
        cutter = Cutter(gateway.port, CHANCE, seed=1)
        async with cutter.listening() as port:
            history = History()
            tills = [Till(number, port, gateway.token.value, history) for number in range(TILLS)]
            share = RECEIPTS // TILLS
            async with asyncio.timeout(600):
                await asyncio.gather(*(till.sell(range(i * share, (i + 1) * share)) for i, till in enumerate(tills)))
            for till in tills:
                await till.lan.close()
        tar = await export(device)
    found = demand_explained(history, tar)
    exported = list(members(tar))
    key = key_of(by_serial(load_certificates(exported[1].data))[gateway.simulators[0].serial])
    messages = [LogMessage.decode(member.data) for member in exported[2:]]
    finished = Counter(message.process_data for message in messages if message.operation.lower() == "finishtransaction")
    seen = {data: reply for till in tills for data, reply in till.signed.items()}
    resent = sum(till.lan.resent for till in tills)
    errors = sum((till.errors for till in tills), Counter())
    report = {"receipts": len(seen), "cuts": dict(cutter.cuts), "re-sent": resent, "errors": dict(errors)}
    print(json.dumps(report | {"steps": found.steps, "signatures": found.signatures, "untold": len(found.untold)}))
    assert finished == Counter(dict.fromkeys(seen, 1))
    assert len(seen) == share * TILLS
    assert messages[0].signature_counter == 1
    assert all(verify(message, key) for message in messages)
    assert cutter.cuts["answer lost"] > RECEIPTS // 100
    assert resent > RECEIPTS // 100
