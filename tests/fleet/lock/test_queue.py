"""The lock's rules, with a clock of the test's own."""

import itertools
import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.errors import InvalidSession
from gateway.fleet.lock.queue import Lapse, Lease, LockQueue, Ticket
from gateway.tse.unfinished import Unfinished


class Till:
    def __init__(self) -> None:
        self.alive = True
        self.peer = self.token = self.client_id = ""


def lock_queue(idle: float = 90, orphaned: float = 10, longest: float = math.inf) -> LockQueue:
    numbers = itertools.count(1)
    return LockQueue(idle=idle, orphaned=orphaned, longest=longest, new_session=lambda: next(numbers))


def hold(lock: LockQueue, till: Till, now: float = 0) -> Lease:
    lease = lock.grant(lock.join(till, now), now)
    assert lease is not None
    return lease


def test_first_come_first_served() -> None:
    lock = lock_queue()
    first = hold(lock, Till())
    second, third = lock.join(Till(), 1), lock.join(Till(), 2)
    assert lock.grant(second, 3) is None
    lock.release(first.session)
    assert lock.grant(third, 4) is None
    assert lock.grant(second, 4) is lock.lease
    assert lock.waiting == 1


def test_whoever_hung_up_is_passed_over() -> None:
    lock = lock_queue()
    lease = hold(lock, Till())
    gone = Till()
    lock.join(gone, 1)
    next_one = lock.join(Till(), 2)
    gone.alive = False
    lock.release(lease.session)
    assert lock.grant(next_one, 3) is not None


def test_a_place_given_up_is_given_up() -> None:
    lock = lock_queue()
    ticket = lock.join(Till(), 0)
    lock.leave(ticket)
    lock.leave(ticket)
    assert lock.grant(ticket, 1) is None


def test_only_the_holder_releases() -> None:
    lock = lock_queue()
    lease = hold(lock, Till())
    with pytest.raises(InvalidSession):
        lock.release(lease.session + 1)
    assert not lock.ended(lease.session)
    lock.release(lease.session)
    assert lock.ended(lease.session)
    with pytest.raises(InvalidSession):
        lock.release(lease.session)


def test_a_holder_that_reads_again_and_again_loses_its_lock_after_the_longest_time() -> None:
    lock, till = lock_queue(longest=300), Till()
    lease = hold(lock, till)
    for now in range(15, 300, 15):
        lock.exit(lock.enter(lease.session, till, now, reading=True), now)
        assert lock.lapse(now) is None
    with pytest.raises(InvalidSession):
        lock.enter(lease.session, till, 300, reading=True)
    assert lock.lapse(300) == (lease, Lapse.TOO_LONG)


def test_the_longest_time_counts_from_the_grant() -> None:
    lock, till = lock_queue(longest=300), Till()
    lease = hold(lock, till, now=1000)
    lock.exit(lock.enter(lease.session, till, 1299), 1299)
    assert lock.lapse(1299) is None
    assert lock.lapse(1300) == (lease, Lapse.TOO_LONG)


def test_two_requests_at_once_have_both_to_end_before_a_lease_may_lapse() -> None:
    lock, till = lock_queue(idle=90), Till()
    lease = hold(lock, till)
    for _ in range(2):
        lock.enter(lease.session, till, 1)
    lock.exit(lease, 2)
    assert lock.lapse(500) is None
    lock.exit(lease, 500)
    assert lock.lapse(590) == (lease, Lapse.SILENT)


def test_of_the_sessions_that_have_ended_the_last_ones_are_known() -> None:
    lock = lock_queue()
    for session in range(1, 4098):
        assert lock.release(hold(lock, Till()).session).session == session
    assert [lock.ended(session) for session in (1, 2, session)] == [False, True, True]


def test_what_runs_when_a_lease_is_over_is_finished_and_nothing_follows() -> None:
    lock, till = lock_queue(longest=300), Till()
    lease = hold(lock, till)
    lock.enter(lease.session, till, 299)
    assert lock.lapse(301) is None
    with pytest.raises(InvalidSession):
        lock.enter(lease.session, till, 301)
    lock.exit(lease, 302)
    assert lock.lapse(302) == (lease, Lapse.TOO_LONG)


def test_a_silent_holder_loses_its_lock() -> None:
    lock, till = lock_queue(idle=90), Till()
    lease = hold(lock, till)
    lock.exit(lock.enter(lease.session, till, 50), 60)
    assert lock.lapse(149.9) is None
    assert lock.lapse(150) == (lease, Lapse.SILENT)
    assert lock.lapse(1000) is None
    with pytest.raises(InvalidSession):
        lock.enter(lease.session, till, 151)


