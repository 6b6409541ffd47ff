import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.results import Result
from gateway.tse.self_test import COMPONENTS, SelfTestReply, outcome
from tests.tse.samples import exchanges_of_generation_2

SELF_TEST = b"\xd8\0"
PASSED = SelfTestReply(frozenset(), 1_795_921_300).encode()
recorded = [item for item in exchanges_of_generation_2() if item.sent == SELF_TEST]


def test_the_recorded_self_tests_passed_and_are_written_alike() -> None:
    assert len(recorded) >= 2
    for exchange in recorded:
        reply = SelfTestReply.decode(exchange.got or b"")
        assert (reply.failed, reply.result) == (frozenset(), Result.OK)
        assert reply.encode() == exchange.got


@pytest.mark.parametrize(
    ("failed", "result"), list(zip(COMPONENTS, (0x1300, 0x1300, 0x1310, 0x1011), strict=True)), ids=COMPONENTS
)
def test_the_component_that_failed_tells_the_result(failed: str, result: int) -> None:
    assert outcome(SELF_TEST, SelfTestReply(frozenset({failed}), 1).encode()) == result


@given(st.frozensets(st.sampled_from(COMPONENTS)), st.integers(0, 2**40))
def test_every_outcome_is_read_back_as_it_was(failed: frozenset[str], time: int) -> None:
    reply = SelfTestReply(failed, time)
    assert SelfTestReply.decode(reply.encode()) == reply


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0\0",
        b"\0\2\x30\0",
        PASSED[:-1],
        PASSED + b"\0",
        PASSED.replace(b"SMA", b"SMB"),
        PASSED.replace(b"SMA", b"SM\xff"),
        PASSED.replace(b"\1\1\xff", b"\1\1\1"),
        PASSED.replace(b"\2\4", b"\4\4"),
    ],
)
def test_what_a_till_does_not_survive_is_no_reply(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        outcome(SELF_TEST, reply)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reply_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        SelfTestReply.decode(data)


def test_other_commands_tell_nothing_more() -> None:
    assert outcome(b"\x40\0\5POS-1", b"") == outcome(b"\x12\0", b"anything") == Result.OK
