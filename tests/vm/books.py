"""The audit: what the tills saw, against what the TSE has stored."""

from collections import Counter

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.simulator.device import SimulatedTse
from gateway.tse.archive import members
from gateway.tse.commands import Event
from gateway.tse.info import TseInfo
from gateway.tse.logmessage import LogMessage, LogType, verify
from tests.vm.till import Signed


def stored(tse: SimulatedTse) -> list[LogMessage]:
    """Every log message of a TSE, each with a good signature and a counter without gaps.

    Raises:
        AssertionError: the store is not in order.
    """
    info = TseInfo.decode(tse.read_info())
    assert info.ctss_active, "the TSE is not in service: how much it stored is not to be seen"
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.BrainpoolP384R1(), info.public_key)
    archive = tse.read_store(0, info.used_blocks + 2)
    messages = [LogMessage.decode(member.data) for member in list(members(archive))[2:]]
    for message in messages:
        assert verify(message, key), f"signature {message.signature_counter} does not verify"
    counters = [message.signature_counter for message in messages]
    assert counters == list(range(1, info.created_signatures + 1)), "the store has gaps or duplicates"
    return messages


def audit(messages: list[LogMessage], signed: list[Signed]) -> None:
    """Everything seen as signed is stored exactly once, and nothing else of the tills is.

    Raises:
        AssertionError: a receipt is missing, doubled, or other than the till saw it.
    """
    receipts = [message for message in messages if message.log_type is LogType.TRANSACTION]
    by_counter = {message.signature_counter: message for message in receipts}
    for step in signed:
        message = by_counter.get(step.reply.signature_counter)
        assert message is not None, f"signature {step.reply.signature_counter} was seen by a till and is not stored"
        assert message.process_data == step.data
        assert message.signature == step.reply.signature
        assert message.transaction_number == step.reply.transaction_number
    finished = Counter(message.process_data for message in receipts if message.operation == "FinishTransaction")
    seen = Counter(step.data for step in signed if step.event is Event.FINISH)
    assert finished == seen, f"other receipts are stored than seen: {(finished - seen) + (seen - finished)}"
    assert set(seen.values()) <= {1}, "a receipt was signed twice"
    assert len(receipts) == len(signed), "steps were signed that no till knows of"
