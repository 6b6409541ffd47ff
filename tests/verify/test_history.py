"""Counters, times and steps, in any order of the members."""

import random

import pytest

from gateway.tse.logmessage import LogMessage
from gateway.verify.files import Options
from gateway.verify.findings import Code, FileReport, Severity
from gateway.verify.texts import MEANINGS
from tests.verify.conftest import Check
from tests.verify.exports import NOW, Tse, log_member, receipts

COMPLETE = Options(complete=True)


def test_a_complete_export_in_any_order_is_in_order(check: Check) -> None:
    tse = Tse()
    messages = list(receipts(tse, 20))
    random.Random(1).shuffle(messages)
    report = check(tse.export(messages), COMPLETE)
    assert _codes(report) == {Code.CHAIN_UNANCHORED: 1}
    (span,) = report.spans
    assert (span.messages, span.first_counter, span.last_counter, span.missing) == (40, 1, 40, 0)
    assert (span.earliest, span.latest, span.whole) == (NOW + 1, NOW + 20, True)


@pytest.mark.parametrize(
    ("options", "first", "code"),
    [
        (Options(), 0, Code.COUNTER_GAP),
        (Options(), 10, Code.COUNTER_SKIPPED),
        (COMPLETE, 0, Code.COUNTER_MISSING),
    ],
)
def test_a_gap_weighs_as_much_as_the_export_claims(options: Options, first: int, code: Code, check: Check) -> None:
    tse = Tse(counter=first)
    messages = list(receipts(tse, 4))
    report = check(tse.export(messages[:2] + messages[4:]), options)
    assert report.findings.count(code) == 1
    (example,) = dict(report.findings.items())[code].examples
    assert example.in_language("en") == f"Sig-{first + 3}..{first + 4}  2 missing"
    assert example.in_language("de") == f"Sig-{first + 3}..{first + 4}  2 fehlen"
    assert report.spans[0].missing == 2


def test_a_complete_export_begins_with_the_first_or_second_counter(check: Check) -> None:
    for first, found in ((0, 0), (1, 0), (2, 1)):
        tse = Tse(counter=first)
        report = check(tse.export(tse.receipt(1)), COMPLETE)
        assert report.findings.count(Code.COUNTER_MISSING) == found


def test_the_same_message_twice_is_told_from_two_with_one_counter(check: Check) -> None:
    tse = Tse()
    messages = tse.receipt(1)
    assert _worse(check(tse.export([*messages, messages[0]]))) == {Code.COUNTER_REPEATED: 1}
    other = tse.step(1, "Start", counter=1)  # signed afresh: the same content, another signature
    assert other != messages[0]
    assert _worse(check(tse.export([*messages, other]))) == {Code.COUNTER_CONFLICT: 1}


def test_the_time_may_go_back_only_by_an_update_of_time(check: Check) -> None:
    tse = Tse()
    messages = [*tse.receipt(1), tse.system("updateTime", time=NOW - 50), *tse.receipt(2, time=NOW - 50)]
    assert _worse(check(tse.export(messages))) == {}
    messages += tse.receipt(3, time=NOW - 80)
    report = check(tse.export(messages))
    assert _worse(report) == {Code.TIME_BACKWARDS: 1}


def test_nothing_is_said_about_time_across_a_gap(check: Check) -> None:
    tse = Tse()
    messages = [*tse.receipt(1), tse.system(time=NOW - 50), *tse.receipt(2, time=NOW - 50)]
    assert _worse(check(tse.export(messages[:2] + messages[3:]))) == {Code.COUNTER_GAP: 1}


def test_open_transactions_are_noted(check: Check) -> None:
    tse = Tse()
    messages = [tse.step(1), tse.step(2), tse.step(1, "Update"), tse.step(2, "Finish")]
    assert _codes(check(tse.export(messages))) == {Code.TRANSACTION_OPEN: 1, Code.CHAIN_UNANCHORED: 1}


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (("Start", "Start"), Code.TRANSACTION_ORDER),
        (("Start", "Finish", "Finish"), Code.TRANSACTION_ORDER),
        (("Start", "Finish", "Update", "Finish"), Code.TRANSACTION_ORDER),
        (("Update", "Finish"), Code.TRANSACTION_START),
        (("Start", "Cancel"), Code.MESSAGE_OPERATION),
    ],
)
def test_steps_that_cannot_follow_each_other_are_found(steps: tuple[str, ...], code: Code, check: Check) -> None:
    tse = Tse()
    report = check(tse.export([tse.step(1, step) for step in steps]))
    assert set(_worse(report)) == {code}


def test_the_rest_of_a_transaction_in_a_part_is_noted(check: Check) -> None:
    tse = Tse(counter=5)
    report = check(tse.export([tse.step(7, "Finish")]))
    assert _worse(report) == {}
    assert report.findings.count(Code.TRANSACTION_CUT) == 1
    assert report.findings.count(Code.COUNTER_PARTIAL) == 1


def test_the_end_of_an_old_transaction_leaves_no_number_out(check: Check) -> None:
    tse = Tse()
    tse.step(1)
    for number in range(2, 9):
        tse.receipt(number)
    part = [tse.step(1, "Finish"), *tse.receipt(9), *tse.receipt(10)]
    report = check(tse.export(part))
    assert report.findings.count(Code.TRANSACTION_NUMBER) == 0
    assert report.findings.count(Code.TRANSACTION_CUT) == 1


def test_a_transaction_of_two_clients_is_found(check: Check) -> None:
    tse = Tse()
    report = check(tse.export([tse.step(1), tse.step(1, "Finish", client=b"POS-2")]))
    assert _worse(report) == {Code.TRANSACTION_CLIENT: 1}


def test_a_transaction_number_left_out_is_found_unless_messages_are_missing(check: Check) -> None:
    tse = Tse()
    messages = [*tse.receipt(1), *tse.receipt(3)]
    assert _worse(check(tse.export(messages))) == {Code.TRANSACTION_NUMBER: 1}
    messages += [*tse.receipt(4), *tse.receipt(5)]
    assert _worse(check(tse.export(messages[:4] + messages[6:]))) == {Code.COUNTER_GAP: 1}


def test_two_tses_in_one_archive_have_counters_of_their_own(check: Check) -> None:
    one, two = Tse(), Tse(counter=100)
    logs = [log_member(message) for message in [*one.receipt(1), *two.receipt(9)]]
    archive = one.export([])[:-1024] + two.certificate_member() + b"".join(logs) + bytes(1024)
    report = check(archive)
    assert _worse(report) == {}
    assert {span.serial: span.first_counter for span in report.spans} == {one.serial: 1, two.serial: 101}


def test_numbers_that_no_tse_reaches_are_found(check: Check) -> None:
    tse = Tse()
    wide = tse.step(1, counter=1 << 64)
    assert LogMessage.decode(wide).signature_counter == 1 << 64
    assert _worse(check(tse.export([wide]))) == {Code.MESSAGE_FORM: 1}


def _codes(report: FileReport) -> dict[Code, int]:
    return {code: found.count for code, found in report.findings.items()}


def _worse(report: FileReport) -> dict[Code, int]:
    return {code: count for code, count in _codes(report).items() if MEANINGS[code].severity > Severity.NOTE}
