"""What a TSE tells of a signature whose answer was lost, even if it is a strange TSE."""

import pytest

from gateway.errors import CommandRejected, DeviceTimeout
from gateway.fleet.commands.lost_signatures import LostSignature, SignatureTracker
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, LastTransaction, OpenImport, TransactionReply, TransactionStep

SERIAL = "AB" * 32
SIGN = CloseImport().encode()


def reply(number: int, counter: int) -> bytes:
    return TransactionReply(number, bytes(32), 1, counter, b"s" * 96).encode()


class Telling:
    """A TSE that answers the question for the last transaction, as scripted, and nothing else."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[bytes] = []

    async def send_command(self, command: bytes) -> bytes:
        self.asked.append(LastTransaction.decode(command).client_id)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read_info(self) -> bytes:
        raise AssertionError

    async def read_store(self, block: int, count: int) -> bytes:
        raise AssertionError

    async def write_store(self, block: int, data: bytes) -> None:
        raise AssertionError

    async def close(self) -> None:
        raise AssertionError


async def lost(
    signatures: SignatureTracker, tse: Telling, event: TransactionStep = TransactionStep.START, number: int = 0
) -> LostSignature:
    """A step was announced, and its signature got no answer."""
    announce = OpenImport(event, b"POS-1", number, 0, b"").encode()
    assert await signatures.before(tse, announce) is None
    signatures.after(announce, bytes(8), None)
    attempt = await signatures.before(tse, SIGN)
    assert attempt is not None
    signatures.lose(attempt)
    signatures.reopened()
    return attempt


@pytest.mark.parametrize(
    ("event", "last", "signed"),
    [
        (TransactionStep.START, reply(8, 11), True),
        (TransactionStep.START, reply(7, 10), False),
        (TransactionStep.FINISH, reply(7, 11), True),
        (TransactionStep.FINISH, reply(7, 10), False),
        (TransactionStep.FINISH, reply(9, 11), False),
        (TransactionStep.UPDATE, CommandRejected(0x100C, "none"), False),
        (TransactionStep.UPDATE, b"nonsense", False),
    ],
)
async def test_counter_and_number_tell_whether_it_signed(
    metrics: Metrics, event: TransactionStep, last: bytes | Exception, signed: bool
) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    tse = Telling(reply(6, 10), last)
    attempt = await lost(signatures, tse, event, 0 if event is TransactionStep.START else 7)
    await signatures.settle(tse)
    assert attempt.verdict.result() == (last if signed else None)
    assert tse.asked == [b"", b"POS-1"]
    assert signatures.lost is None


async def test_the_counter_is_asked_for_once_after_each_opening(metrics: Metrics) -> None:
    signatures, tse = SignatureTracker(SERIAL, metrics), Telling(reply(1, 3))
    announce = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode()
    for _ in range(3):
        await signatures.before(tse, announce)
    signatures.reopened()
    await signatures.before(tse, announce)
    assert tse.asked == [b"", b""]


async def test_a_tse_that_does_not_tell_its_counter_is_not_asked_afterwards(metrics: Metrics) -> None:
    signatures, tse = SignatureTracker(SERIAL, metrics), Telling(CommandRejected(0x1007, "no"))
    announce = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode()
    await signatures.before(tse, announce)
    signatures.after(announce, bytes(8), None)
    assert await signatures.before(tse, SIGN) is None


async def test_a_tse_that_cannot_tell_before_its_self_test_is_asked_again(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    attempt = await lost(signatures, Telling(reply(6, 10)))
    unready = Telling(CommandRejected(0x1054, "self test"))
    for _ in range(20):
        await signatures.settle(unready)
    assert not attempt.verdict.done()
    await signatures.settle(Telling(reply(7, 11)))
    assert attempt.verdict.result() == reply(7, 11)


async def test_a_tse_that_fails_whenever_it_is_asked_becomes_usable_again(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    attempt = await lost(signatures, Telling(reply(6, 10)))
    for _ in range(5):
        with pytest.raises(DeviceTimeout):
            await signatures.settle(Telling(DeviceTimeout("busy")))
    await signatures.settle(Telling(DeviceTimeout("busy")))
    assert attempt.verdict.result() is None
    assert metrics.registry.get_sample_value("tse_lost_signatures_total", {"serial": SERIAL, "outcome": "unknown"}) == 1


async def test_an_answer_that_comes_after_all_is_the_answer(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    attempt = await lost(signatures, Telling(reply(6, 10)))
    signatures.after(SIGN, reply(7, 11), attempt)
    signatures.lose(attempt)  # whoever waited for it gives up a moment later
    assert (attempt.verdict.result(), signatures.lost) == (reply(7, 11), None)
