"""Signing: every step, size, limit and refusal."""

from pathlib import Path

import pytest

from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.commands import (
    AbortImport,
    CloseImport,
    DisableCtss,
    EnableCtss,
    ImportOpened,
    LastTransaction,
    ListTransactions,
    OpenImport,
    RegisterClient,
    SelfTest,
    SetTime,
    StartExport,
    TransactionReply,
    TransactionStep,
)
from gateway.tse.lists import TransactionListReply
from gateway.tse.logmessage import LogMessage
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import members
from tests.simulator.host import CLIENT, TIME, Clock, Host

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"")


def open_numbers(host: Host, skip: int = 0, client: bytes = b"") -> tuple[int, ...]:
    return TransactionListReply.decode(host.do(ListTransactions(skip, client))).numbers


def last_message(host: Host) -> LogMessage:
    info = host.info
    blocks = host.tse.read_store(info.last_entry_block, info.used_blocks - info.last_entry_block)
    (entry,) = members(blocks)
    message = LogMessage.decode(entry.data)
    assert (entry.name, message.deviations) == (message.file_name, ())
    return message


def test_a_receipt(host: Host) -> None:
    start = host.step(TransactionStep.START)
    update = host.step(TransactionStep.UPDATE, start.transaction_number, b"half")
    finish = host.step(TransactionStep.FINISH, start.transaction_number, b"Beleg^1", b"Kassenbeleg-V1")
    assert [reply.transaction_number for reply in (start, update, finish)] == [1, 1, 1]
    assert [reply.signature_counter for reply in (start, update, finish)] == [3, 4, 5]
    assert {reply.serial for reply in (start, update, finish)} == {host.tse.serial}
    message = last_message(host)
    assert message.operation == "FinishTransaction"
    assert (message.client_id, message.process_data, message.process_type) == ("POS-1", b"Beleg^1", "Kassenbeleg-V1")
    assert (message.transaction_number, message.signature_counter, message.log_time) == (1, 5, TIME)
    assert message.signature == finish.signature
    assert len(finish.signature) == 96


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 1500, 100_000, 1_000_000, 16 * 1024 * 1024])
def test_process_data_of_every_size_come_back_from_the_store(host: Host, size: int) -> None:
    data = bytes(index * 7 % 251 for index in range(min(size, 5000))) * (size // 5000 + 1)
    number = host.step(TransactionStep.START, 0, data[:size], b"x" * 100).transaction_number
    message = last_message(host)
    assert (message.process_data, message.process_type) == (data[:size], "x" * 100)
    assert (message.operation, message.transaction_number) == ("StartTransaction", number)


def test_the_data_go_behind_the_end_of_the_archive_which_stays_zero(host: Host) -> None:
    used = host.info.used_blocks
    opened = ImportOpened.decode(host.do(OpenImport(TransactionStep.START, CLIENT, 0, 600, b"")))
    assert opened.block == used + 2
    host.tse.write_store(opened.block, b"\xff" * 1024)
    assert host.tse.read_store(used, 6) == bytes(6 * SECTOR)
    assert host.info.import_in_progress
    host.do(CloseImport())
    assert not host.info.import_in_progress


def test_missing_blocks_are_told_and_may_follow(host: Host) -> None:
    opened = ImportOpened.decode(host.do(OpenImport(TransactionStep.START, CLIENT, 0, 1025, b"")))
    host.tse.write_store(opened.block + 2, b"c".ljust(SECTOR, b"\0"))
    assert host.result(CloseImport()) == Result.NOT_ENOUGH_DATA_WRITTEN
    host.tse.write_store(opened.block, b"ab" * SECTOR)
    assert TransactionReply.decode(host.do(CloseImport())).transaction_number == 1
    assert last_message(host).process_data == b"ab" * SECTOR + b"c"


def test_blocks_outside_of_the_announced_data_are_ignored(host: Host) -> None:
    used = host.info.used_blocks
    host.tse.write_store(used, b"x" * SECTOR)
    opened = ImportOpened.decode(host.do(OpenImport(TransactionStep.START, CLIENT, 0, 10, b"")))
    host.tse.write_store(opened.block + 1, b"y" * SECTOR)
    host.tse.write_store(0, b"z" * SECTOR)
    assert host.result(CloseImport()) == Result.NOT_ENOUGH_DATA_WRITTEN
    host.tse.write_store(opened.block - 1, b"n" * SECTOR + b"right data" + bytes(502) + b"n" * SECTOR)
    host.do(CloseImport())
    assert last_message(host).process_data == b"right data"
    assert host.tse.read_store(0, 1)[:8] == b"info.csv"


def test_an_aborted_step_leaves_nothing(host: Host) -> None:
    before = host.info
    host.do(START)
    host.do(AbortImport())
    assert host.info == before
    assert host.result(AbortImport()) == Result.NO_TRANSACTION_IN_PROGRESS
    assert host.result(CloseImport()) == Result.NO_TRANSACTION_IN_PROGRESS


def test_a_second_announcement_replaces_the_first(host: Host) -> None:
    host.do(OpenImport(TransactionStep.START, CLIENT, 0, 1000, b"old"))
    host.do(OpenImport(TransactionStep.START, CLIENT, 0, 0, b"new"))
    host.do(CloseImport())
    assert last_message(host).process_type == "new"
    assert open_numbers(host) == (1,)


def test_an_announced_step_does_not_survive_a_power_cycle(host: Host) -> None:
    host.do(START)
    host.tse.power_cycle()
    assert not host.info.import_in_progress
    assert host.result(CloseImport()) == Result.NO_TRANSACTION_IN_PROGRESS


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (OpenImport(TransactionStep.START, b"NOPE", 0, 0, b""), Result.CLIENT_NOT_REGISTERED),
        (OpenImport(TransactionStep.START, b"", 0, 0, b""), Result.CLIENT_NOT_REGISTERED),
        (OpenImport(TransactionStep.UPDATE, CLIENT, 0, 0, b""), Result.TRANSACTION_NOT_STARTED),
        (OpenImport(TransactionStep.FINISH, CLIENT, 999, 1, b"X"), Result.TRANSACTION_NOT_STARTED),
        (OpenImport(TransactionStep.START, CLIENT, 1, 0, b""), Result.INVALID_PARAMETER),
        (OpenImport(3, CLIENT, 1, 0, b""), Result.INVALID_PARAMETER),
        (OpenImport(TransactionStep.START, CLIENT, 0, 0, b"x" * 101), Result.INVALID_PARAMETER),
        (OpenImport(TransactionStep.START, CLIENT, 0, 2**64 - 1, b""), Result.INVALID_PARAMETER),
        (OpenImport(TransactionStep.START, CLIENT, 0, 0, b"", b"more"), Result.INVALID_PARAMETER),
    ],
)
def test_steps_that_are_refused_change_nothing(host: Host, command: OpenImport, result: Result) -> None:
    before = host.info
    assert host.result(command) == result
    assert host.info == before
    assert host.result(AbortImport()) == Result.NO_TRANSACTION_IN_PROGRESS


