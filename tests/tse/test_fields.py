"""Fields of records that each generation writes in its own way, and the limits of their codecs."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from gateway.errors import ProtocolError
from gateway.tse.fields import U8, Generation, Padded, Record, Spelled, Unsigned


@pytest.mark.parametrize(
    ("generation", "spelled", "dropped"), [(Generation.ONE, "010203", 3), (Generation.TWO, "010002", 9)]
)
def test_each_generation_writes_a_field_in_its_own_way(generation: Generation, spelled: str, dropped: int) -> None:
    @dataclass(frozen=True)
    class Both(Record):  # here, since the layout of a class is made once
        same: U8
        longer: Annotated[int, Spelled(Unsigned(1), Unsigned(2))]
        dropped: Annotated[int, Spelled(Unsigned(1), None, 9)] = 9

    for _ in range(2):
        assert Both(1, 2, 3).encode_fields(generation) == bytes.fromhex(spelled)
        assert Both.decode_fields(bytes.fromhex(spelled), generation=generation) == Both(1, 2, dropped)


def test_text_may_fill_its_field_and_no_more() -> None:
    assert Padded(3).encode(b"abc") == b"abc"
    with pytest.raises(ProtocolError, match="text of 4 bytes does not fit 3"):
        Padded(3).encode(b"abcd")
