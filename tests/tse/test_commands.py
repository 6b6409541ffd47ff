import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse import commands as c
from gateway.tse.fields import (
    Codec,
    Command,
    Fixed,
    Generation,
    Listed,
    Padded,
    Prefixed,
    Record,
    Reply,
    Unsigned,
    layout_of,
)
from gateway.tse.lists import ClientListReply, TransactionListReply
from tests.tse.samples import Exchange, exchanges, exchanges_of_generation_2

REPLIES: tuple[type[Reply], ...] = (
    ClientListReply,
    TransactionListReply,
    c.Part,
    c.ImportOpened,
    c.TransactionReply,
)
ANSWER_OF: dict[int, type[Reply]] = {
    0x43: ClientListReply,
    0x84: c.TransactionReply,
    0x85: TransactionListReply,
    0x86: c.Part,
    0x90: c.ImportOpened,
    0x95: c.TransactionReply,
    0xA1: c.Part,
}
sent = [exchange for exchange in exchanges() if exchange.verb == "sendCommand"]


def values_of(codec: Codec) -> st.SearchStrategy[Any]:
    """Every value that a codec can carry (byte strings up to a length that keeps tests quick)."""
    match codec:
        case Unsigned(size):
            return st.integers(0, 256**size - 1)
        case Prefixed(size):
            return st.binary(max_size=min(600, 256**size - 1))
        case Fixed(size):
            return st.binary(min_size=size, max_size=size)
        case Padded(size):
            return st.binary(max_size=size).map(lambda text: text.rstrip(b"\0"))
        case c.UserName():
            return st.sampled_from(sorted(c.USER_NAMES))
        case Listed(item, most):
            return st.lists(values_of(item), max_size=most).map(tuple)
    raise AssertionError(codec)


def records(kind: type[Record], generation: Generation = Generation.ONE) -> st.SearchStrategy[Any]:
    if kind is c.ExportIfCspFails:
        return st.builds(kind, enabled=st.booleans())
    if kind is c.ChangePuk and generation is Generation.ONE:
        return st.builds(kind, st.just(c.User.ADMIN), st.binary(max_size=255), st.binary(max_size=255))
    written = {name: values_of(codec) for name, codec in layout_of(kind, generation) if codec is not None}
    return st.builds(kind, **written)


def commands_of(generation: Generation) -> st.SearchStrategy[Command]:
    return st.one_of([records(kind, generation) for kind in set(c.COMMANDS.values()) if generation in kind.opcodes])


any_command = commands_of(Generation.ONE)
any_reply: st.SearchStrategy[Reply] = st.one_of([records(kind) for kind in REPLIES])


@given(any_command)
def test_every_command_is_read_back_as_it_was(command: Command) -> None:
    encoded = command.encode()
    assert encoded[0] == command.opcode
    assert c.parse(encoded) == command
    assert c.title_of(encoded) == command.title


@given(commands_of(Generation.TWO))
def test_every_command_of_generation_2_is_read_back_as_it_was(command: Command) -> None:
    encoded = command.encode(Generation.TWO)
    assert encoded[0] == command.opcodes[Generation.TWO]
    assert c.parse(encoded) == command
    assert type(command).begins(encoded)


@given(any_command, st.data())
def test_a_command_of_another_length_is_refused(command: Command, data: st.DataObject) -> None:
    encoded = command.encode()
    for wrong in (encoded[: data.draw(st.integers(1, len(encoded) - 1))], encoded + data.draw(st.binary(min_size=1))):
        if wrong == encoded + b"\0" and isinstance(command, c.OpenImport):
            continue  # as generation 2 has it
        with pytest.raises(ProtocolError):
            c.parse(wrong)


