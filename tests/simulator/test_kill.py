"""kill -9 at random moments: no acknowledged signature is lost, no counter is used twice.

A child signs without a pause and tells each answer over a pipe; the parent kills it,
opens the TSE again and compares. The child is forked, so that a start costs milliseconds.
"""

import os
import random
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from gateway.tse.certificates import key_of, load
from gateway.tse.commands import AcknowledgeExport, DeleteStoredData, LastTransaction, TransactionReply, TransactionStep
from gateway.tse.logmessage import LogMessage, LogType, verify
from gateway.tse.tar import Member, members
from tests.simulator.host import CLIENT, TIME, Host, RefusedError

KILLS = 200
LONGEST_LIFE = 0.06  # seconds from the first signature to the kill
SEED = 20260101


@dataclass(frozen=True)
class Acknowledged:
    number: int
    counter: int
    signature: bytes

    def line(self) -> bytes:
        return f"{self.number} {self.counter} {self.signature.hex()}\n".encode()

    @classmethod
    def of(cls, line: bytes) -> "Acknowledged":
        number, counter, signature = line.split()
        return cls(int(number), int(counter), bytes.fromhex(signature.decode()))


def sign_until_killed(directory: Path, pipe: int, generation: int, *, durable: bool) -> None:
    """The child: every answered signature goes into the pipe."""
    host = Host(SimulatedTse.open(directory, durable=durable))
    host.start_day(TIME + generation)
    dice = random.Random(generation)
    while True:
        reply = host.step(TransactionStep.START, 0, os.urandom(dice.choice([0, 100, 3000])))
        os.write(pipe, Acknowledged(reply.transaction_number, reply.signature_counter, reply.signature).line())
        for event in (TransactionStep.UPDATE, TransactionStep.FINISH):
            reply = host.step(event, reply.transaction_number, os.urandom(dice.choice([0, 512, 513])))
            os.write(pipe, Acknowledged(reply.transaction_number, reply.signature_counter, reply.signature).line())


def lines_until_killed(child: int, pipe: int, life: float) -> Iterator[bytes]:
    """What the child said until it was killed, `life` seconds after its first word."""
    received, kill_at = b"", None
    while True:
        left = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        readable, _, _ = select.select([pipe], [], [], left)
        if not readable:
            os.kill(child, signal.SIGKILL)
            kill_at = None
            continue
        chunk = os.read(pipe, 65536)
        if not chunk:
            break
        if not received:
            kill_at = time.monotonic() + life
        received += chunk
    # A line is shorter than a pipe's atomic write: the last one is whole or was never begun.
    yield from received.splitlines()


def one_life(directory: Path, generation: int, life: float, *, durable: bool) -> list[Acknowledged]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):  # whatever happens, the child must not go on as a second test run
            os.close(reading)
            sign_until_killed(directory, writing, generation, durable=durable)
        os._exit(1)
    os.close(writing)
    try:
        acknowledged = [Acknowledged.of(line) for line in lines_until_killed(child, reading, life)]
    finally:
        os.close(reading)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child failed by itself"
    return acknowledged


def committed(directory: Path) -> list[Member]:
    """The log messages in the store of a TSE that nobody has open, read as an export would."""
    tse = SimulatedTse.open(directory, durable=False)
    try:
        state = tse._core.state
        archive = tse.read_store(0, state.used_blocks + 2)
        entries = list(members(archive))[2:]
        assert state.last_entry_block == entries[-1].block
        last = LogMessage.decode(entries[-1].data)
        assert state.signature_counter == last.signature_counter
        return entries
    finally:
        tse.close()


def emptied_now_and_then(directory: Path, generation: int) -> list[Member]:
    """Every so often: finish what is open, export, delete; so the store stays small and deletion is tried too."""
    tse = SimulatedTse.open(directory, durable=False)
    host = Host(tse)
    try:
        host.start_day(TIME + generation)
        for number in sorted(tse._core.state.open_transactions):
            host.step(TransactionStep.FINISH, number)
        archive = tse.read_store(0, host.info.used_blocks + 2)
        host.do(AcknowledgeExport(len(archive)))
        host.do(DeleteStoredData())
        return list(members(archive))[2:]
    finally:
        tse.close()


@pytest.mark.slow
@pytest.mark.parametrize("durable", [False, True], ids=["page cache", "fsync"])
def test_no_acknowledged_signature_is_lost_and_no_counter_used_twice(tmp_path: Path, durable: bool) -> None:
    directory, dice = tmp_path / "tse", random.Random(SEED)
    tse = SimulatedTse.create(directory, durable=False)
    Host(tse).set_up()
    certificates = tse.certificates
    tse.close()
    acknowledged: list[Acknowledged] = []
    stored: list[Member] = []
    for generation in range(KILLS // 2):
        acknowledged += one_life(directory, generation, dice.random() * LONGEST_LIFE, durable=durable)
        found = committed(directory)
        present = {LogMessage.decode(entry.data).signature_counter for entry in found[-3:]}
        assert acknowledged[-1].counter in present
        if generation % 20 == 19:
            stored += emptied_now_and_then(directory, generation)
    tail = committed(directory) if one_life(directory, KILLS, 0.0, durable=durable) else []
    check_everything([LogMessage.decode(entry.data) for entry in [*stored, *tail]], acknowledged, certificates)


def check_everything(messages: list[LogMessage], acknowledged: list[Acknowledged], certificates: bytes) -> None:
    key = key_of(load(certificates)[0])
    assert [message.signature_counter for message in messages] == list(range(1, len(messages) + 1))
    assert all(verify(message, key) for message in messages)
    signed = {message.signature_counter: message for message in messages}
    assert max(Counter(each.counter for each in acknowledged).values()) == 1
    for each in acknowledged:
        message = signed[each.counter]
        assert (message.transaction_number, message.signature) == (each.number, each.signature)
    transactions = [message for message in messages if message.log_type is LogType.TRANSACTION]
    starts = [message.transaction_number for message in transactions if message.operation == "StartTransaction"]
    assert starts == list(range(1, len(starts) + 1))
    unanswered = len(transactions) - len(acknowledged)
    assert unanswered < len(transactions) / 2, "nearly everything should have been acknowledged"


def test_what_was_signed_without_an_answer_can_be_asked_for(tmp_path: Path) -> None:
    """After a kill the host learns from the last transaction whether its last step took effect."""
    directory = tmp_path / "tse"
    tse = SimulatedTse.create(directory, durable=False)
    Host(tse).set_up()
    tse.close()
    acknowledged = one_life(directory, 1, 0.01, durable=False)
    tse = SimulatedTse.open(directory, durable=False)
    host = Host(tse)
    host.start_day(TIME + 2)
    reply = TransactionReply.decode(host.do(LastTransaction(CLIENT)))
    assert reply.signature_counter - acknowledged[-1].counter in {0, 1}
    with pytest.raises(RefusedError):
        host.step(TransactionStep.FINISH, reply.transaction_number + 1)
    tse.close()
