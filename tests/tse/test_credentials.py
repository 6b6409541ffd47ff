import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.tse.commands import ChangePin, ChangePuk, User
from gateway.tse.credentials import MAX_SEED, RETAIL_SEED, Credentials, initial_credentials
from gateway.tse.info import TseInfo
from tests.tse.samples import exchanges


def test_the_known_check_value() -> None:
    assert initial_credentials(b"SwissbitSwissbit", bytes(32)) == Credentials(b"967099", b"82333", b"92575")


def test_the_recorded_setup_used_the_derived_credentials() -> None:
    setup = [exchange for exchange in exchanges() if exchange.scenario == "setup-fresh-tse"]
    info = next(TseInfo.decode(exchange.got or b"") for exchange in setup if exchange.verb == "readInfo")
    initial = initial_credentials(RETAIL_SEED, info.serial)
    sent = [exchange.sent for exchange in setup]
    assert ChangePuk(initial.admin_puk, b"123456").encode() in sent
    assert ChangePin(User.ADMIN, initial.admin_pin, b"12345").encode() in sent
    assert ChangePin(User.TIME_ADMIN, initial.time_admin_pin, b"98765").encode() in sent


@given(st.binary(max_size=MAX_SEED), st.binary(min_size=32, max_size=32))
def test_lengths_are_kept_by_leading_zeros(seed: bytes, serial: bytes) -> None:
    initial = initial_credentials(seed, serial)
    shown = (initial.admin_puk, initial.admin_pin, initial.time_admin_pin)
    assert [len(digits) for digits in shown] == [6, 5, 5]
    assert all(digits.isdigit() for digits in shown)
    assert not any(digits.decode() in repr(initial) for digits in shown)


def test_a_longer_seed_is_refused() -> None:
    with pytest.raises(BadRequest, match="at most 32 bytes"):
        initial_credentials(base64.b64encode(bytes(30)), bytes(32))
