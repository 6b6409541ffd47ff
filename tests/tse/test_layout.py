import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.layout import Offsets, store_file
from gateway.tse.sectors import SECTOR

lba = st.integers(1, 2**32 - 1)


@given(st.builds(Offsets, lba, lba, lba))
def test_offsets_are_read_back(offsets: Offsets) -> None:
    assert Offsets.decode(offsets.encode()) == offsets
    assert len(offsets.encode()) == SECTOR


@given(st.binary(min_size=SECTOR, max_size=SECTOR))
def test_any_sector_is_an_offset_table_or_a_protocol_error(sector: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        Offsets.decode(sector)


@pytest.mark.parametrize("offsets", [Offsets(0, 1, 2), Offsets(1, 0, 2), Offsets(1, 2, 0)])
def test_a_zero_offset_is_no_tse(offsets: Offsets) -> None:
    with pytest.raises(ProtocolError, match="no offset table"):
        Offsets.decode(offsets.encode())


def test_a_table_of_another_size_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not 12"):
        Offsets.decode(bytes(12))


def test_names_of_the_store_files() -> None:
    assert [store_file(number) for number in (1, 2, 10)] == ["TSE_TAR.001", "TSE_TAR.002", "TSE_TAR.010"]


def test_the_table_is_filled_up_with_zeros() -> None:
    assert Offsets(1, 2, 3).encode() == bytes.fromhex("000000010000000200000003") + bytes(500)
