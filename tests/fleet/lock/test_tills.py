"""What is known of the tills of a TSE, with a clock of the test's own."""

import itertools

import pytest

from gateway.fleet.lock.queue import Lease, LockQueue
from gateway.fleet.lock.tills import _MOST, Tills, TillState, TillStatus


class Till:
    def __init__(self, number: int, client_id: str = "") -> None:
        self.alive = True
        self.peer, self.token, self.client_id = f"10.0.0.{number}:1", f"token {number}", client_id


class Shop:
    """A lock and its tills."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.queue = LockQueue(idle=90, orphaned=10, new_session=lambda: next(numbers))
        self.tills = Tills(self.queue)

    def hold(self, till: Till, now: float, client_id: str = "") -> Lease:
        lease = self.queue.grant(self.queue.join(till, now), now)
        assert lease is not None
        lease.client_id = client_id
        return lease

    def read(self, till: Till, now: float) -> Lease:
        lease = self.hold(till, now)
        lease.length, lease.reads = 10, 2
        return lease

    def end(self, lease: Lease, now: float) -> None:
        self.queue.release(lease.session)
        self.tills.saw(lease, now)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_each_till_is_told_with_what_it_does_and_since_when(shop: Shop) -> None:
    shop.end(shop.hold(Till(1), 50, "POS-1"), 60)
    shop.end(shop.hold(Till(2), 61, "POS-2"), 70.04)
    shop.read(Till(3, "POS-3"), 71)
    holder = shop.hold(Till(4), 80, "POS-4")
    holder.last_command = "sign"
    shop.queue.join(gone := Till(5), 81)
    gone.alive = False
    shop.queue.join(Till(6, "POS-6"), 82)
    shop.queue.join(Till(7), 83)
    assert shop.tills.all(100.26) == [
        TillStatus("POS-4", "token 4", "10.0.0.4:1", TillState.HOLDS, 20.3, None, "sign"),
        TillStatus("POS-3", "token 3", "10.0.0.3:1", TillState.READS, 29.3),
        TillStatus("POS-6", "token 6", "10.0.0.6:1", TillState.WAITS, 18.3, 1),
        TillStatus("", "token 7", "10.0.0.7:1", TillState.WAITS, 17.3, 2),
        TillStatus("POS-2", "token 2", "10.0.0.2:1", TillState.IDLE, 30.2),
        TillStatus("POS-1", "token 1", "10.0.0.1:1", TillState.IDLE, 40.3),
    ]


def test_the_last_receipt_of_a_till_is_known_while_it_does_other_things(shop: Shop) -> None:
    def receipts() -> list[float | None]:
        return [till.receipt_seconds for till in shop.tills.all(100)]

    lease = shop.hold(Till(1), 10, "POS-1")
    assert receipts() == [None]
    lease.receipt = 12.34
    assert receipts() == [87.7]
    shop.end(lease, 15)
    assert receipts() == [87.7]
    again = shop.hold(Till(1), 20, "POS-1")
    assert receipts() == [87.7]
    shop.end(again, 21)  # nothing was sold
    assert receipts() == [87.7]
    again = shop.hold(Till(1), 30, "POS-1")
    again.receipt = 31
    shop.end(again, 32)
    assert receipts() == [69.0]
    shop.queue.join(Till(1, "POS-1"), 40)
    assert receipts() == [69.0]


def test_who_sent_no_client_id_is_not_remembered(shop: Shop) -> None:
    shop.end(shop.hold(Till(1), 10), 20)
    assert shop.tills.all(30) == []


def test_of_many_tills_the_latest_are_remembered(shop: Shop) -> None:
    for number in range(_MOST + 1):
        shop.end(shop.hold(Till(number), number, f"POS-{number}"), number)
        assert len(shop.tills.all(number)) == min(number + 1, _MOST)
    assert shop.tills.all(number)[-1].client_id == "POS-1"


def test_a_till_is_named_by_its_address_or_its_token_and_its_client_id() -> None:
    names = ("10.0.0.1:1", "token", "POS-1")
    told = [
        str(TillStatus(client_id, token, peer, TillState.IDLE, 0))
        for peer, token, client_id in (names, ("10.0.0.1:1", "", ""), ("", "token", "POS-1"), ("", "", ""))
    ]
    assert told == ["10.0.0.1:1 (POS-1)", "10.0.0.1:1", "token (POS-1)", "the gateway"]
