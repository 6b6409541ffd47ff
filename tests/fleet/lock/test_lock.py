"""The lock as holders meet it: who waits, what is cleaned up before the next one, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.errors import CommandRejected, DeviceGone, DeviceTimeout, GatewayError, InvalidSession, LockRefused
from gateway.fleet.lock.lock import LockStatus, TseLock, new_session
from gateway.fleet.lock.queue import Lease, LockQueue
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import AbortImport, CloseImport, OpenImport, TransactionStep
from gateway.tse.results import Result
from gateway.tse.unfinished import Unfinished
from tests.texts import said

SERIAL = "AB" * 32


class Till:
    alive = True
    peer = token = client_id = ""


async def done(_: bytes) -> bytes:
    return b""


def lock_that_sends_by(send: Callable[[bytes], Awaitable[bytes]]) -> TseLock:
    queue = LockQueue(idle=90, orphaned=10, new_session=new_session)
    return TseLock(SERIAL, queue, Metrics(), send=send, clock=asyncio.get_running_loop().time)


class Timed:
    """A lock whose clock stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self.queue = LockQueue(idle=90, orphaned=10, new_session=new_session)
        self.lock = TseLock(SERIAL, self.queue, self.metrics, send=done, clock=lambda: self.now)

    async def reader(self, till: Till) -> Lease:
        """The lease of somebody who exports the store."""
        lease = await self.lock.acquire(till, 1)
        lease.length, lease.reads = 10, 2
        return lease

    def seconds(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"tse_gateway_lock_{name}_seconds_sum", {"serial": SERIAL})


@pytest.fixture
def timed() -> Timed:
    return Timed()


async def test_nobody_gets_the_lock_before_the_clean_up_is_done() -> None:
    lock, finish = lock_that_sends_by(done), asyncio.Event()

    async def clean_up() -> None:
        await finish.wait()

    lock.clean_up(clean_up())
    assert not lock.free
    waiting = asyncio.create_task(lock.acquire(Till(), 5))
    await asyncio.sleep(0)
    assert (lock.lease, lock.waiting_clients) == (None, 1)
    finish.set()
    assert await waiting is lock.lease


async def test_what_a_holder_left_unfinished_is_aborted_before_the_next_one_comes() -> None:
    sent: list[bytes] = []

    async def send(command: bytes) -> bytes:
        assert lock.lease is None
        sent.append(command)
        return b""

    lock = lock_that_sends_by(send)
    async with lock.hold(Till(), 1) as lease:
        lease.unfinished.add(Unfinished.IMPORT)
    await lock.acquire(Till(), 1)
    assert sent == [AbortImport().encode()]


@pytest.mark.parametrize(
    "error", [CommandRejected(Result.NO_TRANSACTION_IN_PROGRESS, said("none")), DeviceTimeout(said("no answer"))]
)
async def test_an_abort_that_fails_keeps_nobody_from_the_lock(error: GatewayError) -> None:
    async def send(_: bytes) -> bytes:
        raise error

    lock = lock_that_sends_by(send)
    async with lock.hold(Till(), 1) as lease:
        lease.unfinished.add(Unfinished.EXPORT)
    assert await lock.acquire(Till(), 1) is lock.lease


async def test_a_lock_of_a_tse_that_is_given_up_is_granted_after_its_reopening() -> None:
    lock = lock_that_sends_by(done)
    lease = await lock.acquire(Till(), 1)
    lock.revoke(said("it hangs"))
    with pytest.raises(DeviceGone, match="it hangs"):
        await lock.acquire(Till(), 1)
    lock.reopened()
    await lock.acquire(Till(), 1)
    with pytest.raises(DeviceGone, match="opened afresh"):
        lock.check(lease)
    lock.release(lease.session)  # the lock of before; no error, and the new holder keeps its own
    assert lock.lease is not None


async def test_a_lock_that_is_drained_serves_those_who_had_asked_before() -> None:
    lock = lock_that_sends_by(done)
    first = await lock.acquire(Till(), 1)
    second = asyncio.create_task(lock.acquire(Till(), 5))
    await asyncio.sleep(0)
    drained = asyncio.create_task(lock.drain())
    await asyncio.sleep(0)
    late = asyncio.create_task(lock.acquire(Till(), 5))
    await asyncio.sleep(0)
    assert not drained.done()
    lock.release(first.session)
    lock.release((await second).session)
    async with asyncio.timeout(5):
        await drained
    assert not late.done()
    late.cancel()