def test_a_transaction_belongs_to_its_client(host: Host) -> None:
    host.do(RegisterClient(b"K"))
    number = host.step(TransactionStep.START).transaction_number
    assert host.result(OpenImport(TransactionStep.FINISH, b"K", number, 0, b"")) == Result.TRANSACTION_NOT_STARTED


def test_a_finished_transaction_is_over(host: Host) -> None:
    number = host.receipt()
    for event in (TransactionStep.UPDATE, TransactionStep.FINISH):
        assert host.result(OpenImport(event, CLIENT, number, 0, b"")) == Result.TRANSACTION_NOT_STARTED


def test_open_transactions_are_listed_62_at_a_time(host: Host) -> None:
    host.do(RegisterClient(b"K"))
    mine = [host.step(TransactionStep.START).transaction_number for _ in range(64)]
    other = host.step(TransactionStep.START, client=b"K").transaction_number
    assert open_numbers(host) == tuple(mine[:62])
    assert open_numbers(host, 62) == (*mine[62:], other)
    assert open_numbers(host, 0, b"K") == (other,)
    assert open_numbers(host, 1, b"K") == open_numbers(host, 0, b"nobody") == ()
    assert host.info.open_transactions == 65


def test_512_transactions_may_be_open(host: Host) -> None:
    for _ in range(512):
        host.step(TransactionStep.START)
    assert host.info.open_transactions == host.info.max_open_transactions == 512
    assert host.result(START) == Result.MAX_PARALLEL_TRANSACTIONS
    host.step(TransactionStep.FINISH, 17)
    assert host.step(TransactionStep.START).transaction_number == 513


