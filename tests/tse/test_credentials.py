import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.tse.commands import ChangePin, ChangePuk, User
from gateway.tse.credentials import MAX_SEED, RETAIL_SEED, Credentials, initial_credentials
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from tests.tse.samples import exchanges, exchanges_of_generation_2


def test_the_known_check_value() -> None:
    assert initial_credentials(b"SwissbitSwissbit", bytes(32)) == Credentials(b"967099", b"82333", b"92575")


def test_the_recorded_setup_used_the_derived_credentials() -> None:
    setup = [exchange for exchange in exchanges() if exchange.scenario == "setup-fresh-tse"]
    info = next(TseInfo.decode(exchange.got or b"") for exchange in setup if exchange.verb == "readInfo")
    initial = initial_credentials(RETAIL_SEED, info.serial)
    sent = [exchange.sent for exchange in setup]
    assert ChangePuk(User.ADMIN, initial.admin_puk, b"123456").encode() in sent
    assert ChangePin(User.ADMIN, initial.admin_pin, b"12345").encode() in sent
    assert ChangePin(User.TIME_ADMIN, initial.time_admin_pin, b"98765").encode() in sent


def test_the_recorded_setup_of_generation_2_used_the_derived_credentials() -> None:
    setup = [exchange for exchange in exchanges_of_generation_2() if exchange.scenario == "setup-fresh-tse"]
    info = next(TseInfo.decode(exchange.got or b"") for exchange in setup if exchange.verb == "readInfo")
    initial = initial_credentials(RETAIL_SEED, info.serial, info.generation)
    sent = {exchange.sent for exchange in setup}
    new = {User.ADMIN: b"12345", User.TIME_ADMIN: b"98765", User.LOGGER: b"00000"}
    assert {ChangePuk(user, puk, b"123456").encode(info.generation) for user, puk in initial.puks.items()} <= sent
    assert {ChangePin(user, pin, new[user]).encode(info.generation) for user, pin in initial.pins.items()} <= sent


@given(st.sampled_from(Generation), st.binary(max_size=MAX_SEED), st.binary(min_size=32, max_size=32))
def test_lengths_are_kept_by_leading_zeros(generation: Generation, seed: bytes, serial: bytes) -> None:
    initial = initial_credentials(seed, serial, generation)
    shown = (*initial.puks.values(), *initial.pins.values())
    assert [len(digits) for digits in shown] == [*[6] * len(initial.puks), *[5] * len(initial.pins)]
    assert (len(initial.puks), len(initial.pins)) == ((1, 2) if generation is Generation.ONE else (3, 3))
    assert all(digits.isdigit() for digits in shown)
    assert not any(digits.decode() in repr(initial) for digits in shown)


def test_a_longer_seed_is_refused() -> None:
    with pytest.raises(BadRequest, match="at most 32 bytes"):
        initial_credentials(base64.b64encode(bytes(30)), bytes(32))
