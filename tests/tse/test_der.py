"""Elements of DER at their limits."""

import pytest

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.der import OCTETS, SEQUENCE, children, read


@pytest.mark.parametrize(
    ("data", "value"), [("04 81 00", b""), ("04 88 0000000000000001 41", b"A"), ("04 81 80" + "41" * 128, b"A" * 128)]
)
def test_a_length_of_any_width_up_to_eight_bytes_is_read(data: str, value: bytes) -> None:
    deviations: list[Text] = []
    item = read(bytes.fromhex(data), 0, deviations)
    assert (item.tag, item.value, bool(deviations)) == (OCTETS, value, len(value) < 128)


@pytest.mark.parametrize("data", ["04 81", "04 82 00", "04 89 000000000000000001 41"])
def test_a_length_that_is_cut_off_or_wider_is_refused(data: str) -> None:
    with pytest.raises(ProtocolError, match="ends within a length"):
        read(bytes.fromhex(data), 0, [])


def test_within_strict_der_no_length_may_be_longer_than_it_must_be() -> None:
    item = read(bytes.fromhex("30 03 04 81 00"), 0, [])
    with pytest.raises(ProtocolError, match="length at 2 is longer"):
        children(item, SEQUENCE)
