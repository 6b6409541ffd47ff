"""Which transactions a filter takes, at its limits, and from where on none can follow."""

from dataclasses import replace

import pytest

from gateway.operations.transaction_list import FoundTransaction, TransactionFilter
from gateway.tse.der import integer_element
from gateway.tse.logmessage import LogMessage, UnsignedMessage

DAY = 86_400
FINISH = LogMessage.decode(
    UnsignedMessage.transaction(
        operation="FinishTransaction",
        client_id=b"POS-1",
        process_data=b"data",
        process_type=b"Kassenbeleg-V1",
        number=5,
        serial=bytes(32),
        counter=9,
        log_time=integer_element(1_700_000_000),
    ).sealed(bytes(96))
)
START = replace(FINISH, operation="StartTransaction")
SYSTEM = replace(FINISH, operation="logIn", transaction_number=None)
NOW = FINISH.log_time


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (TransactionFilter(), True),
        (TransactionFilter(from_time=NOW, to_time=NOW, from_number=5, to_number=5), True),
        (TransactionFilter(from_time=NOW + 1), False),
        (TransactionFilter(to_time=NOW - 1), False),
        (TransactionFilter(from_number=6), False),
        (TransactionFilter(to_number=4), False),
        (TransactionFilter(client_ids={"POS-1"}, process_type="Kassenbeleg-V1", state="finished"), True),
        (TransactionFilter(client_ids={"POS-2"}), False),
        (TransactionFilter(process_type=""), False),
        (TransactionFilter(state="open"), False),
    ],
)
def test_a_filter_takes_what_lies_within_its_limits(wanted: TransactionFilter, fits: bool) -> None:
    assert wanted.fits(FoundTransaction(FINISH, "finished", 10)) is fits


@pytest.mark.parametrize(
    ("wanted", "message", "ends"),
    [
        (TransactionFilter(), START, False),
        (TransactionFilter(from_time=NOW + DAY), START, False),  # somebody may have set the clock back
        (TransactionFilter(from_time=NOW + DAY + 1), START, True),
        (TransactionFilter(from_time=NOW + DAY + 1), SYSTEM, True),
        (TransactionFilter(from_number=5), START, False),
        (TransactionFilter(from_number=6), START, True),
        (TransactionFilter(from_number=6), FINISH, False),  # another that began later may have ended before
        (TransactionFilter(from_number=6), SYSTEM, False),
    ],
)
def test_before_some_messages_nothing_can_be_wanted(wanted: TransactionFilter, message: LogMessage, ends: bool) -> None:
    assert wanted.ends_at(message) is ends
