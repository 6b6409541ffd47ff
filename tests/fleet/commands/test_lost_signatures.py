"""What a TSE tells of a signature whose answer was lost, even if it is a strange TSE."""

import pytest

from gateway.errors import CommandRejected, DeviceTimeout
from gateway.fleet.commands.lost_signatures import LostSignature, SignatureTracker
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, LastTransaction, OpenImport, TransactionReply, TransactionStep
from tests.texts import said

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
        (TransactionStep.START, reply(6, 11), False),
        (TransactionStep.FINISH, reply(7, 11), True),
        (TransactionStep.FINISH, reply(7, 10), False),
        (TransactionStep.FINISH, reply(9, 11), False),
        (TransactionStep.UPDATE, CommandRejected(0x100C, said("none")), False),
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
        assert await signatures.before(tse, announce) is None
        signatures.after(announce, bytes(8), None)
    signatures.reopened()
    await signatures.before(tse, announce)
    assert tse.asked == [b"", b""]


async def test_a_tse_that_does_not_tell_its_counter_is_not_asked_afterwards(metrics: Metrics) -> None:
    signatures, tse = SignatureTracker(SERIAL, metrics), Telling(CommandRejected(0x1007, said("no")))
    announce = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode()
    await signatures.before(tse, announce)
    signatures.after(announce, bytes(8), None)
    assert await signatures.before(tse, SIGN) is None


async def test_a_tse_that_cannot_tell_before_its_self_test_is_asked_again(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    attempt = await lost(signatures, Telling(reply(6, 10)))
    unready = Telling(CommandRejected(0x1054, said("self test")))
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
            await signatures.settle(Telling(DeviceTimeout(said("busy"))))
    await signatures.settle(Telling(DeviceTimeout(said("busy"))))
    assert attempt.verdict.result() is None
    assert metrics.registry.get_sample_value("tse_lost_signatures_total", {"serial": SERIAL, "outcome": "unknown"}) == 1


async def test_an_answer_that_comes_after_all_is_the_answer(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    attempt = await lost(signatures, Telling(reply(6, 10)))
    signatures.after(SIGN, reply(7, 11), attempt)
    signatures.lose(attempt)  # whoever waited for it gives up a moment later
    assert (attempt.verdict.result(), signatures.lost) == (reply(7, 11), None)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"serial": SERIAL, **labels})


async def test_what_passes_through_is_counted_and_makes_the_next_question_needless() -> None:
    metrics = Metrics(clients=True)
    signatures, tse = SignatureTracker(SERIAL, metrics), Telling(reply(6, 10))
    for number, event in enumerate(TransactionStep):
        announce = OpenImport(event, b"POS-1", 7, 0, b"").encode()
        await signatures.before(tse, announce)
        assert signatures.announced is None
        signatures.after(announce, bytes(8), None)
        assert signatures.announced is not None
        assert (signatures.announced.counter_before, signatures.announced.number_before) == (
            10 + number,
            6 + bool(number),
        )
        attempt = await signatures.before(tse, SIGN)
        signatures.after(SIGN, reply(7, 11 + number), attempt)
        assert signatures.seen == TransactionReply.decode(reply(7, 11 + number))
        assert bool(signatures.open.oldest_age) == (event != TransactionStep.FINISH)
    assert tse.asked == [b""]
    assert signatures.told == TransactionReply.decode(reply(6, 10))
    assert sample(metrics, "tse_signatures_total", cause="sale") == 3
    assert sample(metrics, "tse_client_receipts_total", client="POS-1") == 1
    assert sample(metrics, "tse_clock_offset_seconds") is not None


async def test_a_reply_that_cannot_be_read_is_counted_and_the_counter_asked_for_anew(metrics: Metrics) -> None:
    signatures, tse = SignatureTracker(SERIAL, metrics), Telling(reply(6, 10))
    announce = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode()
    await signatures.before(tse, announce)
    signatures.after(announce, bytes(8), None)
    signatures.after(SIGN, b"nonsense", await signatures.before(tse, SIGN))
    assert (signatures.seen, signatures.announced) == (None, None)
    assert sample(metrics, "tse_signatures_total", cause="sale") == 1
    await signatures.before(tse, announce)
    assert tse.asked == [b"", b""]


async def test_the_highest_number_counts_though_the_tse_told_a_lower_one_last(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    announce = OpenImport(TransactionStep.FINISH, b"POS-1", 3, 0, b"").encode()
    for told, highest in ((reply(9, 20), 9), (reply(3, 21), 9), (CommandRejected(0x1007, said("no")), None)):
        signatures.reopened()
        await signatures.before(Telling(told), announce)
        signatures.after(announce, bytes(8), None)
        found = signatures.announced
        assert (None if found is None else found.number_before) == highest


async def test_a_tse_that_never_signed_counts_from_zero(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    announce = OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode()
    for told in (CommandRejected(0x1007, said("no")), CommandRejected(0x100C, said("none"))):
        signatures.reopened()
        await signatures.before(Telling(told), announce)
    signatures.after(announce, bytes(8), None)
    found = signatures.announced
    assert found is not None
    assert (found.counter_before, found.number_before) == (0, 0)


async def test_a_signature_that_is_found_counts_like_one_that_came(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    await lost(signatures, Telling(reply(6, 10)))
    await signatures.settle(Telling(reply(7, 11)))
    assert signatures.seen == TransactionReply.decode(reply(7, 11))
    assert signatures.open.oldest_age > 0
    assert sample(metrics, "tse_lost_signatures_total", outcome="signed") == 1
    (record,) = map(vars, caplog.records)
    assert (record["event"], record["serial"], record["outcome"]) == ("signature_settled", SERIAL, "signed")
    await signatures.settle(Telling(AssertionError()))  # nothing is lost any more
    assert len(caplog.records) == 1


async def test_nobody_has_to_wait_for_a_lost_signature_for_ever(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    signatures.waive()  # there is none
    attempt = await lost(signatures, Telling(reply(6, 10)))
    assert not attempt.waived.done()
    for _ in range(2):
        signatures.waive()
    assert (attempt.waived.done(), signatures.lost) == (True, attempt)
    signatures.give_up()
    assert (attempt.verdict.result(), signatures.lost) == (None, None)


async def test_of_two_lost_signatures_the_later_one_is_asked_for(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    first = await lost(signatures, Telling(reply(6, 10)))
    signatures.lose(first)  # it is that already
    assert not first.verdict.done()
    second = await lost(signatures, Telling(reply(6, 10)))
    assert (first.verdict.result(), signatures.lost) == (None, second)


async def test_a_question_that_comes_before_the_self_test_is_not_counted(metrics: Metrics) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    attempt = await lost(signatures, Telling(reply(6, 10)))
    for _ in range(4):
        with pytest.raises(DeviceTimeout):
            await signatures.settle(Telling(DeviceTimeout(said("busy"))))
    await signatures.settle(Telling(CommandRejected(0x1054, said("self test"))))
    with pytest.raises(DeviceTimeout):
        await signatures.settle(Telling(DeviceTimeout(said("busy"))))
    await signatures.settle(Telling(DeviceTimeout(said("busy"))))
    assert attempt.verdict.result() is None


async def test_what_became_of_a_signature_is_told_in_words(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    signatures = SignatureTracker(SERIAL, metrics)
    await lost(signatures, Telling(reply(6, 10)))
    await signatures.settle(Telling(reply(6, 10)))
    assert caplog.messages == [f"the lost answer of TSE {SERIAL} to a signature: not signed"]
