from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse import lists
from gateway.tse.commands import ListClients, ListTransactions, Part
from gateway.tse.fields import Command, Generation
from tests.tse.samples import exchanges_of_generation_2

T = TypeVar("T")
ids = st.lists(st.binary(min_size=1, max_size=30).filter(lambda name: not name.endswith(b"\0")), max_size=120)
numbers = st.lists(st.integers(0, 2**63), max_size=200)


def answered(question: lists.Question[T], answer: Callable[[Command], bytes]) -> list[T]:
    """Play the TSE until the question has its answer."""
    try:
        command = next(question)
        while True:
            command = question.send(answer(command))
    except StopIteration as found:
        result: list[T] = found.value
        return result


def parts_of(data: bytes, skip: int) -> bytes:
    return Part(data[skip : skip + 496]).encode()


@given(ids)
def test_all_clients_are_found_in_both_generations(names: list[bytes]) -> None:
    def first(command: Command) -> bytes:
        assert isinstance(command, ListClients)
        return lists.ClientListReply(tuple(names[command.skip : command.skip + 16])).encode()

    def second(command: Command) -> bytes:
        assert isinstance(command, ListClients)
        return parts_of(lists.encode_client_ids(names), command.skip)

    assert answered(lists.client_ids(Generation.ONE), first) == names
    assert answered(lists.client_ids(Generation.TWO), second) == names


@given(numbers)
def test_all_open_transactions_are_found_in_both_generations(opened: list[int]) -> None:
    def first(command: Command) -> bytes:
        assert isinstance(command, ListTransactions)
        return lists.TransactionListReply(tuple(opened[command.skip : command.skip + 62])).encode()

    def second(command: Command) -> bytes:
        assert isinstance(command, ListTransactions)
        return parts_of(lists.encode_transactions(opened), command.skip)

    assert answered(lists.open_transactions(Generation.ONE, b"POS-1"), first) == opened
    assert answered(lists.open_transactions(Generation.TWO, b"POS-1"), second) == opened


def test_the_recorded_lists_are_understood_and_written_alike() -> None:
    recorded = {item.sent: item.got or b"" for item in exchanges_of_generation_2() if item.scenario == "list-clients"}
    names = answered(lists.client_ids(Generation.TWO), lambda command: recorded[command.encode(Generation.TWO)])
    assert (names[0], names[-1], len(names)) == (b"POS-1", b"K16", 18)
    assert parts_of(lists.encode_client_ids(names), 0) == recorded[b"\xd1\0\0\0\0\0"]
    assert parts_of(lists.encode_transactions([2]), 0) == bytes.fromhex("000730053003020102")
    assert parts_of(lists.encode_transactions([]), 0) == bytes.fromhex("00023000")


@pytest.mark.parametrize(
    "data", [b"", b"0", b"\x30\1", b"\x30\0\0", b"\x30\2\x30\0", b"\x30\5\x30\3\2\1\1", b"\x30\x81\0"]
)
def test_what_is_no_list_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        lists.der_items(data, 0x13)


def test_a_list_without_an_end_is_not_read_for_ever() -> None:
    with pytest.raises(ProtocolError, match="without an end"):
        answered(lists.client_ids(Generation.TWO), lambda _: Part(bytes(500)).encode())


@pytest.mark.parametrize("count", [61, 62, 63])
def test_a_list_that_just_fills_its_replies_is_asked_for_to_its_end(count: int) -> None:
    opened, asked = list(range(count)), []

    def answer(command: Command) -> bytes:
        assert isinstance(command, ListTransactions)
        asked.append(command.skip)
        return lists.TransactionListReply(tuple(opened[command.skip : command.skip + 62])).encode()

    assert answered(lists.open_transactions(Generation.ONE, b""), answer) == opened
    assert asked == ([0] if count < 62 else [0, 62])


@pytest.mark.parametrize("count", [15, 16, 17])
def test_a_list_of_clients_that_just_fills_its_reply_is_asked_for_to_its_end(count: int) -> None:
    names = [b"POS-%d" % number for number in range(count)]

    def answer(command: Command) -> bytes:
        assert isinstance(command, ListClients)
        return lists.ClientListReply(tuple(names[command.skip : command.skip + 16])).encode()

    assert answered(lists.client_ids(Generation.ONE), answer) == names