async def test_an_operator_takes_the_lock_from_whoever_holds_it(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[bytes] = []

    async def send(command: bytes) -> bytes:
        sent.append(command)
        return b""

    lock, till = lock_that_sends_by(send), Till()
    till.peer = "10.0.0.7:51234"
    assert lock.break_lease() is None
    lease = await lock.acquire(till, 1)
    with lock.use(lease.session, till) as running:
        running.sends(OpenImport(TransactionStep.START, b"POS-1", 0, 0, b"").encode())
        running.unfinished.add(Unfinished.IMPORT)
        told = lock.break_lease()
        assert told is not None
        assert (told.peer, told.client_id, told.last_command) == (till.peer, "POS-1", "open transaction import")
        assert lock.lease is lease  # what runs is finished
        with pytest.raises(InvalidSession), lock.use(lease.session, till):
            pass
    lock.sweep()
    await lock.acquire(Till(), 1)
    assert sent == [AbortImport().encode()]
    (record,) = (r for r in caplog.records if getattr(r, "event", "") == "lock_broken")
    assert (record.peer, record.client) == (till.peer, "POS-1")  # type: ignore[attr-defined]
    lock.release(lease.session)  # the till does not know yet, and is told nothing wrong


@pytest.mark.parametrize(("chance", "session"), [(lambda _: 0, 1), (lambda below: below - 1, 2**64 - 1)])
def test_a_session_is_a_number_of_64_bits_and_never_zero(
    monkeypatch: pytest.MonkeyPatch, chance: Callable[[int], int], session: int
) -> None:
    monkeypatch.setattr("secrets.randbelow", chance)
    assert new_session() == session


def test_a_holder_is_named_by_its_address_and_its_client_id_as_far_as_they_are_known() -> None:
    told = [str(LockStatus(*names, 1.0, "", 0.0)) for names in (("10.0.0.7:1", "POS-1"), ("10.0.0.7:1", ""), ("", ""))]
    assert told == ["10.0.0.7:1 (POS-1)", "10.0.0.7:1", "the gateway"]


async def test_who_holds_the_lock_is_told_for_how_long_and_since_when_it_is_silent(timed: Timed) -> None:
    def told() -> tuple[float, float]:
        status = timed.lock.status
        assert status is not None
        assert status.token == "shop"
        return status.seconds, status.last_request_seconds

    till = Till()
    till.token = "shop"
    lease = await timed.lock.acquire(till, 1)
    timed.now = 1012.34
    assert told() == (12.3, 12.3)
    with timed.lock.use(lease.session, lease.holder):
        timed.now = 1020.0
        assert told() == (20.0, 0.0)
    timed.now = 1022.26
    assert told() == (22.3, 2.3)


async def test_waiting_and_holding_are_measured(timed: Timed) -> None:
    first = await timed.lock.acquire(Till(), 1)
    second = asyncio.create_task(timed.lock.acquire(Till(), 5))
    await asyncio.sleep(0)
    timed.now += 3
    timed.lock.release(first.session)
    timed.now += 0.5
    lease = await second
    timed.now += 4
    timed.lock.release(lease.session)
    assert (timed.seconds("wait"), timed.seconds("held")) == (3.5, 7.0)


async def test_a_reader_gets_its_lock_back_before_those_who_wait(timed: Timed) -> None:
    reader, lock = Till(), timed.lock
    lease = await timed.reader(reader)
    await lock.regain(lease.session, reader, 1)  # it has it still
    assert not lease.acted

    async def do_more() -> None:
        await lock.regain(lease.session, reader, 5)
        with lock.use(lease.session, reader) as mine:
            assert mine is lease is lock.lease

    seller = await lock.acquire(Till(), 1)
    next_one = asyncio.create_task(lock.acquire(Till(), 5))
    back = asyncio.create_task(do_more())
    await asyncio.sleep(0)
    assert (lock.waiting_clients, lock.lease) == (2, seller)
    lock.release(seller.session)
    await back
    lock.release(lease.session)
    assert await next_one is lock.lease


async def test_a_session_is_checked_without_being_used(timed: Timed) -> None:
    lease = await timed.lock.acquire(Till(), 1)
    timed.now += 5
    timed.lock.check_session(lease.session)
    assert lease.touched == 1000
    with pytest.raises(InvalidSession):
        timed.lock.check_session(lease.session + 1)
    timed.lock.revoke(said("it hangs"))
    with pytest.raises(DeviceGone, match="it hangs"):
        timed.lock.check_session(lease.session)
    with pytest.raises(DeviceGone, match="it hangs"), timed.lock.use(lease.session, lease.holder):
        pass


async def test_a_lock_is_free_when_nobody_has_it_or_waits_for_it(timed: Timed) -> None:
    lock = timed.lock
    seen = [lock.free]
    first = await lock.acquire(Till(), 1)
    waiting = asyncio.create_task(lock.acquire(Till(), 5))
    await asyncio.sleep(0)
    seen.append(lock.free)
    lock.release(first.session)
    seen.append(lock.free)  # somebody waits
    lock.release((await waiting).session)
    lease = await timed.reader(Till())
    lock.release((await lock.acquire(Till(), 1)).session)
    seen.append(lock.free)  # a reader stands aside
    lock.release(lease.session)
    assert [*seen, lock.free] == [True, False, False, False, True]


async def test_leases_that_stepped_aside_end_when_the_store_is_emptied(timed: Timed) -> None:
    lease = await timed.reader(Till())
    seller = await timed.lock.acquire(Till(), 1)
    timed.now += 3
    timed.lock.end_aside()
    assert timed.lock.has_ended(lease.session)
    assert (timed.lock.lease, timed.seconds("held")) == (seller, 3.0)


async def test_nobody_waits_for_a_sale_that_is_none_is_over_or_is_its_own(timed: Timed) -> None:
    await timed.lock.wait_for_sale()
    lease = await timed.lock.acquire(Till(), 1)
    await timed.lock.wait_for_sale(lease)
    timed.now += 1  # the holder pauses
    await timed.lock.wait_for_sale()


async def test_a_sale_is_waited_for_until_its_end(timed: Timed) -> None:
    lease = await timed.lock.acquire(Till(), 1)
    waiting = asyncio.create_task(timed.lock.wait_for_sale())
    await asyncio.sleep(0)
    assert not waiting.done()
    timed.lock.release(lease.session)
    await timed.lock.acquire(Till(), 1)  # the sale of another till is not waited for
    await asyncio.wait_for(waiting, 20)


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Awaitable[None]]:
    """Let seconds of the event loop pass at once, and whoever waited for them do what they do then."""
    loop = asyncio.get_running_loop()
    began, passed = loop.time(), 0.0
    monkeypatch.setattr(loop, "time", lambda: began + passed)

    async def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        for _ in range(5):
            await asyncio.sleep(0)

    return let_pass


