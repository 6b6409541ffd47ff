import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.sectors import (
    MAX_COMMAND,
    MAX_REPLY,
    SECTOR,
    Response,
    WindowState,
    cut_off,
    decode_command,
    encode_command,
    read_counter,
)

any_sector = st.binary(min_size=SECTOR, max_size=SECTOR)
wrong_size = st.binary(max_size=600).filter(lambda data: len(data) != SECTOR)


@given(any_sector)
def test_any_sector_is_either_understood_or_a_protocol_error(sector: bytes) -> None:
    assert read_counter(sector) == int.from_bytes(sector[:4], "big")
    with contextlib.suppress(ProtocolError):
        Response.decode(sector)
    with contextlib.suppress(ProtocolError):
        decode_command(sector)


@given(st.integers(0, 2**32 - 1), st.sampled_from(WindowState), st.integers(0, 2**16 - 1), st.data())
def test_any_length_in_a_response_is_either_understood_or_a_protocol_error(
    counter: int, state: WindowState, length: int, data: st.DataObject
) -> None:
    sector = (
        counter.to_bytes(4, "big") + bytes([state]) + length.to_bytes(2, "big") + data.draw(st.binary(max_size=505))
    )
    if state is WindowState.DONE and not 2 <= length <= MAX_REPLY + 2:
        with pytest.raises(ProtocolError, match="does not fit its sector"):
            Response.decode(sector.ljust(SECTOR, b"\0"))
    else:
        response = Response.decode(sector.ljust(SECTOR, b"\0"))
        assert (response.counter, response.state) == (counter, state)
        assert len(response.data) == (length - 2 if state is WindowState.DONE else 0)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=MAX_REPLY), st.integers(0, 2**16 - 1))
def test_a_finished_response_survives_the_window(counter: int, data: bytes, result: int) -> None:
    response = Response(counter, WindowState.DONE, data, result)
    sector = response.encode()
    assert len(sector) == SECTOR
    assert Response.decode(sector) == response


def test_the_layout_of_a_response() -> None:
    sector = Response(0x01020304, WindowState.DONE, b"AB", 0x1102).encode()
    assert sector == bytes.fromhex("01020304 ff 0004 4142 1102").ljust(SECTOR, b"\0")


@pytest.mark.parametrize("state", [WindowState.BUSY, WindowState.FETCH, WindowState.BUSY_OLD])
def test_an_unfinished_response_carries_nothing_but_its_counter(state: WindowState) -> None:
    sector = bytes.fromhex("00000007") + bytes([state]) + b"\xff" * 507
    assert Response.decode(sector) == Response(7, state)


@pytest.mark.parametrize("raw", sorted(set(range(256)) - set(WindowState)))
def test_every_other_state_is_a_protocol_error(raw: int) -> None:
    with pytest.raises(ProtocolError, match=f"unknown window state 0x{raw:02x}"):
        Response.decode(bytes([0, 0, 0, 1, raw]).ljust(SECTOR, b"\0"))


def test_a_reply_longer_than_the_window_is_refused() -> None:
    with pytest.raises(ProtocolError, match="504 bytes"):
        Response(1, WindowState.DONE, bytes(MAX_REPLY + 1)).encode()


@given(st.binary(min_size=1, max_size=MAX_COMMAND))
def test_a_command_survives_the_window(command: bytes) -> None:
    sector = encode_command(command)
    assert sector == len(command).to_bytes(2, "big") + command + bytes(MAX_COMMAND - len(command))
    assert decode_command(sector) == command


@pytest.mark.parametrize("command", [b"", bytes(MAX_COMMAND + 1)])
def test_a_command_that_no_window_holds_is_refused(command: bytes) -> None:
    with pytest.raises(ProtocolError, match="1 to 510 bytes"):
        encode_command(command)


@pytest.mark.parametrize("length", [0, MAX_COMMAND + 1, 0xFFFF])
def test_a_written_sector_with_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError, match="1 to 510 bytes"):
        decode_command(length.to_bytes(2, "big").ljust(SECTOR, b"\0"))


@given(wrong_size)
def test_a_sector_of_another_size_is_refused(data: bytes) -> None:
    for understand in (read_counter, Response.decode, decode_command):
        with pytest.raises(ProtocolError, match="512 bytes"):
            understand(data)


def test_the_largest_command_and_the_largest_reply_fill_the_window() -> None:
    command, reply = b"c" * MAX_COMMAND, Response(1, WindowState.DONE, b"r" * MAX_REPLY, 2)
    assert encode_command(command)[2:] == command
    assert decode_command(encode_command(command)) == command
    assert Response.decode(reply.encode()) == reply


def test_blocks_behind_the_end_of_a_store_are_zeros() -> None:
    blocks = b"a" * SECTOR + b"b" * SECTOR
    for length, kept in ((9, b""), (10, b""), (11, blocks[:SECTOR]), (12, blocks), (20, blocks)):
        assert cut_off(blocks, 10, length) == kept + bytes(2 * SECTOR - len(kept))
