"""JSON is taken where it is some; all else is a ValueError: no other exception, no value that cannot be used."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage import strict_json

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(_VALUES)
def test_what_was_written_is_read_again(value: Any) -> None:
    assert strict_json.parse(json.dumps(value).encode()) == value
    assert strict_json.parse(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_mark_of_the_order_of_bytes_is_no_part_of_it() -> None:
    assert strict_json.parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert strict_json.parse(rb'"\ud83d\ude00 \u00e4"') == "\N{GRINNING FACE} ä"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        '{"a": 1}'.encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"Infinity",
        b"-Infinity",
        b"NaN",
        b"1e999",
        b"-1e999",
        b"9" * 4301,
        str(2**64).encode(),
        b'{"a": 1, "a": 1}',
        rb'"\ud800"',
        rb'{"\udfff": 1}',
    ],
    ids=range(17),
)
def test_what_is_no_json_or_cannot_be_held_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(?s:.+)$"):
        strict_json.parse(text)


@given(st.binary() | st.text(alphabet='[]{}",:0123456789eE+-.\\u\ntrufalsn dD89').map(str.encode))
def test_any_bytes_are_read_or_a_value_error(text: bytes) -> None:
    try:
        value = strict_json.parse(text)
    except ValueError:
        return
    assert json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert not isinstance(value, float) or math.isfinite(value)
