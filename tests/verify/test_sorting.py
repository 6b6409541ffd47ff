"""Sorting with runs on the disk gives what sorting in memory gives."""

import random
import struct
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.verify.sorting import Sorter


@given(st.lists(st.binary(min_size=4, max_size=4)), st.integers(1, 20))
def test_records_come_back_sorted(records: list[bytes], run: int) -> None:
    with Sorter(4, run=run) as sorter:
        for record in records:
            sorter.add([record])
        assert list(sorter) == sorted(records)
        assert list(sorter) == sorted(records)  # and again


def test_long_runs_are_read_in_pieces() -> None:
    numbers = list(range(50_000))
    random.Random(3).shuffle(numbers)
    with Sorter(8, run=20_000) as sorter:
        for at in range(0, len(numbers), 1000):
            sorter.add(struct.pack(">Q", number) for number in numbers[at : at + 1000])
        assert [struct.unpack(">Q", record)[0] for record in sorter] == sorted(numbers)


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with Sorter(4, run=2) as sorter:
        sorter.add([b"abcd"])
        assert list(sorter) == [b"abcd"]  # few need no file
        with pytest.raises(GatewayError, match="no room for temporary files"):
            sorter.add([b"efgh"])