def test_a_long_command_is_not_silence() -> None:
    lock, till = lock_queue(idle=90), Till()
    lease = hold(lock, till)
    lock.enter(lease.session, till, 1)
    assert lock.lapse(500) is None
    lock.exit(lease, 500)
    assert lock.lapse(589) is None
    assert lock.lapse(590) == (lease, Lapse.SILENT)


def test_an_orphan_may_come_back_on_a_new_connection() -> None:
    lock, till = lock_queue(orphaned=10), Till()
    lease = hold(lock, till)
    lock.exit(lock.enter(lease.session, till, 1), 1)
    till.alive = False
    assert lock.lapse(2) is None
    again = Till()
    lock.exit(lock.enter(lease.session, again, 11), 11)
    assert lock.lapse(30) is None
    again.alive = False
    assert lock.lapse(31) is None
    assert lock.lapse(40.9) is None
    assert lock.lapse(41) == (lease, Lapse.ORPHANED)


def test_a_lock_whose_answer_was_lost_is_free_at_once() -> None:
    lock, till = lock_queue(orphaned=10), Till()
    lease = hold(lock, till)
    till.alive = False
    assert [lock.lapse(now) for now in (5, 5.49)] == [None, None]
    assert lock.lapse(5.5) == (lease, Lapse.ORPHANED)


def test_a_connection_that_lives_again_starts_its_grace_afresh() -> None:
    lock, till = lock_queue(orphaned=10), Till()
    lease = hold(lock, till)
    lock.exit(lock.enter(lease.session, till, 0), 0)
    till.alive = False
    assert lock.lapse(1) is None
    till.alive = True
    assert lock.lapse(2) is None
    till.alive = False
    assert lock.lapse(10.5) is None
    assert lock.lapse(20.5) == (lease, Lapse.ORPHANED)


def test_a_revoked_lease_is_gone() -> None:
    lock = lock_queue()
    lease = hold(lock, Till())
    assert lock.revoke() == [lease]
    assert lock.revoke() == []
    with pytest.raises(InvalidSession):
        lock.release(lease.session)


def reading(lock: LockQueue, till: Till) -> Lease:
    """The lease of somebody who exports a store of ten blocks."""
    lease = hold(lock, till)
    lease.length, lease.reads = 10, 2
    return lease


def test_a_reader_steps_aside_reads_on_and_gets_the_lock_back_before_others() -> None:
    lock, reader = lock_queue(), Till()
    lease = reading(lock, reader)
    seller = hold(lock, Till(), 1)
    next_one = lock.join(Till(), 2)
    assert lock.enter(lease.session, reader, 3, reading=True) is lease
    lock.exit(lease, 3)
    with pytest.raises(InvalidSession):
        lock.enter(lease.session, reader, 3)
    back = lock.join(reader, 4, lease)
    assert lock.grant(back, 5) is None
    lock.release(seller.session)
    assert lock.grant(next_one, 6) is None
    assert lock.grant(back, 6) is lease is lock.lease
    lease.acts()
    assert lock.grant(next_one, 7) is None  # who does more than reading is not passed any more
    lock.release(lease.session)
    assert lock.grant(next_one, 8) is lock.lease


def test_a_reader_is_whoever_was_told_a_length_and_read_on_twice() -> None:
    lock, till = lock_queue(), Till()
    lease = hold(lock, till)
    seen = []
    for blocks, reads in ((0, 2), (10, 1), (10, 2)):
        lock.exit(lock.enter(lease.session, till, 1, reading=True), 1)
        lease.told_length(blocks)
        lease.reads = reads
        seen.append(lease.only_reads)
    assert (seen, lock.is_aside(lease.session)) == ([False, False, True], False)
    hold(lock, Till(), 2)
    assert lock.is_aside(lease.session)


def test_who_has_done_something_is_no_reader_whatever_it_is_told() -> None:
    lock, till = lock_queue(), Till()
    lease = reading(lock, till)
    lock.exit(lock.enter(lease.session, till, 1), 1)
    lease.told_length(10)
    assert (lease.acted, lease.length) == (True, None)


def test_a_sale_is_under_way_while_a_request_runs_and_for_a_fifth_of_a_second_behind_it() -> None:
    lock, till = lock_queue(), Till()
    lease = hold(lock, till, now=10)
    lock.enter(lease.session, till, 11)
    assert lease.under_way(20)
    lock.exit(lease, 20)
    assert [lease.under_way(now) for now in (20, 20.19, 20.21)] == [True, True, False]


def test_at_the_end_of_that_fifth_it_is_over() -> None:
    assert not hold(lock_queue(), Till(), now=0).under_way(0.2)


