import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tse.results import ApiError, Result, explain, name_of, refuses_secret, tries_left
from tests.tse.samples import exchanges


@given(st.integers(0, 2**16 - 1))
def test_every_code_has_a_name_and_an_explanation(code: int) -> None:
    assert name_of(code)
    assert explain(code)


@pytest.mark.parametrize("code", [*Result, *ApiError])
def test_known_codes_are_named(code: Result | ApiError) -> None:
    assert name_of(code) == code.name
    if code != Result.AUTHENTICATION_FAILED:
        assert explain(code) == code.explanation


def test_the_tries_left_are_told() -> None:
    assert name_of(0x1102) == "AUTHENTICATION_FAILED"
    assert explain(0x1102).en == "wrong PIN or PUK, 2 tries left"
    codes = (0x1102, 0x1100, Result.PIN_BLOCKED, 0x1103, 0x10FF, 0x1200, Result.OK)
    assert [tries_left(code) for code in codes] == [2, 0, 0, None, None, None, None]
    assert [refuses_secret(code) for code in codes] == [True, True, True, True, False, False, False]
    assert explain(0x1103).en == "wrong PUK, or one that came during the pause after a wrong one"


def test_an_unknown_code_stays_a_number() -> None:
    assert name_of(0x4242) == "0X4242"
    assert name_of(27) == "0X001B"
    assert explain(0x4242).en == "a result this gateway does not know"


def test_every_recorded_error_is_known() -> None:
    codes = {exchange.error for exchange in exchanges() if exchange.error is not None}
    assert {0x1011, 0x1004, 0x2001, 0x1102, 22, 24} <= codes
    assert not [code for code in codes if name_of(code).startswith("0X")]