async def test_a_sale_is_waited_for_a_second_at_most(
    timed: Timed, pass_time: Callable[[float], Awaitable[None]]
) -> None:
    await timed.lock.acquire(Till(), 1)
    waiting = asyncio.create_task(timed.lock.wait_for_sale())
    await pass_time(0)
    await pass_time(0.99)
    assert not waiting.done()
    await pass_time(0.02)
    assert waiting.done()


async def test_a_connection_that_broke_is_noticed_while_somebody_waits(
    timed: Timed, pass_time: Callable[[float], Awaitable[None]]
) -> None:
    gone = Till()
    lease = await timed.lock.acquire(gone, 1)
    waiting = asyncio.create_task(timed.lock.acquire(Till(), 5))
    await pass_time(0)
    gone.alive = False
    for _ in range(2):
        assert timed.lock.lease is lease
        await pass_time(0.11)
        timed.now += 0.5
    await pass_time(0.11)
    assert waiting.done()
    assert timed.lock.lease is await waiting


async def test_a_silent_holder_is_told_of(timed: Timed, caplog: pytest.LogCaptureFixture) -> None:
    await timed.lock.acquire(Till(), 1)
    timed.now += 90
    timed.lock.sweep()
    (record,) = (vars(record) for record in caplog.records if record.levelname == "WARNING")
    assert (record["event"], record["serial"], record["reason"]) == ("lock_expired", SERIAL, "silent")