def test_who_only_reads_is_not_in_the_middle_of_a_sale() -> None:
    lock, till = lock_queue(), Till()
    lease = reading(lock, till)
    lock.enter(lease.session, till, 1, reading=True)
    assert not lease.under_way(1)


def test_the_lock_is_wanted_by_those_alive_who_came_before_its_closing() -> None:
    lock, gone = lock_queue(), Till()
    lock.join(gone, 0)
    assert (lock.wanted, lock.held) == (True, False)
    gone.alive = False
    assert not lock.wanted
    lock.close()
    lock.join(Till(), 1)
    assert not lock.wanted


def test_who_stepped_aside_still_holds_the_lock() -> None:
    lock = lock_queue()
    reading(lock, Till())
    lock.release(hold(lock, Till(), 1).session)
    assert (lock.lease, lock.held) == (None, True)


def test_a_reader_sees_the_store_as_long_as_it_was() -> None:
    lock = lock_queue()
    lease = reading(lock, Till())
    assert lease.as_it_was(9, b"x" * 1024) == b"x" * 1024  # nobody has appended anything
    hold(lock, Till(), 1)
    assert lease.as_it_was(9, b"x" * 1024) == b"x" * 512 + bytes(512)
    assert lease.as_it_was(11, b"x" * 512) == bytes(512)
    lease.acts()
    assert lease.as_it_was(9, b"x" * 1024) == b"x" * 1024


def test_who_has_done_more_than_reading_holds_the_lock_for_itself() -> None:
    for change in ("acted", "unfinished", "length", "reads"):
        lock = lock_queue()
        lease = reading(lock, Till())
        match change:
            case "acted":
                lease.acts()
            case "unfinished":
                lease.unfinished.add(Unfinished.IMPORT)
            case "length":
                lease.length = None
            case _:
                lease.reads = 1
        assert lock.grant(lock.join(Till(), 1), 1) is None


def test_a_reader_that_stepped_aside_lapses_and_is_revoked_like_others() -> None:
    lock, reader = lock_queue(), Till()
    lease = reading(lock, reader)
    seller = hold(lock, Till(), 1)
    reader.alive = False
    assert lock.lapse(2) is None
    assert lock.lapse(2.5) == (lease, Lapse.ORPHANED)
    assert lock.lease is seller
    again = reading_behind(lock, seller)
    assert {item.session for item in lock.revoke()} == {again.session, seller.session}
    assert not lock.held


def reading_behind(lock: LockQueue, seller: Lease) -> Lease:
    """Somebody who reads and has stepped aside for `seller`, who comes again."""
    lock.release(seller.session)
    lease = reading(lock, Till())
    back = lock.join(seller.holder, 5, seller)
    assert lock.grant(back, 5) is seller
    return lease


class LockMachine(RuleBasedStateMachine):
    """Tills that come, work, hang up and vanish in any order: never two holders, nobody overtakes."""

    tickets: Bundle[Ticket] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.lock = lock_queue(idle=90, orphaned=10)
        self.now = 0.0
        self.queue: list[Ticket] = []
        self.holder: Lease | None = None

    @rule(target=tickets)
    def come(self) -> Ticket:
        ticket = self.lock.join(Till(), self.now)
        self.queue.append(ticket)
        return ticket

    @rule(ticket=tickets)
    def ask(self, ticket: Ticket) -> None:
        lease = self.lock.grant(ticket, self.now)
        self.queue = [item for item in self.queue if item.holder.alive or item is ticket]
        if lease is not None:
            assert self.holder is None
            assert self.queue[0] is ticket
            self.queue.pop(0)
            self.holder = lease
        elif self.holder is None and self.queue and self.queue[0] is ticket:
            assert not ticket.holder.alive

    @rule(ticket=consumes(tickets))
    def leave(self, ticket: Ticket) -> None:
        self.lock.leave(ticket)
        self.queue = [item for item in self.queue if item is not ticket]

    @rule(ticket=tickets)
    def hang_up(self, ticket: Ticket) -> None:
        assert isinstance(ticket.holder, Till)
        ticket.holder.alive = False

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        lapsed = self.lock.lapse(self.now)
        if lapsed is not None:
            assert lapsed[0] is self.holder
            assert self.now - self.holder.touched >= (90 if lapsed[1] is Lapse.SILENT else 0)
            self.holder = None

    @rule()
    def work(self) -> None:
        if self.holder is not None:
            self.lock.exit(self.lock.enter(self.holder.session, self.holder.holder, self.now), self.now)

    @rule()
    def unlock(self) -> None:
        if self.holder is not None:
            assert self.lock.release(self.holder.session) is self.holder
            self.holder = None

    @invariant()
    def one_holder(self) -> None:
        assert self.lock.lease is self.holder


TestLockMachine = LockMachine.TestCase
