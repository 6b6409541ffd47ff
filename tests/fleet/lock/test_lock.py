"""The lock as holders meet it: who waits, what is cleaned up before the next one, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.errors import CommandRejected, DeviceGone, DeviceTimeout, GatewayError, InvalidSession
from gateway.fleet.lock.lock import TseLock, new_session
from gateway.fleet.lock.queue import LockQueue
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import AbortImport, OpenImport, TransactionStep
from gateway.tse.results import Result
from gateway.tse.unfinished import Unfinished

SERIAL = "AB" * 32


class Till:
    alive = True
    peer = ""


async def done(_: bytes) -> bytes:
    return b""


def lock_that_sends_by(send: Callable[[bytes], Awaitable[bytes]]) -> TseLock:
    queue = LockQueue(idle=90, orphaned=10, new_session=new_session)
    return TseLock(SERIAL, queue, Metrics(), send=send, clock=asyncio.get_running_loop().time)


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
    "error", [CommandRejected(Result.NO_TRANSACTION_IN_PROGRESS, "none"), DeviceTimeout("no answer")]
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
    lock.revoke("it hangs")
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