async def test_who_waits_for_the_clean_up_waits_for_all_of_it_even_if_it_fails(timed: Timed) -> None:
    ended = []

    async def clean_up(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        ended.append(turns)
        raise DeviceTimeout(said("no answer"))

    timed.lock.clean_up(clean_up(1))
    timed.lock.clean_up(clean_up(5))
    await timed.lock.cleaned_up()
    assert ended == [1, 5]


async def test_a_lock_of_a_tse_that_is_given_up_is_drained_at_once(timed: Timed) -> None:
    await timed.lock.acquire(Till(), 1)
    waiting = asyncio.create_task(timed.lock.acquire(Till(), 5))
    drained = asyncio.create_task(timed.lock.drain())
    await asyncio.sleep(0)
    timed.lock.revoke(said("it hangs"))
    async with asyncio.timeout(5):
        await drained
    with pytest.raises(DeviceGone):
        await waiting


async def test_a_gateway_that_stops_refuses_those_who_wait(timed: Timed) -> None:
    await timed.lock.acquire(Till(), 1)
    waiting = asyncio.create_task(timed.lock.acquire(Till(), 5))
    await asyncio.sleep(0)
    timed.lock.refuse_waiting()
    with pytest.raises(LockRefused, match="stops"):
        await waiting


async def test_who_waited_in_vain_is_told_of_with_its_place_and_who_held_the_lock(
    timed: Timed, pass_time: Callable[[float], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    holder, first, second = Till(), Till(), Till()
    holder.peer, first.peer, second.peer, second.client_id, second.token = "A:1", "B:1", "C:1", "POS-3", "shop"
    lease = await timed.lock.acquire(holder, 1)
    lease.client_id = "POS-1"
    patient = asyncio.create_task(timed.lock.acquire(first, 60))
    await pass_time(0)
    waiting = asyncio.create_task(timed.lock.acquire(second, 5))
    await pass_time(0)
    await pass_time(4.9)
    assert not waiting.done()
    await pass_time(0.2)
    with pytest.raises(LockRefused, match="for 5 s"):
        await waiting
    (told,) = (vars(record) for record in caplog.records if getattr(record, "event", "") == "lock_refused")
    assert {name: told[name] for name in ("serial", "peer", "client", "token", "place", "holder", "holder_client")} == {
        "serial": SERIAL,
        "peer": "C:1",
        "client": "POS-3",
        "token": "shop",
        "place": 2,
        "holder": "A:1",
        "holder_client": "POS-1",
    }
    patient.cancel()


async def test_who_hung_up_or_waited_for_nobody_in_particular_is_told_of_without_a_holder(
    timed: Timed, pass_time: Callable[[float], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    finish = asyncio.Event()

    async def clean_up() -> None:
        await finish.wait()

    timed.lock.clean_up(clean_up())
    till, gone = Till(), Till()
    till.peer, gone.peer = "A:1", "B:1"
    waiting = [asyncio.create_task(timed.lock.acquire(each, 5)) for each in (till, gone)]
    await pass_time(0)
    gone.alive = False
    await pass_time(5.1)
    for task in waiting:
        with pytest.raises(LockRefused):
            await task
    (told,) = (vars(record) for record in caplog.records if getattr(record, "event", "") == "lock_refused")
    assert (told["peer"], "holder" in told) == ("A:1", False)
    finish.set()


@pytest.mark.parametrize(
    ("event", "receipt"),
    [(TransactionStep.FINISH, 1002), (TransactionStep.START, None), (TransactionStep.UPDATE, None)],
)
async def test_a_receipt_is_a_finish_that_was_signed(
    timed: Timed, event: TransactionStep, receipt: float | None
) -> None:
    lease = await timed.lock.acquire(Till(), 1)
    for command in (OpenImport(event, b"POS-1", 1, 0, b"").encode(), CloseImport().encode()):
        lease.sends(command)
        assert lease.receipt is None
        timed.now += 1
        timed.lock.carried_out(lease, command)
    assert lease.receipt == receipt
