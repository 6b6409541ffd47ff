"""Lists that a TSE tells in several replies: its clients and its open transactions (LAN-TSE protocol).

    generation 1   counted items, so many per reply; asked again from the next item on
    generation 2   SEQUENCE OF SEQUENCE {PrintableString client id | INTEGER number, Time OPTIONAL}, in parts;
                   asked again from the next byte on until a part is empty

A question is a generator, which does no I/O: it yields commands, is sent the data of replies, and returns the list.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import der
from gateway.tse.commands import ListClients, ListTransactions, Part
from gateway.tse.fields import Command, Generation, Listed, Padded, Reply, Unsigned

CLIENT_ID_SLOT = 31  # bytes of a client id in a list: 30 and at least one NUL
CLIENTS_PER_LIST = 16
TRANSACTIONS_PER_LIST = 62
_ITEM = Text("an item of a list", "ein Eintrag einer Liste")
_MOST_BYTES = 2**20  # of a list; a TSE that never ends is not asked for ever

T = TypeVar("T")
Question = Generator[Command, bytes, list[T]]


@dataclass(frozen=True)
class ClientListReply(Reply):
    """Up to 16 registered client ids; generation 1."""

    client_ids: Annotated[tuple[bytes, ...], Listed(Padded(CLIENT_ID_SLOT), CLIENTS_PER_LIST)]


@dataclass(frozen=True)
class TransactionListReply(Reply):
    """Up to 62 numbers of open transactions; generation 1."""

    numbers: Annotated[tuple[int, ...], Listed(Unsigned(8), TRANSACTIONS_PER_LIST)]


def client_ids(generation: Generation) -> Question[bytes]:
    """Ask for all registered client ids; the Admin must be logged in."""
    if generation is Generation.TWO:
        return [item.value for item in der_items((yield from _bytes(ListClients)), der.PRINTABLE)]
    found: list[bytes] = []
    while True:
        part = ClientListReply.decode((yield ListClients(len(found)))).client_ids
        found += part
        if len(part) < CLIENTS_PER_LIST:
            return found


def open_transactions(generation: Generation, client_id: bytes) -> Question[int]:
    """Ask for the numbers of all open transactions of a client, or of everybody if `client_id` is empty."""
    if generation is Generation.TWO:
        parts = _bytes(lambda skip: ListTransactions(skip, client_id))
        return [der.integer(item, []) for item in der_items((yield from parts), der.INTEGER)]
    found: list[int] = []
    while True:
        part = TransactionListReply.decode((yield ListTransactions(len(found), client_id))).numbers
        found += part
        if len(part) < TRANSACTIONS_PER_LIST:
            return found


def encode_client_ids(client_ids: Iterable[bytes]) -> bytes:
    """Return the list of generation 2, of which the TSE tells parts."""
    return _encode(der.element(der.PRINTABLE, client_id) for client_id in client_ids)


def encode_transactions(numbers: Iterable[int]) -> bytes:
    """Return the list of generation 2, of which the TSE tells parts."""
    return _encode(der.integer_element(number) for number in numbers)


def der_items(data: bytes, tag: int) -> list[der.DerElement]:
    """Return the first element of each item of a list; `ProtocolError` unless they have this tag."""
    items = [der.children(item, der.SEQUENCE) for item in der.children(der.only(data), der.SEQUENCE)]
    if any(not item for item in items):
        raise ProtocolError(Text("an item of a list is empty", "ein Eintrag einer Liste ist leer"))
    return [der.expect(item[0], tag, _ITEM) for item in items]


def _bytes(ask: Callable[[int], Command]) -> Generator[Command, bytes, bytes]:
    found = b""
    while part := Part.decode((yield ask(len(found)))).data:
        found += part
        if len(found) > _MOST_BYTES:
            raise ProtocolError(Text("a list without an end", "eine Liste ohne Ende"))
    return found


def _encode(items: Iterable[bytes]) -> bytes:
    return der.element(der.SEQUENCE, b"".join(der.element(der.SEQUENCE, item) for item in items))