@given(st.sampled_from(sorted(c.COMMANDS)), st.binary(max_size=509))
def test_any_bytes_are_a_command_or_a_protocol_error(opcode: int, rest: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        command = c.parse(bytes([opcode]) + rest)
        spellings = [command.encode(each) for each, known in command.opcodes.items() if known == opcode]
        assert bytes([opcode]) + rest in spellings


@given(any_reply)
def test_every_reply_is_read_back_as_it_was(reply: Reply) -> None:
    assert type(reply).decode(reply.encode()) == reply


@given(st.sampled_from(REPLIES), st.binary(max_size=503))
def test_any_bytes_are_a_reply_or_a_protocol_error(kind: type[Reply], data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        kind.decode(data)


@given(st.binary(max_size=503))
def test_any_bytes_are_a_health_reply_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        health = c.HealthReply.decode(data)
        assert 0 <= health.ten_year_retention_percent <= health.remaining_erases_percent <= 100


def test_opcodes_are_those_of_the_firmware() -> None:
    kinds = set(c.COMMANDS.values())
    first = "0f 12 20 21 22 23 24 40 41 42 43 50 51 60 61 62 70 71 80 83 84 85 86 90 94 95 a0 a1 a2 a3 a4"
    second = "0f 12 41 42 50 51 70 71 80 83 84 90 94 95 a2 d1 d8 de e5 e6 e7 e8 e9 ea"
    for generation, known in zip(Generation, (first, second), strict=True):
        opcodes = [kind.opcodes[generation] for kind in kinds if generation in kind.opcodes]
        assert sorted(opcodes) == list(bytes.fromhex(known))


@pytest.mark.parametrize("kind", [*c.COMMANDS.values()])
def test_no_command_is_understood_from_nothing_or_from_another_second_byte(kind: type[Command]) -> None:
    for wrong in (b"", bytes([kind.opcode]), bytes([kind.opcode, 2]), bytes([kind.opcode ^ 1, 0])):
        with pytest.raises(ProtocolError):
            kind.decode(wrong)


@pytest.mark.parametrize(("command", "reason"), [(b"", "an empty command"), (b"\xd9\0", "unknown command 0xd9")])
def test_what_is_no_command_is_told_so(command: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        c.parse(command)


def test_a_command_that_a_generation_does_not_know_is_not_written_for_it() -> None:
    with pytest.raises(ProtocolError, match="generation 2 does not know the command enable CTSS"):
        c.EnableCtss().encode(Generation.TWO)
    with pytest.raises(ProtocolError, match="no user has the number 7"):
        c.Login(7, b"12345").encode(Generation.TWO)
    with pytest.raises(ProtocolError, match="no user has this name"):
        c.parse(b"\xe5\0\x04root\x0512345")


def test_all_that_the_vendors_client_was_recorded_to_send_to_generation_2_is_read_and_written_alike() -> None:
    recorded = [item.sent or b"" for item in exchanges_of_generation_2() if item.verb == "sendCommand"]
    filtered = {c.StartExport.opcode, c.NextExportPart.opcode}
    assert {command[0] for command in recorded} >= filtered | {0xD1, 0xD8, 0xDE, *range(0xE5, 0xEB)}
    for command in recorded:
        generation = Generation.ONE if command[0] in filtered else Generation.TWO
        assert c.parse(command).encode(generation) == command


def test_titles_show_no_parameters_and_know_the_newer_generation() -> None:
    assert c.title_of(c.Login(c.User.ADMIN, b"12345").encode()) == "login"
    assert c.title_of(b"\xe5\0\x05admin\x0512345") == "login"
    assert c.title_of(b"\x99\0") == c.title_of(b"") == "unknown"


@pytest.mark.parametrize(
    ("command", "encoded"),
    [
        (c.Login(c.User.TIME_ADMIN, b"98765"), "2000 02 05 3938373635"),
        (c.ExportIfCspFails(enabled=True), "6201"),
        (c.ExportIfCspFails(enabled=False), "6200"),
        (c.ListTransactions(62, b"POS-1"), "8500 0000003e 05 504f532d31"),
        (c.TransferUpdate(16, b"\xaa\xbb"), "5000 00000010 0002 aabb"),
        (
            c.OpenImport(c.TransactionStep.FINISH, b"POS-1", 7, 60, b"X"),
            "9000 02 05504f532d31 0000000000000007 000000000000003c 0000000000000001 58 0000000000000000",
        ),
        (
            c.StartExport(0, c.FILTER_OPEN_END, 1, 1, b""),
            "a000 0000000000000000 ffffffffffffffff 0000000000000001 0000000000000001 00",
        ),
    ],
)
def test_layouts_as_the_vendors_client_writes_them(command: Command, encoded: str) -> None:
    assert command.encode() == bytes.fromhex(encoded)


@pytest.mark.parametrize(
    "record",
    [
        c.Login(256, b""),
        c.Login(-1, b""),
        c.Login(1, bytes(256)),
        c.ListClients(2**32),
        ClientListReply((b"x" * 32,)),
        ClientListReply((b"x",) * 17),
        TransactionListReply((1,) * 63),
        c.TransactionReply(1, bytes(31), 1, 1, b""),
    ],
)
def test_values_that_do_not_fit_are_refused(record: Command | Reply) -> None:
    with pytest.raises(ProtocolError):
        record.encode()


def test_a_list_may_not_claim_more_than_a_window_holds() -> None:
    with pytest.raises(ProtocolError, match="at most 62 items, not 63"):
        TransactionListReply.decode(bytes([63]) + bytes(63 * 8))


def test_recordings_hold_enough_to_be_a_proof() -> None:
    assert len(sent) == 191
    assert len({exchange.sent[0] for exchange in sent if exchange.sent}) >= 22


@pytest.mark.parametrize(
    "exchange", sent, ids=lambda exchange: f"{exchange.scenario}-{(exchange.sent or b'').hex()[:12]}"
)
def test_recorded_commands_and_answers_are_understood(exchange: Exchange) -> None:
    assert exchange.sent is not None
    assert c.parse(exchange.sent).encode() == exchange.sent
    if exchange.error is not None:
        assert exchange.got is None
    elif exchange.sent[0] == c.FlashHealth.opcode:
        assert c.HealthReply.decode(exchange.got or b"").encode() == exchange.got
    elif answer := ANSWER_OF.get(exchange.sent[0]):
        assert answer.decode(exchange.got or b"").encode() == exchange.got
    else:
        assert exchange.got == b""


def test_the_recorded_health_is_what_the_vendors_library_made_of_it() -> None:
    (answer,) = (exchange.got for exchange in sent if exchange.sent == b"\x12\0")
    health = c.HealthReply.decode(answer or b"")
    shown = (
        health.uncorrectable_ecc_errors,
        health.spare_blocks_percent,
        health.remaining_erases_percent,
        health.ten_year_retention_percent,
    )
    assert shown == (0, 100, 100, 100)
    assert not health.needs_replacement


@pytest.mark.parametrize(
    ("spare", "errors", "cycles", "erases", "retention", "replace"),
    [
        (100, 0, 0, 100, 100, False),
        (25, 0, 0, 100, 100, False),
        (24, 0, 0, 100, 100, True),
        (100, 1, 0, 100, 100, True),
        (100, 0, 768_000 * 3000 // 100 - 1, 100, 91, False),
        (100, 0, 768_000 * 3000 // 100, 99, 90, False),
        (100, 0, 768_000 * 3000 * 98 // 100, 2, 0, False),
        (100, 0, 768_000 * 3000 * 99 // 100, 1, 0, True),
        (100, 0, 768_000 * 3000 * 2, 0, 0, True),
    ],
)
def test_percentages_of_health(
    spare: int, errors: int, cycles: int, erases: int, retention: int, replace: bool
) -> None:
    health = c.HealthReply.decode(c.HealthReply(spare, errors, cycles, 3000).encode())
    assert (health.remaining_erases_percent, health.ten_year_retention_percent) == (erases, retention)
    assert health.needs_replacement is replace


@pytest.mark.parametrize(("data", "reason"), [(bytes(53), "at least 54 bytes, not 53"), (bytes(64), "endurance zero")])
def test_health_that_cannot_be_divided_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        c.HealthReply.decode(data)


def test_the_shortest_health_is_read_in_full() -> None:
    data = bytes(33) + bytes.fromhex("32 0102 0000000000000000 00 00 010203040506 0bb8")
    assert len(data) == 54
    assert c.HealthReply.decode(data) == c.HealthReply(0x32, 0x0102, 0x010203040506, 3000)
