"""What an answer of a time server is worth."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock.sntp import KissOfDeath, Sample, TimeServer, evaluate, request
from gateway.errors import ProtocolError
from tests.clock.time_server import answer_to

NONCE = b"01234567"
NOW = 1_795_420_000.25


def evaluated(asked: float = NOW, answered: float = NOW + 0.5, **answer: object) -> Sample:
    return evaluate(answer_to(request(NONCE), **answer), NONCE, asked, answered)  # type: ignore[arg-type]


def test_the_question_is_that_of_a_version_4_client_and_tells_no_time_of_ours() -> None:
    packet = request(NONCE)
    assert (len(packet), packet[0], packet[1:40], packet[40:]) == (48, 0x23, bytes(39), NONCE)


def test_the_offset_is_what_the_clock_lacks_in_the_middle_of_the_way() -> None:
    sample = evaluated(received=NOW + 10.25, sent=NOW + 10.25)
    assert sample.offset == pytest.approx(10, abs=1e-6)
    assert sample.error == pytest.approx(0.25, abs=1e-6)


def test_the_time_the_server_took_is_not_counted_as_travel() -> None:
    sample = evaluated(received=NOW - 3, sent=NOW - 2.75, root_delay=0.5, root_dispersion=0.125)
    assert sample.offset == pytest.approx(-3.125, abs=1e-4)
    assert sample.error == pytest.approx(0.125 + 0.25 + 0.125, abs=1e-4)


def test_after_2036_the_next_era_is_meant() -> None:
    then = 2_208_988_800.0  # 2040
    assert evaluated(then, then, received=then + 1, sent=then + 1).offset == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "answer",
    [
        {"leap": 3},
        {"stratum": 16},
        {"stratum": 200},
        {"mode": 3},
        {"version": 1},
        {"nonce": b"another!"},
        {"root_delay": 3.0},
        {"root_dispersion": 1.5},
        {"sent": None},
        {"received": NOW + 2, "sent": NOW + 1},
        {"received": NOW, "sent": NOW + 3},
    ],
)
def test_answers_of_servers_without_good_time_are_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        evaluated(**{"received": NOW, "sent": NOW} | answer)  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "reason"), [(b"RATE", "RATE"), (b"DENY", "DENY"), (b"\0\0\0\0", "00000000")])
def test_a_server_may_refuse(code: bytes, reason: str) -> None:
    with pytest.raises(KissOfDeath) as refused:
        evaluated(stratum=0, reference=code, received=NOW, sent=NOW)
    assert refused.value.reason == reason


@given(st.binary(max_size=80), st.floats(0, 4e9), st.floats(-10, 1e6))
def test_any_bytes_are_an_answer_or_a_protocol_error(data: bytes, asked: float, took: float) -> None:
    try:
        sample = evaluate(data, data[24:32], asked, asked + took)
    except ProtocolError:
        return
    assert sample.error >= 0


def test_the_layout_is_48_bytes() -> None:
    assert struct.calcsize(">BBBb II 4s 8s 8s 8s 8s") == len(request(NONCE))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("ntp.shop.lan", TimeServer("ntp.shop.lan", 123)),
        ("192.0.2.1:1123", TimeServer("192.0.2.1", 1123)),
        ("2001:db8::1", TimeServer("2001:db8::1", 123)),
        ("[2001:db8::1]", TimeServer("2001:db8::1", 123)),
        ("[2001:db8::1]:1123", TimeServer("2001:db8::1", 1123)),
    ],
)
def test_servers_are_named_as_usual(text: str, server: TimeServer) -> None:
    assert TimeServer.parse(text) == server


@pytest.mark.parametrize("text", ["", ":123", "host:", "host:port", "host:70000", "host:0"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time server"):
        TimeServer.parse(text)