def test_the_last_transaction_of_a_client_and_of_any(host: Host) -> None:
    assert host.result(LastTransaction(b"")) == Result.NO_LAST_TRANSACTION
    host.do(RegisterClient(b"K"))
    host.receipt()
    mine = host.do(LastTransaction(CLIENT))
    host.receipt(client=b"K")
    other = host.do(LastTransaction(b"K"))
    assert TransactionReply.decode(mine).transaction_number == 1
    assert TransactionReply.decode(other).transaction_number == 2
    assert (host.do(LastTransaction(CLIENT)), host.do(LastTransaction(b""))) == (mine, other)
    assert host.result(LastTransaction(b"XX")) == Result.NO_LAST_TRANSACTION


def test_what_signing_needs_in_the_order_of_the_checks(host: Host, clock: Clock) -> None:
    clock.now += 1800
    host.do(DisableCtss())
    host.tse.power_cycle()
    assert host.result(START) == Result.NEEDS_SELF_TEST
    assert host.result(SelfTest(b"nobody")) == Result.CLIENT_NOT_REGISTERED
    assert host.result(START) == Result.NEEDS_PASSED_SELF_TEST
    host.do(SelfTest(CLIENT))
    assert host.result(START) == Result.NEEDS_ACTIVE_CTSS
    host.login_all()
    host.do(EnableCtss())
    assert host.result(START) == Result.NO_TIME_SET
    host.do(SetTime(TIME))
    host.do(START)


def test_what_held_at_the_announcement_must_hold_at_the_signature(host: Host, clock: Clock) -> None:
    host.do(START)
    clock.now += 1800
    assert host.result(CloseImport()) == Result.NO_TIME_SET
    host.do(SetTime(TIME))
    host.do(StartExport(0, 2**64 - 1, 0, 2**64 - 1, b""))
    assert host.result(CloseImport()) == Result.EXPORT_IN_PROGRESS


def test_a_login_between_announcement_and_signature_does_no_harm(host: Host) -> None:
    opened = ImportOpened.decode(host.do(OpenImport(TransactionStep.START, CLIENT, 0, 4, b"")))
    host.login_all()
    host.tse.write_store(opened.block, b"data".ljust(SECTOR, b"\0"))
    host.do(CloseImport())
    assert last_message(host).process_data == b"data"


def test_a_full_store_ends_transactions_but_lets_the_admin_in(tmp_path: Path) -> None:
    tse = SimulatedTse.create(tmp_path / "small", Make(capacity_blocks=256), durable=False)
    host = Host(tse)
    host.set_up()
    host.start_day()
    number = host.step(TransactionStep.START).transaction_number
    while host.result(OpenImport(TransactionStep.UPDATE, CLIENT, number, 0, b"")) == Result.OK:
        host.do(CloseImport())
    assert host.result(OpenImport(TransactionStep.UPDATE, CLIENT, number, 0, b"")) == Result.STORE_FULL
    assert host.info.used_blocks <= 256 - 128
    before = host.info.created_signatures
    host.login_all()
    assert host.info.created_signatures == before + 2
    while (result := host.result(SetTime(TIME))) == Result.OK:
        pass
    assert result == Result.STORE_FULL
    assert host.info.valid_time
    assert tse.read_store(254, 2) == bytes(1024)
    tse.close()


def test_the_signatures_are_limited(tmp_path: Path) -> None:
    tse = SimulatedTse.create(tmp_path / "few", Make(max_signatures=4), durable=False)
    host = Host(tse)
    host.set_up()
    host.start_day()
    number = host.receipt()
    assert host.info.remaining_signatures == 0
    assert host.result(START) == Result.SIGNATURES_EXCEEDED
    host.login_all()
    assert (number, host.info.created_signatures) == (1, 6)
    tse.close()
