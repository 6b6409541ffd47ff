import pytest

from gateway.fleet.commands.lost_signatures import OpenTransactionAges
from gateway.fleet.device import Device
from gateway.tse.commands import TransactionStep
from tests.support import receipt, step


class Watch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def known(watch: Watch) -> OpenTransactionAges:
    return OpenTransactionAges(watch)


def test_the_oldest_counts_until_it_is_finished(watch: Watch, known: OpenTransactionAges) -> None:
    assert known.oldest_age == 0
    known.signed(TransactionStep.START, 1)
    watch.now += 60
    known.signed(TransactionStep.START, 2)
    known.signed(TransactionStep.UPDATE, 1)
    watch.now += 5
    assert known.oldest_age == 65
    known.told(2)
    known.signed(TransactionStep.FINISH, 1)
    assert known.oldest_age == 5
    known.signed(TransactionStep.FINISH, 2)
    assert known.oldest_age == 0


def test_one_that_was_open_before_counts_from_when_it_was_first_told_of(
    watch: Watch, known: OpenTransactionAges
) -> None:
    known.told(1)
    watch.now += 100
    known.signed(TransactionStep.START, 8)
    known.told(2)
    assert known.oldest_age == 100
    known.signed(TransactionStep.FINISH, 3)  # the one from before
    watch.now += 1
    assert known.oldest_age == 1


def test_what_ended_unseen_is_forgotten_when_none_is_open(watch: Watch, known: OpenTransactionAges) -> None:
    known.signed(TransactionStep.START, 1)
    known.told(3)
    watch.now += 100
    known.told(2)
    assert known.oldest_age == 100
    known.told(0)
    assert known.oldest_age == 0


def test_fewer_than_were_seen_to_begin_are_no_reason_for_another(watch: Watch, known: OpenTransactionAges) -> None:
    for number in (1, 2):
        known.signed(TransactionStep.START, number)
    known.told(1)
    for number in (1, 2):
        known.signed(TransactionStep.FINISH, number)
    watch.now += 60
    assert known.oldest_age == 0


async def test_a_device_sees_its_transactions_begin_and_end(ready: Device) -> None:
    await receipt(ready.command, ready)
    assert ready.oldest_transaction_seconds == 0
    await step(ready.command, ready, TransactionStep.START)
    assert ready.oldest_transaction_seconds > 0
